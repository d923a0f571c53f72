"""Every statement on the subscriptions."""

from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.bus.subscriptions.schemas import Row
from provenance.bus.subscriptions.tables import bus_routings, bus_subscriptions
from provenance.core.db import ReadTx, WriteTx

_row = bus_subscriptions.c
_COLUMNS = [_row[name] for name in Row.__struct_fields__]


async def raise_version(tx: WriteTx) -> None:
    """Tell every lane that what routes this workspace's messages changed; held until the transaction ends."""
    first = insert(bus_routings).values(workspace_id=tx.workspace_id, version=1)
    await tx.execute(
        first.on_conflict_do_update(index_elements=["workspace_id"], set_={"version": bus_routings.c.version + 1})
    )


async def insert_subscription(tx: WriteTx, values: dict[str, Any]) -> bool:
    """Store a subscription; False when its id or its name is taken."""
    put = insert(bus_subscriptions).values(workspace_id=tx.workspace_id, **values).on_conflict_do_nothing()
    return bool((await tx.execute(put)).rowcount)


async def by_id(tx: ReadTx, subscription_id: str, *, lock: bool = False) -> Row | None:
    """Return a subscription."""
    query = select(*_COLUMNS).where(_row.workspace_id == tx.workspace_id, _row.id == subscription_id)
    found: Any = (await tx.execute(query.with_for_update() if lock else query)).first()
    return None if found is None else Row(*found)


async def some(tx: ReadTx, ids: list[str]) -> list[Row]:
    """Return the subscriptions with these ids."""
    query = select(*_COLUMNS).where(_row.workspace_id == tx.workspace_id, _row.id.in_(ids))
    rows: list[Any] = list((await tx.execute(query)).all())
    return [Row(*found) for found in rows]


async def name_taken(tx: ReadTx, name: str, by_another_than: str) -> bool:
    """Tell whether another subscription has the name."""
    mine = (_row.workspace_id == tx.workspace_id, _row.name == name, _row.id != by_another_than)
    return (await tx.execute(select(_row.id).where(*mine))).first() is not None


async def count(tx: ReadTx) -> int:
    """Return how many subscriptions the workspace has."""
    return len((await tx.execute(select(_row.id).where(_row.workspace_id == tx.workspace_id))).all())


async def page(tx: ReadTx, before: str | None, limit: int) -> list[Row]:
    """Return subscriptions, the highest id first: of ids that we made, the newest."""
    query = select(*_COLUMNS).where(_row.workspace_id == tx.workspace_id)
    if before is not None:
        query = query.where(_row.id < before)
    rows: list[Any] = list((await tx.execute(query.order_by(_row.id.desc()).limit(limit))).all())
    return [Row(*found) for found in rows]


async def set_subscription(tx: WriteTx, subscription_id: str, values: dict[str, Any]) -> None:
    """Change columns of a subscription."""
    mine = (_row.workspace_id == tx.workspace_id, _row.id == subscription_id)
    await tx.execute(update(bus_subscriptions).where(*mine).values(**values))


async def delete_subscription(tx: WriteTx, subscription_id: str) -> bool:
    """Delete a subscription; tell whether there was one."""
    mine = (_row.workspace_id == tx.workspace_id, _row.id == subscription_id)
    return bool((await tx.execute(delete(bus_subscriptions).where(*mine))).rowcount)
