"""Every statement on the bus keys."""

from typing import Any

from sqlalchemy import select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from provenance.bus.keys.tables import bus_keys
from provenance.core.db import ReadTx, WriteTx

_row = bus_keys.c


async def insert_key(tx: WriteTx, values: dict[str, Any]) -> None:
    """Store a key."""
    await tx.execute(insert(bus_keys).values(workspace_id=tx.workspace_id, **values))


async def page(tx: ReadTx, *, limit: int, after: tuple[int, str] | None) -> list[Any]:
    """Return keys, newest first, from after a key on (its time of making and its id)."""
    query = select(bus_keys).where(_row.workspace_id == tx.workspace_id)
    if after is not None:
        query = query.where(tuple_(_row.created_at, _row.id) < after)
    return list((await tx.execute(query.order_by(_row.created_at.desc(), _row.id.desc()).limit(limit))).all())


async def row_of(tx: ReadTx, key_id: str) -> Any:
    """Return a key, or None."""
    return (await tx.execute(select(bus_keys).where(_row.workspace_id == tx.workspace_id, _row.id == key_id))).first()


async def revoke(tx: WriteTx, key_id: str) -> bool:
    """Revoke a key; tell whether it was valid."""
    mine = (_row.workspace_id == tx.workspace_id, _row.id == key_id, _row.revoked_at.is_(None))
    return (await tx.execute(update(bus_keys).where(*mine).values(revoked_at=tx.now))).rowcount == 1


async def key_by_id(tx: ReadTx, key_id: str) -> Any:
    """Return the key with an id, of whatever workspace: it tells which; None when there is none."""
    return (await tx.execute(select(bus_keys).where(_row.id == key_id))).first()
