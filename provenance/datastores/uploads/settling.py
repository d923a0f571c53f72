"""Uploads that went to the object store itself: nobody tells us, so whoever asks for an object looks first.

The address stays good until it runs out, and what is written there again must not change an object that was seen. So
the bytes are copied within the store to a name nobody has an address for, and digested there.
"""

import uuid
from hashlib import sha256
from typing import Any

import structlog

from provenance.core.actor import Actor
from provenance.core.errors import Conflict, NotFound
from provenance.core.ids import new_uuid
from provenance.core.objects import ObjectGone, Stored
from provenance.datastores.finding import found
from provenance.datastores.objects.schemas import AREA
from provenance.datastores.running import Running
from provenance.datastores.uploads import queries
from provenance.datastores.uploads.schemas import DIRECT, UploadRow
from provenance.datastores.uploads.showing import show

AT_ONCE = 50

log: Any = structlog.get_logger("datastores")


async def settle(running: Running, actor: Actor, datastore_id: str, key: str | None = None) -> None:
    """Show what has arrived in a datastore, under one key or under any. Raises DatastoreNotFound."""
    if not running.objects.signs:
        return
    async with running.db.read(actor) as tx:
        datastore = await found(tx, datastore_id)
        waiting = await queries.direct(tx, datastore.id, key, AT_ONCE)
    for row in waiting:
        await settle_one(running, actor.workspace_id, row)


async def settle_one(running: Running, workspace_id: uuid.UUID, row: UploadRow) -> None:
    """Show an upload if all of it has arrived; one that is not what was announced is over."""
    if await running.objects.size(workspace_id, AREA, row.blob(DIRECT)) != row.size_bytes:
        return
    blob = row.blob(new_uuid().hex)
    try:
        await running.objects.copy(workspace_id, AREA, row.blob(DIRECT), blob)
        stored = await _digested(running, workspace_id, blob)
        if stored.size != row.size_bytes or row.sha256 not in (None, stored.sha256):
            raise ObjectGone("The content is not the one that was announced.")
        await show(running, workspace_id, row, blob, stored)
    except (Conflict, NotFound) as error:
        log.warning("upload_not_shown", upload=row.wire_id, code=error.code)
        await running.objects.delete(workspace_id, AREA, blob)
        async with running.db.housekeeping(workspace_id) as tx:
            await queries.end(tx, row.id)


async def _digested(running: Running, workspace_id: uuid.UUID, blob: str) -> Stored:
    size, digest = 0, sha256()
    async for piece in running.objects.open(workspace_id, AREA, blob):
        size += len(piece)
        digest.update(piece)
    return Stored(size, digest.digest())
