"""Every statement on the objects."""

import uuid
from collections.abc import Sequence

from sqlalchemy import BigInteger, delete, literal, select
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import ReadTx, WriteTx
from provenance.datastores.keys import after_prefix
from provenance.datastores.objects.schemas import ObjectRow
from provenance.datastores.objects.tables import datastore_garbage, datastore_objects

_ROW = [datastore_objects.c[name] for name in ObjectRow._fields]


async def by_key(tx: ReadTx, datastore_id: uuid.UUID, key: str) -> ObjectRow | None:
    """Return an object."""
    query = select(*_ROW).where(
        datastore_objects.c.workspace_id == tx.workspace_id,
        datastore_objects.c.datastore_id == datastore_id,
        datastore_objects.c.key == key,
    )
    row = (await tx.execute(query)).first()
    return None if row is None else ObjectRow._make(row)


async def page(tx: ReadTx, datastore_id: uuid.UUID, *, prefix: str, after: str | None, limit: int) -> list[ObjectRow]:
    """Return objects whose key begins with a prefix and comes after a key, in byte order."""
    query = select(*_ROW).where(
        datastore_objects.c.workspace_id == tx.workspace_id, datastore_objects.c.datastore_id == datastore_id
    )
    if after is not None:
        query = query.where(datastore_objects.c.key > after)
    if prefix:
        query = query.where(datastore_objects.c.key >= prefix)
        end = after_prefix(prefix)
        query = query if end is None else query.where(datastore_objects.c.key < end)
    rows = await tx.execute(query.order_by(datastore_objects.c.key).limit(limit))
    return [ObjectRow._make(row) for row in rows]


async def store(tx: WriteTx, datastore_id: uuid.UUID, row: ObjectRow) -> None:
    """Insert an object, or put it in the place of the one under its key."""
    values = row._asdict()
    put = insert(datastore_objects).values(workspace_id=tx.workspace_id, datastore_id=datastore_id, **values)
    changed = {name: put.excluded[name] for name in values if name not in ("key", "id", "created_at")}
    again = put.on_conflict_do_update(index_elements=["workspace_id", "datastore_id", "key"], set_=changed)
    await tx.execute(again)


async def remove(tx: WriteTx, datastore_id: uuid.UUID, keys: Sequence[str]) -> None:
    """Delete objects."""
    mine = (datastore_objects.c.workspace_id == tx.workspace_id, datastore_objects.c.datastore_id == datastore_id)
    await tx.execute(delete(datastore_objects).where(*mine, datastore_objects.c.key.in_(keys)))


async def discard(tx: WriteTx, blobs: Sequence[str], after: int) -> None:
    """Note bytes that no object needs any more, to be destroyed after a moment."""
    rows = [{"workspace_id": tx.workspace_id, "blob": each, "after": after} for each in blobs]
    if rows:
        await tx.execute(insert(datastore_garbage).values(rows).on_conflict_do_nothing())


async def remove_all(tx: WriteTx, datastore_id: uuid.UUID, after: int) -> None:
    """Delete every object of a datastore, and note its bytes to be destroyed after a moment."""
    mine = (datastore_objects.c.workspace_id == tx.workspace_id, datastore_objects.c.datastore_id == datastore_id)
    blobs = select(datastore_objects.c.workspace_id, datastore_objects.c.blob, literal(after, BigInteger))
    noted = insert(datastore_garbage).from_select(["workspace_id", "blob", "after"], blobs.where(*mine))
    await tx.execute(noted.on_conflict_do_nothing())
    await tx.execute(delete(datastore_objects).where(*mine))


async def older(tx: ReadTx, datastore_id: uuid.UUID, before: int, limit: int) -> list[ObjectRow]:
    """Return the objects that were last written before a moment, oldest first."""
    query = select(*_ROW).where(
        datastore_objects.c.workspace_id == tx.workspace_id,
        datastore_objects.c.datastore_id == datastore_id,
        datastore_objects.c.updated_at < before,
    )
    rows = await tx.execute(query.order_by(datastore_objects.c.updated_at).limit(limit))
    return [ObjectRow._make(row) for row in rows]


async def workspaces_with_garbage(tx: ReadTx) -> list[uuid.UUID]:
    """Return the workspaces that have bytes to be destroyed."""
    query = select(datastore_garbage.c.workspace_id).where(datastore_garbage.c.after <= tx.now).distinct()
    return list((await tx.execute(query)).scalars())


async def garbage(tx: ReadTx, limit: int) -> list[str]:
    """Return bytes that are to be destroyed now."""
    query = select(datastore_garbage.c.blob).where(
        datastore_garbage.c.workspace_id == tx.workspace_id, datastore_garbage.c.after <= tx.now
    )
    return list((await tx.execute(query.order_by(datastore_garbage.c.after).limit(limit))).scalars())


async def forget_garbage(tx: WriteTx, blobs: Sequence[str]) -> None:
    """Note that bytes are destroyed."""
    mine = (datastore_garbage.c.workspace_id == tx.workspace_id, datastore_garbage.c.blob.in_(blobs))
    await tx.execute(delete(datastore_garbage).where(*mine))
