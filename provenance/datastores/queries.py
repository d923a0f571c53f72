"""Every statement on the datastores themselves."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, cast, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.core.clock import NANOS
from provenance.core.db import ReadTx, WriteTx
from provenance.datastores.objects.tables import datastore_objects
from provenance.datastores.schemas import Row
from provenance.datastores.tables import datastore_references, datastores

DAY_NS = 86_400 * NANOS
_ROW = [datastores.c[name] for name in Row._fields]


async def insert_datastore(tx: WriteTx, row: Row) -> bool:
    """Insert a datastore; False when its name is taken."""
    put = insert(datastores).values(workspace_id=tx.workspace_id, **row._asdict())
    return (await tx.execute(put.on_conflict_do_nothing())).rowcount == 1


async def by_id(tx: ReadTx, datastore_id: uuid.UUID, *, lock: bool = False) -> Row | None:
    """Return a datastore; locked, so that what it counts stays right, where something is written to it."""
    query = select(*_ROW).where(datastores.c.workspace_id == tx.workspace_id, datastores.c.id == datastore_id)
    row = (await tx.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else Row._make(row)


async def by_name(tx: ReadTx, name: str, *, lock: bool = False) -> Row | None:
    """Return the datastore of a name."""
    query = select(*_ROW).where(datastores.c.workspace_id == tx.workspace_id, datastores.c.name == name)
    row = (await tx.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else Row._make(row)


async def page(tx: ReadTx, *, before: uuid.UUID | None, limit: int) -> list[Row]:
    """Return datastores, newest first."""
    query = select(*_ROW).where(datastores.c.workspace_id == tx.workspace_id)
    if before is not None:
        query = query.where(datastores.c.id < before)
    return [Row._make(row) for row in await tx.execute(query.order_by(datastores.c.id.desc()).limit(limit))]


async def change(tx: WriteTx, datastore_id: uuid.UUID, values: Mapping[str, Any]) -> None:
    """Change a datastore; who and when is set here."""
    mine = (datastores.c.workspace_id == tx.workspace_id, datastores.c.id == datastore_id)
    stamped = {**values, "updated_at": tx.now, "updated_by": tx.acting[0]}
    await tx.execute(update(datastores).where(*mine).values(**stamped))


async def count(tx: WriteTx, datastore_id: uuid.UUID, *, objects: int, size: int) -> None:
    """Add to what a datastore counts."""
    mine = (datastores.c.workspace_id == tx.workspace_id, datastores.c.id == datastore_id)
    values = {"object_count": datastores.c.object_count + objects, "total_bytes": datastores.c.total_bytes + size}
    await tx.execute(update(datastores).where(*mine).values(**values))


async def stored_bytes(tx: ReadTx) -> int:
    """Return how many bytes of objects the workspace stores."""
    total = func.coalesce(func.sum(datastores.c.total_bytes), 0)
    return int((await tx.execute(select(total).where(datastores.c.workspace_id == tx.workspace_id))).scalar_one())


async def remove(tx: WriteTx, datastore_id: uuid.UUID) -> None:
    """Delete a datastore."""
    mine = (datastores.c.workspace_id == tx.workspace_id, datastores.c.id == datastore_id)
    await tx.execute(delete(datastores).where(*mine))


async def refer(tx: WriteTx, datastore_ids: Sequence[uuid.UUID], kind: str, referrer: str) -> None:
    """Make these the datastores that something works with, and no others."""
    mine = (
        datastore_references.c.workspace_id == tx.workspace_id,
        datastore_references.c.kind == kind,
        datastore_references.c.referrer == referrer,
    )
    gone = datastore_references.c.datastore_id.not_in(datastore_ids)
    await tx.execute(delete(datastore_references).where(*mine, gone))
    shared = {"workspace_id": tx.workspace_id, "kind": kind, "referrer": referrer}
    rows = [{**shared, "datastore_id": each} for each in datastore_ids]
    if rows:
        await tx.execute(insert(datastore_references).values(rows).on_conflict_do_nothing())


async def is_referred_to(tx: ReadTx, datastore_id: uuid.UUID) -> bool:
    """Tell whether anything works with a datastore."""
    mine = (
        datastore_references.c.workspace_id == tx.workspace_id,
        datastore_references.c.datastore_id == datastore_id,
    )
    return bool((await tx.execute(select(exists().where(*mine)))).scalar_one())


async def with_old_objects(tx: ReadTx) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """Return the workspaces and datastores that hold objects older than they are to be kept."""
    age = tx.now - cast(datastores.c.retention_days, BigInteger) * DAY_NS
    old = exists().where(
        datastore_objects.c.workspace_id == datastores.c.workspace_id,
        datastore_objects.c.datastore_id == datastores.c.id,
        datastore_objects.c.updated_at < age,
    )
    query = select(datastores.c.workspace_id, datastores.c.id).where(datastores.c.retention_days.is_not(None), old)
    return [(row.workspace_id, row.id) for row in await tx.execute(query)]
