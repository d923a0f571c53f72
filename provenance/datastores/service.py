"""The verbs of datastores themselves; `objects.service` and `uploads.service` have those of what is in them."""

import uuid
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from provenance.audit import service as audit
from provenance.core import cursors
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import new_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.datastores import queries
from provenance.datastores.errors import DatastoreInUse, DatastoreNameTaken, DatastoreNotEmpty
from provenance.datastores.finding import found, named
from provenance.datastores.objects import service as objects
from provenance.datastores.schemas import (
    Asked,
    Datastore,
    DatastoreCreate,
    DatastoreEvent,
    Datastores,
    DatastoreUpdate,
    Deleted,
    Row,
    shown,
)
from provenance.datastores.uploads import queries as upload_queries


class Referrer(NamedTuple):
    """What works with a datastore: the kind of thing and its id, such as ``workflow`` and ``wf_…``."""

    kind: str
    id: str


class _Position(msgspec.Struct):
    before: uuid.UUID


async def create(tx: WriteTx, body: DatastoreCreate, most: int) -> Datastore:
    """Make a datastore; ``most`` is the installation's largest object. Raises DatastoreNameTaken."""
    row = Row(
        id=new_uuid(),
        **body.model_dump(),
        object_count=0,
        total_bytes=0,
        created_at=tx.now,
        created_by=tx.acting[0],
        updated_at=tx.now,
        updated_by=tx.acting[0],
    )
    if not await queries.insert_datastore(tx, row):
        raise DatastoreNameTaken(f"Another datastore is called {body.name}.")
    data = {"name": row.name, "environment": row.environment, "retentionDays": row.retention_days}
    audit.record(tx, DatastoreEvent.CREATED, row.wire_id, data, risk=audit.Risk.MEDIUM)
    return shown(row, tx.workspace_id, most)


async def page(tx: ReadTx, keys: WorkspaceKeys, asked: Asked, most: int) -> Datastores:
    """Return a page of datastores, newest first. Raises BadCursor."""
    bound = cursors.binding("datastores")
    before = None if asked.cursor is None else cursors.read(keys, bound, asked.cursor, _Position).before
    rows = await queries.page(tx, before=before, limit=asked.limit + 1)
    kept = rows[: asked.limit]
    return Datastores(
        items=[shown(row, tx.workspace_id, most) for row in kept],
        next_cursor=cursors.write(keys, bound, {"before": str(kept[-1].id)}) if len(rows) > len(kept) else None,
    )


async def get(tx: ReadTx, datastore_id: str, most: int) -> Datastore:
    """Return a datastore with how much is in it. Raises DatastoreNotFound."""
    return shown(await found(tx, datastore_id), tx.workspace_id, most)


async def stored_bytes(tx: ReadTx) -> int:
    """Return how many bytes of objects the workspace stores, in all its datastores."""
    return await queries.stored_bytes(tx)


async def update(tx: WriteTx, datastore_id: str, body: DatastoreUpdate, most: int) -> Datastore:
    """Change what was sent; the same again is no change. Raises DatastoreNotFound and DatastoreNameTaken."""
    row = await found(tx, datastore_id, lock=True)
    sent: dict[str, Any] = body.model_dump(exclude_unset=True)
    if body.name is None:
        sent.pop("name", None)
    changed = {name: value for name, value in sent.items() if value != getattr(row, name)}
    if not changed:
        return shown(row, tx.workspace_id, most)
    if "name" in changed and await queries.by_name(tx, changed["name"]) is not None:
        raise DatastoreNameTaken(f"Another datastore is called {changed['name']}.")
    await queries.change(tx, row.id, changed)
    data = {"name": changed.get("name", row.name), "fields": sorted(changed)}
    audit.record(tx, DatastoreEvent.UPDATED, row.wire_id, data, risk=audit.Risk.MEDIUM)
    return await get(tx, datastore_id, most)


async def delete(tx: WriteTx, datastore_id: str, *, force: bool) -> Deleted:
    """Delete a datastore, and with ``force`` the objects in it.

    Raises DatastoreNotFound, DatastoreInUse and DatastoreNotEmpty.
    """
    row = await found(tx, datastore_id, lock=True)
    if await queries.is_referred_to(tx, row.id):
        raise DatastoreInUse(f"The datastore {row.name} is in use.")
    if row.object_count and not force:
        raise DatastoreNotEmpty(f"The datastore {row.name} holds {row.object_count:,} objects; force deletes them too.")
    await objects.clear(tx, row)
    await upload_queries.end_all(tx, row.id)
    await queries.remove(tx, row.id)
    data = {"name": row.name, "objectCount": row.object_count, "totalBytes": row.total_bytes}
    audit.record(tx, DatastoreEvent.DELETED, row.wire_id, data, risk=audit.Risk.HIGH)
    return Deleted(deleted=True)


async def refer(tx: WriteTx, datastore_ids: Iterable[str], referrer: Referrer) -> None:
    """Note which datastores, by id or name, something works with from now on; what names none is left out.

    A datastore that something works with can't be deleted.
    """
    rows = [await named(tx, each, lock=True) for each in sorted(set(datastore_ids))]
    await queries.refer(tx, list({row.id for row in rows if row is not None}), referrer.kind, referrer.id)
