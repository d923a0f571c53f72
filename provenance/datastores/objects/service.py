"""The verbs of objects that need no bytes: list, find, show written ones, delete."""

from typing import Any

import msgspec

from provenance.audit import service as audit
from provenance.core import cursors
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import encode, new_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.datastores import queries as datastore_queries
from provenance.datastores.errors import DatastoreFull, ObjectExists, ObjectNotFound
from provenance.datastores.finding import found
from provenance.datastores.objects import queries
from provenance.datastores.objects.schemas import (
    PREFIX,
    UNREAD_AFTER_NS,
    ByRun,
    DeletedObject,
    ObjectRow,
    Objects,
    ObjectsAsked,
    Written,
    shown,
)
from provenance.datastores.room import Room
from provenance.datastores.schemas import DatastoreEvent, Row
from provenance.ledger.service import Fact, record


class _Position(msgspec.Struct):
    after: str


async def page(tx: ReadTx, keys: WorkspaceKeys, datastore_id: str, asked: ObjectsAsked) -> Objects:
    """Return a page of objects in the byte order of their keys. Raises DatastoreNotFound and BadCursor."""
    datastore = await found(tx, datastore_id)
    bound = cursors.binding("objects", datastore_id, asked.prefix or "")
    after = None
    if asked.cursor is not None:
        after = cursors.read(keys, bound, asked.cursor, _Position).after
    rows = await queries.page(tx, datastore.id, prefix=asked.prefix or "", after=after, limit=asked.limit + 1)
    kept = rows[: asked.limit]
    more = cursors.write(keys, bound, {"after": kept[-1].key}) if len(rows) > len(kept) else None
    return Objects(items=[shown(row) for row in kept], next_cursor=more)


async def find(tx: ReadTx, datastore: Row, key: str) -> ObjectRow:
    """Return an object. Raises ObjectNotFound."""
    row = await queries.by_key(tx, datastore.id, key)
    if row is None:
        raise ObjectNotFound("The datastore holds nothing under this key.")
    return row


async def show(
    tx: WriteTx, datastore: Row, written: Written, room: Room, *, only_new: bool = False, by: ByRun | None = None
) -> ObjectRow:
    """Let bytes that are in the store be seen under their key; what was there before is destroyed later.

    ``datastore`` and ``room`` must be locked by the transaction. Raises ObjectExists, DatastoreFull and
    PlanLimitReached.
    """
    before = await queries.by_key(tx, datastore.id, written.key)
    if before is not None and only_new:
        raise ObjectExists("There is an object under this key already.")
    grown = written.size_bytes - (0 if before is None else before.size_bytes)
    if datastore.quota_bytes is not None and datastore.total_bytes + grown > datastore.quota_bytes:
        raise DatastoreFull(f"The datastore {datastore.name} would hold more than {datastore.quota_bytes:,} bytes.")
    room.ensure(grown)
    row = ObjectRow(
        **written._asdict(),
        id=new_uuid() if before is None else before.id,
        run_id=None if by is None else by.id,
        created_at=tx.now if before is None else before.created_at,
        updated_at=tx.now,
        updated_by=tx.acting[0],
    )
    await queries.store(tx, datastore.id, row)
    if before is not None:
        await queries.discard(tx, [before.blob], tx.now + UNREAD_AFTER_NS)
    await datastore_queries.count(tx, datastore.id, objects=int(before is None), size=grown)
    data = {"contentType": row.content_type, "replaced": before is not None}
    _tell(tx, DatastoreEvent.OBJECT_WRITTEN, datastore, row, data, audit.Risk.LOW, by)
    return row


async def delete(tx: WriteTx, datastore_id: str, key: str, *, by: ByRun | None = None) -> DeletedObject:
    """Delete an object. Raises DatastoreNotFound and ObjectNotFound."""
    datastore = await found(tx, datastore_id, lock=True)
    row = await find(tx, datastore, key)
    await _remove(tx, datastore, [row], "asked", by)
    return DeletedObject(key=key, deleted=True)


async def expire(tx: WriteTx, datastore: Row, before: int, limit: int) -> int:
    """Delete objects that were last written before a moment, some at a time; return how many.

    ``datastore`` must be locked by the transaction.
    """
    rows = await queries.older(tx, datastore.id, before, limit)
    if rows:
        await _remove(tx, datastore, rows, "retention", None)
    return len(rows)


async def clear(tx: WriteTx, datastore: Row) -> None:
    """Delete every object of a datastore that is about to go; its own event tells how many there were."""
    if datastore.object_count:
        await queries.remove_all(tx, datastore.id, tx.now + UNREAD_AFTER_NS)


async def _remove(tx: WriteTx, datastore: Row, rows: list[ObjectRow], reason: str, by: ByRun | None) -> None:
    await queries.remove(tx, datastore.id, [row.key for row in rows])
    await queries.discard(tx, [row.blob for row in rows], tx.now + UNREAD_AFTER_NS)
    size = sum(row.size_bytes for row in rows)
    await datastore_queries.count(tx, datastore.id, objects=-len(rows), size=-size)
    for row in rows:
        _tell(tx, DatastoreEvent.OBJECT_DELETED, datastore, row, {"reason": reason}, audit.Risk.MEDIUM, by)


def _tell(
    tx: WriteTx,
    event: DatastoreEvent,
    datastore: Row,
    row: ObjectRow,
    further: dict[str, Any],
    risk: audit.Risk,
    by: ByRun | None,
) -> None:
    """Record what happened to an object: its digest and its size, never what is in it."""
    resource_type, action = audit.words_of(event)
    data = {"datastoreId": datastore.wire_id, "key": row.key, "sizeBytes": row.size_bytes, "sha256": row.sha256.hex()}
    run = {} if by is None else {"runId": encode("run", by.id)}
    fact = Fact(
        resource_type=resource_type,
        action=action,
        resource_id=encode(PREFIX, row.id),
        data={**data, **further, **run},
        risk=risk,
        domain="workspace",
        uow_id=None if by is None else str(by.id),
        parent_span_id=None if by is None else by.span,
    )
    record(tx, fact)
