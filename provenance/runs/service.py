"""The verbs of runs: start, read, cancel, replay, delete (spec/automation.md, 4.9)."""

import uuid
from typing import Any

import msgspec

from provenance.approvals import asking as approvals
from provenance.audit.schemas import Risk
from provenance.audit.service import record as audit_record
from provenance.core import cursors, ids
from provenance.core.actor import Actor, Kind
from provenance.core.clock import nanos
from provenance.core.db import ON_WRITE, Database, ReadTx, WriteTx
from provenance.core.keyring import WorkspaceKeys
from provenance.engine import service as engine
from provenance.engine.schemas import ENDED, Checkpoint, StepStatus, WaitKind
from provenance.ledger.service import record
from provenance.runs import queries, rendering
from provenance.runs.activity import from_text, to_text
from provenance.runs.entering import begin, prepare
from provenance.runs.errors import CannotReuse, NotDeployed, RunActive, RunEnded, RunNotFound
from provenance.runs.events import RunEvent, run_fact, step_id, wire_id
from provenance.runs.library import Live
from provenance.runs.outputs import service as outputs
from provenance.runs.runtime import Runs
from provenance.runs.schemas import (
    Run,
    RunCancelled,
    RunDeleted,
    RunFilters,
    RunReplayed,
    RunStarted,
    RunSteps,
)
from provenance.runs.schemas import Runs as RunsPage
from provenance.runs.starting import Prepared, Start, prepared
from provenance.workflows.plan import Plan, TriggerType

_SYNONYMS = {"succeeded": "completed"}


class _Below(msgspec.Struct):
    id: uuid.UUID


class _After(msgspec.Struct):
    place: int
    iteration: int


# Starting


async def start(db: Database, runs: Runs, actor: Actor, workflow_id: str, asked: Any) -> RunStarted:
    """Start a run for a caller and answer. Raises NotDeployed, BadInput, EngineFull."""
    begun = await prepare(runs.library, start_of(actor, workflow_id, asked))
    checkpoint = None
    if ON_WRITE.get() is None:
        checkpoint = await begin_alone(runs, begun)
    else:  # an Idempotency-Key is claimed by the transaction that does the work
        async with db.write(actor) as tx:
            await begin(tx, runs.engine, begun)
    return await started(runs, begun, checkpoint, asked.wait)


def start_of(actor: Actor, workflow_id: str, asked: Any) -> Start:
    """Return the start that a caller asks for. Raises NotDeployed for what is no workflow's id."""
    found = ids.decode("wf", workflow_id)
    if found is None:
        raise NotDeployed
    return Start(
        workspace_id=actor.workspace_id,
        workflow_id=found,
        acting=(actor.id, actor.kind.value),
        type=TriggerType.MANUAL if actor.kind is Kind.PERSON else TriggerType.API,
        input=asked.input,
        priority=getattr(asked, "priority", 0),
        correlation_id=getattr(asked, "correlation_id", None),
    )


async def begin_alone(runs: Runs, begun: Prepared) -> Checkpoint:
    """Start a run in a commit shared with others, carried on at once as far as it stays inside."""
    return await runs.beginner.begin(begun)


async def started(runs: Runs, begun: Prepared, checkpoint: Checkpoint | None, wait: float) -> RunStarted:
    """Return the answer to a start; with ``wait`` seconds the end of the run, when it comes in that time."""
    if not wait:
        return rendering.begun(begun.new, rendering.status_of(begun.new))
    if checkpoint is not None and checkpoint.status in ENDED:
        return rendering.begun(begun.new, checkpoint.status, checkpoint)
    row = await runs.ended(begun.facts.key, wait)
    return rendering.begun(begun.new, row.status, row)


# Reading


async def page(tx: ReadTx, keys: WorkspaceKeys, filters: RunFilters, *, limit: int, cursor: str | None) -> RunsPage:
    """Return a page of runs, newest first. Raises BadCursor."""
    bound = cursors.binding("runs", filters.model_dump(mode="json"))
    before = None if cursor is None else cursors.read(keys, bound, cursor, _Below).id
    workflow_id = None
    if filters.workflow_id is not None:
        workflow_id = ids.decode("wf", filters.workflow_id)
        if workflow_id is None:
            return RunsPage(items=[], next_cursor=None)
    rows = await queries.page(
        tx,
        before,
        limit + 1,
        workflow_id=workflow_id,
        status=status_named(filters.status),
        environment=filters.environment,
        trigger_type=filters.trigger_type,
        since=None if filters.since is None else nanos(filters.since),
        until=None if filters.until is None else nanos(filters.until),
    )
    shown = rows[:limit]
    waits = await queries.waits(tx, [row.id for row in shown if row.ended_at is None])
    refs = await _refs(tx, waits)
    items = [rendering.listed(row, [wait for wait in waits if wait.run_id == row.id], refs, tx.now) for row in shown]
    following = cursors.write(keys, bound, {"id": str(shown[-1].id)}) if len(rows) > limit else None
    return RunsPage(items=items, next_cursor=following)


def status_named(word: str | None) -> str | None:
    """Return a status that a filter names; ``succeeded`` is another word for ``completed``."""
    return _SYNONYMS.get(word, word) if word else None


async def one(tx: ReadTx, run_id: str) -> Run:
    """Return a run. Raises RunNotFound."""
    row = _found(await queries.one(tx, _parsed(run_id)))
    waits = [] if row.ended_at is not None else await queries.waits(tx, [row.id])
    places = await queries.places(tx, row.id)
    return rendering.whole(row, waits, await _refs(tx, waits), places, await queries.usages(tx, row.id), tx.now)


async def _refs(tx: ReadTx, waits: list[Any]) -> dict[tuple[uuid.UUID, str, int], str]:
    """Return the approvals that runs wait for, by run, step and item."""
    asking = sorted({wait.run_id for wait in waits if wait.kind == WaitKind.APPROVAL})
    return await approvals.pending_of_runs(tx, asking) if asking else {}


async def steps(
    tx: ReadTx, runs: Runs, keys: WorkspaceKeys, run_id: str, *, limit: int, cursor: str | None
) -> RunSteps:
    """Return a page of a run's steps in the order in which they started. Raises RunNotFound, BadCursor."""
    row = _found(await queries.one(tx, _parsed(run_id)))
    bound = cursors.binding("run-steps", run_id)
    after = _After(-1, -1) if cursor is None else cursors.read(keys, bound, cursor, _After)
    rows = await queries.steps(tx, row.id, (after.place, after.iteration), limit + 1)
    plan = await runs.library.plan(tx.workspace_id, row.workflow_id, row.version)
    items = rendering.steps_of(rows, await approvals.ids_of_run(tx, row.id), plan)
    following = None
    if len(items) > limit:
        last = rows[[(each.place, each.iteration) for each in rows].index(_place_of(items[limit - 1], rows))]
        following = cursors.write(keys, bound, {"place": last.place, "iteration": last.iteration})
    return RunSteps(items=items[:limit], next_cursor=following)


async def step_output(tx: ReadTx, run_id: str, step_id: str, iteration: int) -> outputs.Place:
    """Return what a step gave, or where that is. Raises RunNotFound, StepNotFound."""
    row = _found(await queries.one(tx, _parsed(run_id)))
    return await outputs.find(tx, row.id, step_id, iteration)


def _place_of(step: Any, rows: list[Any]) -> tuple[int, int]:
    return next(
        (row.place, row.iteration)
        for row in rows
        if step_id(row.place, row.kind) == step.step_id and row.iteration == step.iteration
    )


# Changing


async def cancel(tx: WriteTx, runs: Runs, run_id: str, reason: str | None) -> RunCancelled:
    """End a run now; its owner stops the work when it next looks. Raises RunNotFound, RunEnded."""
    row = _found(await queries.lock(tx, _parsed(run_id)))
    if row.status in ENDED:
        raise RunEnded(row.status)
    await cancel_row(tx, row, reason)
    engine.wake(tx, runs.engine)
    return RunCancelled(run_id=run_id, status="cancelled")


async def cancel_row(tx: WriteTx, row: Any, reason: str | None) -> None:
    """End a locked run: its row, its open steps and waits, the wait of its parent, and the record of it."""
    error = {"code": "cancelled", "message": reason or "It was cancelled."}
    await queries.cancel(tx, row.id, to_text(error))
    await approvals.cancel_run(tx, row.id)
    data = {"runId": wire_id(row.id), **({"reason": reason} if reason else {})}
    record(tx, run_fact(RunEvent.CANCELLED, row.id, data))
    if row.parent_token is not None:
        await engine.resolve_if_open(tx, row.parent_token, {**data, "status": "cancelled", "error": error})


async def replay(tx: WriteTx, runs: Runs, run_id: str, asked: Any, *, given: bool) -> RunReplayed:
    """Start a new run like an old one. Raises RunNotFound, RunActive, NotDeployed, BadInput, CannotReuse."""
    row = _found(await queries.one(tx, _parsed(run_id)))
    if row.status not in ENDED:
        raise RunActive
    live, plan = await _version(tx, runs, row, asked.version)
    about = msgspec.json.decode(row.about)
    start = Start(
        workspace_id=tx.workspace_id,
        workflow_id=row.workflow_id,
        acting=tx.acting,
        type=TriggerType(row.trigger_type),
        input=asked.input if given else from_text(row.input),
        trigger=about.get("trigger", {}),
        entry=about["entry"] if about["entry"] in plan.by_key else None,
        correlation_id=about.get("correlationId"),
        replay_of=row.id,
    )
    begun = prepared(start, live, plan)
    if asked.from_step_id is not None:
        await _reuse(tx, runs, row, begun, asked.from_step_id)
    await begin(tx, runs.engine, begun)
    return RunReplayed(
        run_id=wire_id(begun.new.id),
        replay_of=run_id,
        workflow_version=live.version,
        status="running" if begun.new.slot is None else "queued",
    )


async def _version(tx: WriteTx, runs: Runs, row: Any, which: str) -> tuple[Live, Plan]:
    live = await runs.library.live(tx.workspace_id, row.workflow_id)
    if live is None:
        raise NotDeployed
    version = row.version if which == "original" else live.version
    plan = await runs.library.plan(tx.workspace_id, row.workflow_id, version)
    if plan is None:
        raise NotDeployed
    return live._replace(version=version), plan


async def _reuse(tx: WriteTx, runs: Runs, row: Any, begun: Prepared, from_step_id: str) -> None:
    """Copy the outcomes of the steps before one into the new run. Raises CannotReuse."""
    places = await queries.places(tx, row.id)
    key = next((key for (key, _), (place, kind, *_) in places.items() if step_id(place, kind) == from_step_id), None)
    if key is None or key not in begun.plan.by_key:
        raise CannotReuse(f"The step {from_step_id} is not in this version.")
    before = begun.plan.step(key).ancestors
    old = await runs.library.plan(tx.workspace_id, row.workflow_id, row.version)
    kept = []
    for each in sorted(before):
        step = begun.plan.step(each)
        status = places.get((each, 0), (0, "", "", 0))[2]
        if step.kind == "approval" or status == StepStatus.SKIPPED:
            continue  # people are asked again; what was skipped is found out again
        if old is None or each not in old.by_key or old.step(each).digest != step.digest:
            raise CannotReuse(f"The step {each} is not what it was in the run that is repeated.")
        if status != StepStatus.SUCCEEDED:
            raise CannotReuse(f"The step {each} did not succeed in the run that is repeated.")
        kept.append(each)
    await queries.copy_steps(tx, row.id, begun.new.id, kept)


async def delete(tx: WriteTx, run_id: str) -> RunDeleted:
    """Remove a run's data; what it recorded stays. Raises RunNotFound, RunActive."""
    row = _found(await queries.lock(tx, _parsed(run_id)))
    if row.status not in ENDED:
        raise RunActive
    await forget(tx, [row.id])
    audit_record(tx, RunEvent.DELETED, run_id, {"runId": run_id}, risk=Risk.HIGH)
    return RunDeleted(run_id=run_id, deleted=True)


async def forget(tx: WriteTx, run_ids: list[uuid.UUID]) -> None:
    """Remove everything that is kept of locked runs beside the ledger: steps, waits, approvals with their comments."""
    await outputs.forget(tx, run_ids)
    await queries.remove(tx, run_ids)
    for run_id in run_ids:
        await approvals.forget_run(tx, run_id)


def _parsed(run_id: str) -> uuid.UUID:
    found = ids.decode("run", run_id)
    if found is None:
        raise RunNotFound
    return found


def _found(row: Any) -> Any:
    if row is None:
        raise RunNotFound
    return row
