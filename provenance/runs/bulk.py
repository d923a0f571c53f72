"""Many runs at once: each in a transaction of its own, so that one that fails keeps no other (`POST /runs/bulk`)."""

import uuid
from typing import Any

from provenance.core import ids
from provenance.core.actor import Actor
from provenance.core.clock import nanos
from provenance.core.db import Database, ReadTx
from provenance.core.errors import Invalid, Problem, Unavailable
from provenance.runs import queries, service
from provenance.runs.events import wire_id
from provenance.runs.runtime import Runs
from provenance.runs.schemas import BulkFilter, RunBulk, RunBulkItem, RunBulkResult, RunReplay


async def bulk(db: Database, runs: Runs, actor: Actor, asked: RunBulk) -> RunBulkResult:
    """Cancel or replay what matches, oldest first, and say of each what became of it.

    What matches is looked up once, before the first one: a replay never meets the runs that it made. Raises Invalid
    for a filter that names nothing, and Unavailable when the database goes away; what was done then stays done.
    """
    if not asked.filter.model_fields_set:
        raise Invalid.at("filter", "names nothing; name the runs, or what they have in common")
    async with db.read(actor) as tx:
        found = await _matching(tx, asked)
    items = [await _one(db, runs, actor, asked, wire_id(run_id)) for run_id in found[: asked.limit]]
    return RunBulkResult(action=asked.action, items=items, more=len(found) > asked.limit)


async def _one(db: Database, runs: Runs, actor: Actor, asked: RunBulk, run_id: str) -> RunBulkItem:
    try:
        async with db.write(actor) as tx:
            if asked.action == "cancel":
                cancelled = await service.cancel(tx, runs, run_id, asked.reason)
                return RunBulkItem(run_id=run_id, ok=True, status=cancelled.status)
            replayed = await service.replay(tx, runs, run_id, RunReplay(version=asked.version), given=False)
            return RunBulkItem(run_id=run_id, ok=True, status=replayed.status, new_run_id=replayed.run_id)
    except Unavailable:
        raise
    except Problem as problem:
        return RunBulkItem(run_id=run_id, ok=False, code=problem.code, message=problem.detail)


async def _matching(tx: ReadTx, asked: RunBulk) -> list[uuid.UUID]:
    narrowed = _narrowed(asked.filter)
    if narrowed is None:
        return []
    return await queries.matching(tx, asked.limit + 1, ended=asked.action == "replay", **narrowed)


def _narrowed(asked: BulkFilter) -> dict[str, Any] | None:
    """Return the filter as the statement takes it; None when it can match nothing."""
    workflow_id = None if asked.workflow_id is None else ids.decode("wf", asked.workflow_id)
    if asked.workflow_id is not None and workflow_id is None:
        return None
    run_ids = None if asked.run_ids is None else [ids.decode("run", each) for each in asked.run_ids]
    return {
        "workflow_id": workflow_id,
        "run_ids": run_ids and [each for each in run_ids if each is not None],
        "status": service.status_named(asked.status),
        "environment": asked.environment,
        "trigger_type": asked.trigger_type,
        "since": None if asked.since is None else nanos(asked.since),
        "until": None if asked.until is None else nanos(asked.until),
    }
