"""Every statement of runs beyond the engine's own."""

import uuid
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Uuid, case, delete, func, insert, literal, select, tuple_, update
from sqlalchemy.dialects.postgresql import distinct_on

from provenance.core.db import Database, ReadTx, WriteTx
from provenance.engine.schemas import ENDED, State, Status, StepStatus, WaitKind
from provenance.engine.tables import LARGE_BYTES, run_steps, run_waits, runs
from provenance.engine.writing import as_uuid

_SUMMARY = [column for column in runs.c if column.name not in ("input", "output")]
_LARGE = run_steps.c.output_ref.is_not(None) | (func.octet_length(run_steps.c.output) > LARGE_BYTES)
_STEP = [column for column in run_steps.c if column.name != "output"]
_OPEN_STEPS = (StepStatus.RUNNING.value, StepStatus.WAITING.value, StepStatus.PENDING.value)


async def page(tx: ReadTx, before: uuid.UUID | None, limit: int, **filters: Any) -> list[Row[Any]]:
    """Return runs without input and output, newest first, below an id."""
    query = select(*_SUMMARY).where(runs.c.workspace_id == tx.workspace_id, *_narrowed(filters))
    if before is not None:
        query = query.where(runs.c.id < before)
    return list((await tx.execute(query.order_by(runs.c.id.desc()).limit(limit))).all())


async def matching(tx: ReadTx, limit: int, *, ended: bool, **filters: Any) -> list[uuid.UUID]:
    """Return the ids of runs that have ended, or of those that have not, oldest first."""
    state = runs.c.state == State.ENDED.value if ended else runs.c.state != State.ENDED.value
    query = select(runs.c.id).where(runs.c.workspace_id == tx.workspace_id, state, *_narrowed(filters))
    return list((await tx.execute(query.order_by(runs.c.id).limit(limit))).scalars())


def _narrowed(filters: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    found = []
    if filters.get("since") is not None:
        found.append(runs.c.started_at >= filters["since"])
    if filters.get("until") is not None:
        found.append(runs.c.started_at < filters["until"])
    if filters.get("run_ids") is not None:
        found.append(runs.c.id.in_(filters["run_ids"]))
    for name in ("workflow_id", "status", "environment", "trigger_type"):
        if filters.get(name) is not None:
            found.append(runs.c[name] == filters[name])
    return found


async def one(tx: ReadTx, run_id: uuid.UUID) -> Row[Any] | None:
    """Return a run with everything."""
    query = select(runs).where(runs.c.workspace_id == tx.workspace_id, runs.c.id == run_id)
    return (await tx.execute(query)).first()


_ORIGIN = """
WITH RECURSIVE up AS (
    SELECT parent_id, triggered_by, 1 AS depth FROM runs WHERE workspace_id = $1 AND id = $2
    UNION ALL
    SELECT r.parent_id, r.triggered_by, up.depth + 1
      FROM up JOIN runs AS r ON r.workspace_id = $1 AND r.id = up.parent_id WHERE up.depth < 20
), top AS (SELECT triggered_by FROM up ORDER BY depth DESC LIMIT 1)
SELECT top.triggered_by, k.created_by, w.name
  FROM top LEFT JOIN api_keys AS k ON k.workspace_id = $1 AND starts_with(top.triggered_by, 'key_')
                                AND k.id = substr(top.triggered_by, 5)
       LEFT JOIN workflows AS w ON w.workspace_id = $1 AND w.id = $3
"""


class Origin(NamedTuple):
    """Whence a run comes: who started it, who made the key that did, and the name of its workflow."""

    triggered_by: str
    key_made_by: str | None
    workflow_name: str | None


async def origin(tx: ReadTx, run_id: uuid.UUID, workflow_id: uuid.UUID) -> Origin:
    """Return whence a run comes, or the run at the top of those that started it. One read: each question asks it."""
    found = await tx.driver_sql(_ORIGIN, (tx.workspace_id, run_id, workflow_id))
    return Origin._make(found.one())


_IDS = [column.name for column in runs.c if isinstance(column.type, Uuid)]
_ENDED = f"""
SELECT {", ".join(runs.c.keys())} FROM runs WHERE workspace_id = $1 AND id = ANY($2::uuid[]) AND ended_at IS NOT NULL
"""  # noqa: S608 — names of ours


async def ended_among(db: Database, workspace_id: uuid.UUID, run_ids: Sequence[uuid.UUID]) -> list[Any]:
    """Return those of these runs that have ended, with the columns of their table as attributes."""
    found = await db.single(_ENDED, workspace_id, list(run_ids))
    return [_as_read(row) for row in found]


def _as_read(row: Mapping[str, Any]) -> SimpleNamespace:
    """Return a row of the driver's as one of a transaction reads: its ids are plain ones."""
    ids = {name: as_uuid(row[name]) for name in _IDS if row[name] is not None}
    return SimpleNamespace(**dict(row.items()) | ids)


async def with_start_key(tx: ReadTx, start_key: str) -> Row[Any] | None:
    """Return the run that a start of this key made."""
    query = select(runs).where(runs.c.workspace_id == tx.workspace_id, runs.c.start_key == start_key)
    return (await tx.execute(query)).first()


async def lock(tx: WriteTx, run_id: uuid.UUID) -> Row[Any] | None:
    """Return a run and hold its lock until the transaction ends."""
    query = select(runs).where(runs.c.workspace_id == tx.workspace_id, runs.c.id == run_id).with_for_update()
    return (await tx.execute(query)).first()


async def steps(tx: ReadTx, run_id: uuid.UUID, after: tuple[int, int], limit: int | None) -> list[Row[Any]]:
    """Return attempts in the order of their steps' places, above a place and iteration, of so many places.

    An output that is large is left out, and ``large`` is set.
    """
    mine = (run_steps.c.workspace_id == tx.workspace_id, run_steps.c.run_id == run_id)
    key = tuple_(run_steps.c.place, run_steps.c.iteration)
    small = case((_LARGE, None), else_=run_steps.c.output).label("output")
    query = select(*_STEP, small, func.coalesce(_LARGE, False).label("large")).where(*mine, key > after)
    if limit is not None:
        places = select(run_steps.c.place, run_steps.c.iteration).where(*mine, key > after).distinct()
        places = places.order_by(run_steps.c.place, run_steps.c.iteration).limit(limit)
        query = query.where(key.in_(places))
    order = (run_steps.c.place, run_steps.c.iteration, run_steps.c.attempt)
    return list((await tx.execute(query.order_by(*order))).all())


async def places(tx: ReadTx, run_id: uuid.UUID) -> dict[tuple[str, int], tuple[int, str, str, int]]:
    """Return place, kind, status and attempt of each step's newest attempt, by its key and iteration."""
    columns = [run_steps.c[name] for name in ("step_key", "iteration", "place", "kind", "status", "attempt")]
    query = select(*columns).where(run_steps.c.workspace_id == tx.workspace_id, run_steps.c.run_id == run_id)
    rows = await tx.execute(query.order_by(run_steps.c.attempt))
    return {(row.step_key, row.iteration): (row.place, row.kind, row.status, row.attempt) for row in rows}


async def waits(tx: ReadTx, run_ids: Sequence[uuid.UUID]) -> list[Row[Any]]:
    """Return the open waits of runs, with place and kind of their steps, and how the attempt before failed."""
    step = (
        select(run_steps.c.place, run_steps.c.kind, run_steps.c.attempt, run_steps.c.error)
        .where(
            run_steps.c.workspace_id == run_waits.c.workspace_id,
            run_steps.c.run_id == run_waits.c.run_id,
            run_steps.c.step_key == run_waits.c.step_key,
            run_steps.c.iteration == run_waits.c.iteration,
        )
        .order_by(run_steps.c.attempt.desc())
        .limit(1)
        .lateral()
    )
    child = runs.alias("child")
    columns = [run_waits.c[name] for name in ("run_id", "step_key", "iteration", "kind", "since", "due", "ref")]
    of_step = [step.c.place, step.c.kind.label("step_kind"), step.c.attempt, step.c.error]
    started_by_it = (child.c.workspace_id == run_waits.c.workspace_id) & (
        child.c.start_key
        == func.concat("child:", run_waits.c.run_id, ":", run_waits.c.step_key, ":", run_waits.c.iteration)
    )
    query = (
        select(*columns, *of_step, child.c.id.label("child_id"))
        .select_from(run_waits.outerjoin(step, run_waits.c.workspace_id == tx.workspace_id))
        .outerjoin(child, (run_waits.c.kind == WaitKind.CHILD.value) & started_by_it)
        .where(run_waits.c.workspace_id == tx.workspace_id, run_waits.c.run_id.in_(run_ids))
        .where(run_waits.c.resolved.is_(None))
        .order_by(run_waits.c.since)
    )
    return list((await tx.execute(query)).all())


async def usages(tx: ReadTx, run_id: uuid.UUID) -> list[str]:
    """Return what steps of a run used."""
    mine = (run_steps.c.workspace_id == tx.workspace_id, run_steps.c.run_id == run_id)
    return list((await tx.execute(select(run_steps.c.usage).where(*mine, run_steps.c.usage.is_not(None)))).scalars())


async def cancel(tx: WriteTx, run_id: uuid.UUID, error: str | None) -> None:
    """End a run and all that is open of it; its owner's next checkpoint meets another epoch."""
    mine = (runs.c.workspace_id == tx.workspace_id, runs.c.id == run_id)
    ended = {"state": State.ENDED.value, "status": Status.CANCELLED.value, "owner": None, "ended_at": tx.now}
    await tx.execute(update(runs).where(*mine).values(epoch=runs.c.epoch + 1, error=error, **ended))
    open_steps = (
        run_steps.c.workspace_id == tx.workspace_id,
        run_steps.c.run_id == run_id,
        run_steps.c.status.in_(_OPEN_STEPS),
    )
    stopped = {"status": StepStatus.CANCELLED.value, "ended_at": tx.now}
    await tx.execute(update(run_steps).where(*open_steps).values(**stopped))
    await tx.execute(delete(run_waits).where(run_waits.c.workspace_id == tx.workspace_id, run_waits.c.run_id == run_id))


async def copy_steps(tx: WriteTx, from_run: uuid.UUID, to_run: uuid.UUID, step_keys: Sequence[str]) -> None:
    """Copy the newest attempts of steps, and of their items, into another run."""
    names = [column.name for column in run_steps.c if column.name not in ("workspace_id", "run_id")]
    mine = (run_steps.c.workspace_id == tx.workspace_id, run_steps.c.run_id == from_run)
    source = (
        select(literal(tx.workspace_id), literal(to_run), *[run_steps.c[name] for name in names])
        .where(*mine, run_steps.c.step_key.in_(step_keys))
        .ext(distinct_on(run_steps.c.step_key, run_steps.c.iteration))
        .order_by(run_steps.c.step_key, run_steps.c.iteration, run_steps.c.attempt.desc())
    )
    await tx.execute(insert(run_steps).from_select(["workspace_id", "run_id", *names], source))


async def remove(tx: WriteTx, run_ids: Sequence[uuid.UUID]) -> None:
    """Remove runs with their steps and waits."""
    for table, key in ((run_steps, run_steps.c.run_id), (run_waits, run_waits.c.run_id), (runs, runs.c.id)):
        await tx.execute(delete(table).where(table.c.workspace_id == tx.workspace_id, key.in_(run_ids)))


async def over_their_time(tx: WriteTx, ended_before: int, limit: int) -> list[uuid.UUID]:
    """Return runs that ended before a moment, oldest first, and lock them; those that somebody holds are left out.

    Their ids begin with the moment of their start, which bounds the search.
    """
    started_before = uuid.UUID(int=(ended_before // 1_000_000) << 80)
    mine = (runs.c.workspace_id == tx.workspace_id, runs.c.id < started_before, runs.c.ended_at < ended_before)
    query = select(runs.c.id).where(*mine).order_by(runs.c.id).limit(limit).with_for_update(skip_locked=True)
    return list((await tx.execute(query)).scalars())


async def count_active(tx: ReadTx, workflow_id: uuid.UUID) -> int:
    """Return how many runs of a workflow have not ended."""
    active = runs.c.status.not_in([status.value for status in ENDED])
    mine = (runs.c.workspace_id == tx.workspace_id, runs.c.workflow_id == workflow_id, active)
    return int((await tx.execute(select(func.count()).select_from(runs).where(*mine))).scalar_one())


async def last(tx: ReadTx, workflow_ids: Sequence[uuid.UUID]) -> list[Row[Any]]:
    """Return the newest run of each workflow."""
    query = (
        select(runs.c.workflow_id, runs.c.id, runs.c.status, runs.c.started_at)
        .where(runs.c.workspace_id == tx.workspace_id, runs.c.workflow_id.in_(workflow_ids))
        .ext(distinct_on(runs.c.workflow_id))
        .order_by(runs.c.workflow_id, runs.c.id.desc())
    )
    return list((await tx.execute(query)).all())


async def stats(tx: ReadTx, workflow_id: uuid.UUID, since: int) -> Row[Any]:
    """Return how many runs began since a moment, how many of them ended and completed, and their 95th percentile."""
    took = runs.c.ended_at - runs.c.started_at
    query = select(
        func.count().label("runs"),
        func.count(runs.c.ended_at).label("ended"),
        func.count().filter(runs.c.status == Status.COMPLETED.value).label("completed"),
        func.percentile_cont(0.95).within_group(took).label("p95"),
    ).where(runs.c.workspace_id == tx.workspace_id, runs.c.workflow_id == workflow_id, runs.c.started_at >= since)
    return (await tx.execute(query)).one()


async def usages_of(tx: ReadTx, workflow_id: uuid.UUID, since: int) -> list[str]:
    """Return what steps of a workflow's runs used since a moment."""
    mine = (runs.c.workspace_id == tx.workspace_id, runs.c.workflow_id == workflow_id, runs.c.started_at >= since)
    query = (
        select(run_steps.c.usage)
        .join(runs, (runs.c.workspace_id == run_steps.c.workspace_id) & (runs.c.id == run_steps.c.run_id))
        .where(*mine, run_steps.c.usage.is_not(None))
    )
    return list((await tx.execute(query)).scalars())
