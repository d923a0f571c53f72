"""Every statement on the schemas."""

import uuid
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.bus.schemas.tables import bus_schema_versions, bus_schemas
from provenance.core.db import ReadTx, WriteTx

_row = bus_schemas.c


async def insert_schema(tx: WriteTx, values: dict[str, Any]) -> bool:
    """Store a schema; False when its name is taken."""
    put = insert(bus_schemas).values(workspace_id=tx.workspace_id, **values).on_conflict_do_nothing()
    return bool((await tx.execute(put)).rowcount)


async def insert_version(tx: WriteTx, schema_id: uuid.UUID, version: int, schema: Any) -> None:
    """Store a version of a schema."""
    made = {"created_at": tx.now, "created_by": tx.actor.id}
    await tx.execute(
        insert(bus_schema_versions).values(
            workspace_id=tx.workspace_id, schema_id=schema_id, version=version, schema=schema, **made
        )
    )


async def by_id(tx: ReadTx, schema_id: uuid.UUID, *, lock: bool = False) -> Any:
    """Return a schema's row, or None."""
    query = select(bus_schemas).where(_row.workspace_id == tx.workspace_id, _row.id == schema_id)
    return (await tx.execute(query.with_for_update() if lock else query)).first()


async def name_taken(tx: ReadTx, name: str, by_another_than: uuid.UUID) -> bool:
    """Tell whether another schema has the name."""
    mine = (_row.workspace_id == tx.workspace_id, _row.name == name, _row.id != by_another_than)
    return (await tx.execute(select(_row.id).where(*mine))).first() is not None


async def page(tx: ReadTx, before: uuid.UUID | None, limit: int) -> list[Any]:
    """Return schemas, newest first."""
    query = select(bus_schemas).where(_row.workspace_id == tx.workspace_id)
    if before is not None:
        query = query.where(_row.id < before)
    return list((await tx.execute(query.order_by(_row.id.desc()).limit(limit))).all())


async def set_schema(tx: WriteTx, schema_id: uuid.UUID, values: dict[str, Any]) -> None:
    """Change columns of a schema."""
    mine = (_row.workspace_id == tx.workspace_id, _row.id == schema_id)
    await tx.execute(update(bus_schemas).where(*mine).values(**values))


async def delete_schema(tx: WriteTx, schema_id: uuid.UUID) -> str | None:
    """Delete a schema with its versions; return its name, None when there was none."""
    mine = (_row.workspace_id == tx.workspace_id, _row.id == schema_id)
    name: str | None = (await tx.execute(delete(bus_schemas).where(*mine).returning(_row.name))).scalar()
    return name
