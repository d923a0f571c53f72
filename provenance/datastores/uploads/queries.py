"""Every statement on the uploads."""

import uuid
from collections.abc import Sequence

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import ReadTx, WriteTx
from provenance.datastores.uploads.schemas import MOST_PARTS, UploadRow
from provenance.datastores.uploads.tables import datastore_uploads

_ROW = [datastore_uploads.c[name] for name in UploadRow._fields]


async def begin(tx: WriteTx, row: UploadRow) -> None:
    """Insert an upload."""
    # No act yet: nothing is to be seen of it until its bytes have come, and that is recorded.
    await ReadTx.execute(tx, insert(datastore_uploads).values(workspace_id=tx.workspace_id, **row._asdict()))


async def by_id(tx: ReadTx, upload_id: uuid.UUID, *, lock: bool = False) -> UploadRow | None:
    """Return an upload whose address is good still."""
    query = select(*_ROW).where(
        datastore_uploads.c.workspace_id == tx.workspace_id,
        datastore_uploads.c.id == upload_id,
        datastore_uploads.c.expires_at > tx.now,
    )
    row = (await tx.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else UploadRow._make(row)


async def add_part(tx: WriteTx, row: UploadRow, part: str, size: int, expires_at: int) -> bool:
    """Add a part at the end of those there are; False when another was added meanwhile."""
    mine = update(datastore_uploads).where(
        datastore_uploads.c.workspace_id == tx.workspace_id,
        datastore_uploads.c.id == row.id,
        datastore_uploads.c.received_bytes == row.received_bytes,
        datastore_uploads.c.done_at.is_(None),
        func.cardinality(datastore_uploads.c.parts) < MOST_PARTS,
    )
    values = {
        "parts": func.array_append(datastore_uploads.c.parts, part),
        "received_bytes": row.received_bytes + size,
        "expires_at": expires_at,
    }
    return (await tx.execute(mine.values(**values))).rowcount == 1


async def end(tx: WriteTx, upload_id: uuid.UUID) -> bool:
    """Note that what was announced is there; False when it was already, or the upload is over."""
    mine = update(datastore_uploads).where(
        datastore_uploads.c.workspace_id == tx.workspace_id,
        datastore_uploads.c.id == upload_id,
        datastore_uploads.c.done_at.is_(None),
    )
    return (await tx.execute(mine.values(done_at=tx.now))).rowcount == 1


async def end_all(tx: WriteTx, datastore_id: uuid.UUID) -> None:
    """Let no upload to a datastore come to its end any more; their bytes are swept when their time is over."""
    mine = update(datastore_uploads).where(
        datastore_uploads.c.workspace_id == tx.workspace_id,
        datastore_uploads.c.datastore_id == datastore_id,
        datastore_uploads.c.done_at.is_(None),
    )
    await tx.execute(mine.values(done_at=tx.now))


async def direct(tx: ReadTx, datastore_id: uuid.UUID, key: str | None, limit: int) -> list[UploadRow]:
    """Return uploads, of one key or of all, that went to the object store itself and were not seen to arrive."""
    query = select(*_ROW).where(
        datastore_uploads.c.workspace_id == tx.workspace_id,
        datastore_uploads.c.datastore_id == datastore_id,
        datastore_uploads.c.direct,
        datastore_uploads.c.done_at.is_(None),
    )
    if key is not None:
        query = query.where(datastore_uploads.c.key == key)
    return [UploadRow._make(row) for row in await tx.execute(query.order_by(datastore_uploads.c.id).limit(limit))]


async def waiting(tx: ReadTx) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """Return the workspaces and datastores that direct uploads are under way to."""
    columns = (datastore_uploads.c.workspace_id, datastore_uploads.c.datastore_id)
    query = select(*columns).where(datastore_uploads.c.direct, datastore_uploads.c.done_at.is_(None)).distinct()
    return [(row.workspace_id, row.datastore_id) for row in await tx.execute(query)]


async def workspaces_with_old(tx: ReadTx, before: int) -> list[uuid.UUID]:
    """Return the workspaces that have uploads whose time was over before a moment."""
    query = select(datastore_uploads.c.workspace_id).where(datastore_uploads.c.expires_at <= before).distinct()
    return list((await tx.execute(query)).scalars())


async def old(tx: ReadTx, before: int, limit: int) -> list[UploadRow]:
    """Return uploads whose time was over before a moment."""
    query = select(*_ROW).where(
        datastore_uploads.c.workspace_id == tx.workspace_id, datastore_uploads.c.expires_at <= before
    )
    return [
        UploadRow._make(row) for row in await tx.execute(query.order_by(datastore_uploads.c.expires_at).limit(limit))
    ]


async def forget(tx: WriteTx, upload_ids: Sequence[uuid.UUID]) -> None:
    """Delete uploads whose bytes are looked after."""
    mine = (datastore_uploads.c.workspace_id == tx.workspace_id, datastore_uploads.c.id.in_(upload_ids))
    await tx.execute(delete(datastore_uploads).where(*mine))
