"""The verbs of schedules: find what is due, move it on, start its runs."""

from typing import Any

import structlog

from provenance.core.actor import Kind
from provenance.core.clock import iso_millis
from provenance.core.db import Database, WriteTx
from provenance.core.errors import Problem, Unavailable
from provenance.runs.entering import begin
from provenance.runs.schedules import queries
from provenance.runs.schedules.slots import Due, due
from provenance.runs.starting import Prepared, Start, prepared
from provenance.runs.triggering import Tools, live_version, reason_of, refuse
from provenance.workflows import queries as workflow_queries
from provenance.workflows.plan import TriggerType
from provenance.workflows.problems import InvalidDefinition
from provenance.workflows.timetable import BadSchedule

AT_ONCE = 100
ACTING = ("schedule", Kind.SYSTEM.value)

_OVERLAP = ("overlap", "The run before has not ended, and the schedule's overlap is skip.")
_MISSED = ("missed", "Nobody was there to start it in time, and the schedule's catchUp leaves it out.")

log: Any = structlog.get_logger("runs.schedules")


async def look(db: Database, tools: Tools, now: int | None = None) -> tuple[int, float | None]:
    """Start what is due at ``now``, the database's time by default.

    Return how many schedules were found due, and in how many seconds the next one is; None when none ever is.
    """
    moment, following = await queries.outlook(db)
    now = moment if now is None else now
    if following is None or following > now:
        return 0, _seconds(moment, following)
    async with db.housekeeping() as tx:
        rows = await workflow_queries.due_schedules(tx, now, limit=AT_ONCE)
    for row in rows:
        await _fire_or_log(db, tools, row, now)
    return len(rows), _seconds(*await queries.outlook(db))


def _seconds(now: int, following: int | None) -> float | None:
    return None if following is None else (following - now) / 1e9


async def _fire_or_log(db: Database, tools: Tools, row: Any, now: int) -> None:
    """Fire one schedule; what is wrong with it must not hold up the others."""
    try:
        await fire(db, tools, row, now)
    except Unavailable:
        raise
    except Exception as error:
        log.error("schedule_failed", workflow_id=str(row.workflow_id), error=type(error).__name__)


async def fire(db: Database, tools: Tools, row: Any, now: int) -> None:
    """Move a schedule on from the time that was seen and start its runs, unless another worker did before."""
    try:
        found, refusal = due(row.cron, row.timezone, row.catch_up, row.next_at, now), None
    except BadSchedule as error:  # a zone that this system's tables do not hold any more
        found, refusal = Due([], None, None), ("bad_schedule", error.issue)
    begun: list[Prepared] = []
    try:
        begun = await _prepared(tools, row, found.starts)
    except (Problem, InvalidDefinition) as error:
        refusal = reason_of(error)
    async with db.housekeeping(row.workspace_id) as tx:
        key = {"seen": row.next_at, "to": found.following}
        if not await workflow_queries.move_schedule(tx, row.workflow_id, row.key, **key):
            return
        if found.dropped is not None:
            _refuse(tx, row, _MISSED, found.dropped)
        if refusal is not None:
            _refuse(tx, row, refusal, (found.starts or [row.next_at])[-1])
        elif begun:
            await _begin(tx, tools, row, begun, found.starts)


async def _begin(tx: WriteTx, tools: Tools, row: Any, begun: list[Prepared], slots: list[int]) -> None:
    if row.overlap == "skip" and await queries.active(tx, row.workflow_id, _start_key(row)):
        _refuse(tx, row, _OVERLAP, slots[-1])
        return
    for each in begun:
        await begin(tx, tools.engine, each)


def _refuse(tx: WriteTx, row: Any, reason: tuple[str, str], until: int) -> None:
    """Record which times started nothing: those from the one that was seen up to another."""
    facts = {"from": iso_millis(row.next_at), "until": iso_millis(until)}
    refuse(tx, row.workflow_id, TriggerType.SCHEDULE, row.key, reason, **facts)


async def _prepared(tools: Tools, row: Any, slots: list[int]) -> list[Prepared]:
    """Make the runs of some times; several run one after another, as do those of a schedule that queues."""
    found = await live_version(tools.library, row.workspace_id, row.workflow_id, row.version)
    if found is None:
        return []
    live, plan = found
    if row.overlap == "queue" or len(slots) > 1:
        live = live._replace(max_concurrent=1)
    return [prepared(_start(row, slot), live, plan) for slot in slots]


def _start(row: Any, slot: int) -> Start:
    at = iso_millis(slot)
    return Start(
        workspace_id=row.workspace_id,
        workflow_id=row.workflow_id,
        acting=ACTING,
        type=TriggerType.SCHEDULE,
        input={},
        trigger={"scheduledAt": at, "timezone": row.timezone, "cron": row.cron},
        entry=row.key,
        start_key=_start_key(row) + str(slot),
    )


def _start_key(row: Any) -> str:
    return f"sch:{row.workflow_id}:{row.key}:"
