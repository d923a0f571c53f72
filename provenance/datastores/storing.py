"""What the steps of runs do with datastores: small contents, whole, in the run's name (spec/automation.md, 6.1)."""

import re
from hashlib import sha256
from typing import NamedTuple

from provenance.core.actor import Actor
from provenance.core.ids import new_uuid
from provenance.datastores import service
from provenance.datastores.errors import DatastoreNameTaken, DatastoreNotFound, ObjectNotFound, OverLimit
from provenance.datastores.finding import found, named
from provenance.datastores.keys import checked_key
from provenance.datastores.objects import queries as object_queries
from provenance.datastores.objects import service as objects
from provenance.datastores.objects import serving
from provenance.datastores.objects.schemas import AREA, ByRun, ObjectRow
from provenance.datastores.room import room_of
from provenance.datastores.running import Running
from provenance.datastores.schemas import NAME_PATTERN, PREFIX, DatastoreCreate
from provenance.datastores.uploads import queries, settling
from provenance.datastores.uploads.beginning import announced, ensure_fits
from provenance.datastores.uploads.showing import show

LISTED = 1_000
"""How many objects one step lists at most."""


class Content(NamedTuple):
    """What is to be stored under a key."""

    key: str
    body: bytes
    content_type: str


class Listing(NamedTuple):
    """The objects below a prefix, in byte order; ``more`` says that there are others behind them."""

    rows: list[ObjectRow]
    more: bool


async def wire_id(running: Running, actor: Actor, text: str, *, make: bool = False) -> str:
    """Return the id of the datastore that a step names, by its id or its name.

    With ``make`` a name that none bears yet becomes a datastore: a workflow brings its own along. Raises
    DatastoreNotFound.
    """
    async with running.db.read(actor) as tx:
        row = await named(tx, text)
    if row is not None:
        return row.wire_id
    if not make or not re.fullmatch(NAME_PATTERN, text) or text.startswith(PREFIX + "_"):
        raise DatastoreNotFound(f"This workspace has no datastore {text}.")
    try:
        async with running.db.write(actor) as tx:
            return (await service.create(tx, DatastoreCreate(name=text), running.most)).datastore_id
    except DatastoreNameTaken:  # another step was quicker
        return await wire_id(running, actor, text)


async def write(running: Running, actor: Actor, datastore_id: str, content: Content, by: ByRun) -> ObjectRow:
    """Store a content; one that this run has stored there already, in an attempt before, is left as it is.

    Raises DatastoreNotFound, BadKey, OverLimit, DatastoreFull, PlanLimitReached and ObjectStoreAway.
    """
    checked_key(content.key)
    async with running.db.housekeeping(actor.workspace_id) as tx:
        datastore = await found(tx, datastore_id)
        ensure_fits(datastore, len(content.body), running.most)
        before = await object_queries.by_key(tx, datastore.id, content.key)
        if before is not None and _is_same(before, content, by):
            return before
        room = await room_of(tx, running.ledger.settings)
        room.ensure(len(content.body) - (0 if before is None else before.size_bytes))
        row = announced(tx, datastore, content.key, content.content_type, len(content.body))
        row = row._replace(actor_kind=actor.kind.value, actor_id=actor.id)
        await queries.begin(tx, row)
    blob = row.blob(new_uuid().hex)
    stored = await running.objects.put(actor.workspace_id, AREA, blob, content.body, content_type=content.content_type)
    return await show(running, actor.workspace_id, row, blob, stored, by)


def _is_same(row: ObjectRow, content: Content, by: ByRun) -> bool:
    same = row.content_type == content.content_type and row.sha256 == sha256(content.body).digest()
    return same and row.run_id == by.id


async def read(running: Running, actor: Actor, datastore_id: str, key: str, most: int) -> tuple[ObjectRow, bytes]:
    """Return an object with its bytes, of which there may be ``most``.

    Raises DatastoreNotFound, ObjectNotFound, OverLimit and ObjectStoreAway.
    """
    row = await serving.located(running, actor, datastore_id, key)
    if row.size_bytes > most:
        raise OverLimit.at("key", f"the object has {row.size_bytes:,} bytes; a step reads {most:,} at most")
    return row, await running.objects.read(actor.workspace_id, AREA, row.blob)


async def listed(running: Running, actor: Actor, datastore_id: str, prefix: str) -> Listing:
    """Return the first thousand objects below a prefix. Raises DatastoreNotFound."""
    await settling.settle(running, actor, datastore_id)
    async with running.db.read(actor) as tx:
        datastore = await found(tx, datastore_id)
        rows = await object_queries.page(tx, datastore.id, prefix=prefix, after=None, limit=LISTED + 1)
    return Listing(rows[:LISTED], len(rows) > LISTED)


async def delete(running: Running, actor: Actor, datastore_id: str, key: str, by: ByRun) -> bool:
    """Delete an object; False when there was none, as in a second attempt. Raises DatastoreNotFound."""
    await settling.settle(running, actor, datastore_id, key)
    try:
        async with running.db.write(actor) as tx:
            await objects.delete(tx, datastore_id, key, by=by)
    except ObjectNotFound:
        return False
    return True
