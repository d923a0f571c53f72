"""What the clock does with datastores: uploads that arrived, retention, bytes that nobody needs any more."""

import asyncio
import time
import uuid
from typing import Any

import structlog

from provenance.core.actor import Actor, Kind
from provenance.core.clock import NANOS, until
from provenance.core.errors import Unavailable
from provenance.core.objects import Objects
from provenance.datastores import queries
from provenance.datastores.objects import queries as object_queries
from provenance.datastores.objects import service as objects
from provenance.datastores.objects.schemas import AREA
from provenance.datastores.running import Running
from provenance.datastores.uploads import queries as upload_queries
from provenance.datastores.uploads import settling
from provenance.datastores.uploads.schemas import UploadRow
from provenance.ledger.service import Ledger

LOOK_SECONDS, SWEEP_SECONDS = 15.0, 3600.0
AT_ONCE = 100
SLACK_NS = 3600 * NANOS
"""How long after its time an upload's bytes stay: a slow client may be sending them."""
SYSTEM = "system"

log: Any = structlog.get_logger("datastores")


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Look every fifteen seconds, until ``stop`` is set. Several workers don't get in each other's way."""
    running = Running.of(ledger, Objects.of(ledger.settings))
    swept_at = float("-inf")
    while not stop.is_set():
        try:
            await look(running)
            if time.monotonic() - swept_at > SWEEP_SECONDS:
                swept_at = time.monotonic()
                await running.objects.sweep()
        except Unavailable as error:
            log.warning("datastores_wait", code=error.code)
        except Exception as error:
            log.error("datastores_not_looked_after", error=type(error).__name__)
        await until(stop, LOOK_SECONDS)


async def look(running: Running) -> None:
    """Do once what is due in every workspace."""
    async with running.db.housekeeping() as tx:
        waiting = await upload_queries.waiting(tx) if running.objects.signs else []
        over = await queries.with_old_objects(tx)
        old = await upload_queries.workspaces_with_old(tx, tx.now - SLACK_NS)
        littered = await object_queries.workspaces_with_garbage(tx)
    for workspace_id, datastore_id in waiting:
        await _settle(running, workspace_id, datastore_id)
    for workspace_id, datastore_id in over:
        await _expire(running, workspace_id, datastore_id)
    for workspace_id in old:
        while await _end_uploads(running, workspace_id) == AT_ONCE:
            continue
    for workspace_id in littered:
        while await _destroy(running, workspace_id) == AT_ONCE:
            continue


async def _settle(running: Running, workspace_id: uuid.UUID, datastore_id: uuid.UUID) -> None:
    async with running.db.housekeeping(workspace_id) as tx:
        waiting = await upload_queries.direct(tx, datastore_id, None, AT_ONCE)
    for row in waiting:
        await settling.settle_one(running, workspace_id, row)


async def _expire(running: Running, workspace_id: uuid.UUID, datastore_id: uuid.UUID) -> None:
    """Delete what was not written for so many days, a hundred objects a transaction."""
    deleted = AT_ONCE
    while deleted == AT_ONCE:
        async with running.db.write(Actor(Kind.SYSTEM, SYSTEM, workspace_id)) as tx:
            datastore = await queries.by_id(tx, datastore_id, lock=True)
            if datastore is None or datastore.retention_days is None:
                return
            deleted = await objects.expire(tx, datastore, tx.now - datastore.retention_days * queries.DAY_NS, AT_ONCE)


async def _end_uploads(running: Running, workspace_id: uuid.UUID) -> int:
    """Destroy what uploads left in the store besides the bytes that are shown; return of how many uploads."""
    async with running.db.housekeeping(workspace_id) as tx:
        rows = await upload_queries.old(tx, tx.now - SLACK_NS, AT_ONCE)
    for row in rows:
        await _end_upload(running, workspace_id, row)
    async with running.db.housekeeping(workspace_id) as tx:
        await upload_queries.forget(tx, [row.id for row in rows])
    return len(rows)


async def _end_upload(running: Running, workspace_id: uuid.UUID, row: UploadRow) -> None:
    async with running.db.housekeeping(workspace_id) as tx:
        await upload_queries.end(tx, row.id)  # from here on nothing of it can be shown any more
    async with running.db.housekeeping(workspace_id) as tx:
        shown = await object_queries.by_key(tx, row.datastore_id, row.key)
    kept = None if shown is None else shown.blob
    found = [each.key async for each in running.objects.listed(workspace_id, AREA, str(row.id))]
    await running.objects.delete(workspace_id, AREA, [each for each in found if each != kept])


async def _destroy(running: Running, workspace_id: uuid.UUID) -> int:
    """Destroy bytes that no object needs any more; return how many."""
    async with running.db.housekeeping(workspace_id) as tx:
        blobs = await object_queries.garbage(tx, AT_ONCE)
    await running.objects.delete(workspace_id, AREA, blobs)
    async with running.db.housekeeping(workspace_id) as tx:
        await object_queries.forget_garbage(tx, blobs)
    return len(blobs)
