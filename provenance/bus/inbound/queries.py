"""Every statement on what arrived."""

import uuid
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from provenance.bus.inbound.tables import bus_arrivals
from provenance.bus.subscriptions.schemas import Row
from provenance.bus.subscriptions.tables import bus_subscriptions
from provenance.core.db import ReadTx, WriteTx

_row = bus_arrivals.c


async def find_inbound(tx: ReadTx, subscription_id: str) -> list[tuple[uuid.UUID, Row]]:
    """Return the inbound subscriptions with an id, of whatever workspace: a stranger names no workspace."""
    columns = [bus_subscriptions.c[name] for name in Row.__struct_fields__]
    query = select(bus_subscriptions.c.workspace_id, *columns).where(
        bus_subscriptions.c.id == subscription_id, bus_subscriptions.c.direction == "inbound"
    )
    rows: list[Any] = list((await tx.execute(query.limit(10))).all())
    return [(row[0], Row(*row[1:])) for row in rows]


async def arrive(tx: WriteTx, subscription_id: str, key: bytes, message_id: uuid.UUID, since: int) -> uuid.UUID | None:
    """Note what arrived; return the message of its first arrival when it did before, since a moment."""
    values = {"message_id": message_id, "at": tx.now}
    put = insert(bus_arrivals).values(workspace_id=tx.workspace_id, subscription_id=subscription_id, key=key, **values)
    again = put.on_conflict_do_update(
        index_elements=["workspace_id", "subscription_id", "key"], set_=values, where=_row.at <= since
    )
    if (await tx.execute(again)).rowcount:
        return None
    mine = (_row.workspace_id == tx.workspace_id, _row.subscription_id == subscription_id, _row.key == key)
    found: uuid.UUID = (await tx.execute(select(_row.message_id).where(*mine))).scalar_one()
    return found


async def forget_old(tx: WriteTx, before: int) -> None:
    """Throw away marks of what arrived before a moment, in all workspaces."""
    await tx.execute(delete(bus_arrivals).where(_row.at < before))
