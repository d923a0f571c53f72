"""How a run gets in: for the HTTP routes, and for whatever else starts runs in a transaction of its own.

A trigger (schedule, webhook, event, subscription, step) makes a `Start`, has it prepared, and begins it in the
transaction that also records why:

    begun = await prepare(library, Start(workspace_id=…, workflow_id=…, acting=…, start_key="evt:…"))
    async with db.write(actor) as tx:
        await begin(tx, engine, begun)
"""

import uuid
from typing import NamedTuple

import msgspec

from provenance.core.db import WriteTx
from provenance.engine import service as engine_service
from provenance.engine.running import Engine
from provenance.ledger.service import record
from provenance.runs import queries
from provenance.runs.beginning import queued
from provenance.runs.errors import NotDeployed
from provenance.runs.events import wire_id
from provenance.runs.library import Library
from provenance.runs.starting import Prepared, Start, prepared


class Begun(NamedTuple):
    """A run that was started, or that an earlier start of the same key made."""

    run_id: uuid.UUID
    new: bool


async def prepare(library: Library, start: Start, version: int | None = None) -> Prepared:
    """Make the row of a start, of the live version or another. Raises NotDeployed, BadInput, TooManyHops."""
    live = await library.live(start.workspace_id, start.workflow_id)
    if live is None:
        raise NotDeployed
    live = live if version is None else live._replace(version=version)
    plan = await library.plan(start.workspace_id, start.workflow_id, live.version)
    if plan is None:
        raise NotDeployed
    return prepared(start, live, plan)


async def begin(tx: WriteTx, engine: Engine, begun: Prepared) -> Begun:
    """Start a run in the caller's transaction: it is queued for a worker, and there is one run for a start key."""
    if not await engine_service.write_rows(tx, queued(begun.new, [])):
        assert begun.new.start_key is not None, "an id that was just made is not there yet"
        found = await queries.with_start_key(tx, begun.new.start_key)
        assert found is not None, "the start key was there a moment ago"
        return Begun(found.id, new=False)
    for deed in begun.deeds:
        record(tx, msgspec.structs.replace(deed.fact, workspace_id=tx.workspace_id))
    engine_service.wake(tx, engine)
    return Begun(begun.new.id, new=True)


class Entrance:
    """Starts runs for steps: each start is a transaction of its own."""

    def __init__(self, engine: Engine, library: Library) -> None:
        """Take the engine of this process and its plans."""
        self._engine = engine
        self._library = library

    async def begin(self, start: Start, version: int | None) -> str:
        """Start a run, or find the one that this start key made, and return its id."""
        begun = await prepare(self._library, start, version)
        async with self._engine.ledger.db.housekeeping(start.workspace_id) as tx:
            found = await begin(tx, self._engine, begun)
        return wire_id(found.run_id)
