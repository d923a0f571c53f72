"""Every statement of notifications."""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.audit.queries import SELECTED
from provenance.core.db import Database, ReadTx, WriteTx
from provenance.ledger.tables import interactions
from provenance.notifications.schemas import ChannelKind, Delivery, Rule, Stored
from provenance.notifications.tables import notification_deliveries, notification_settings

_settings = notification_settings.c
_delivery = notification_deliveries.c


async def settings(tx: ReadTx) -> Stored | None:
    """Return the workspace's settings; None when it never had any."""
    query = select(_settings.channels, _settings.rules, _settings.recipients, _settings.secret).where(
        _settings.workspace_id == tx.workspace_id
    )
    row = (await tx.execute(query)).first()
    if row is None:
        return None
    return Stored(row.channels, [Rule.model_validate(each) for each in row.rules], row.recipients, row.secret)


async def any_rule(tx: ReadTx, event: str) -> bool:
    """Tell whether a rule of the workspace names an event."""
    named = _settings.rules.contains([{"event": event}])
    query = select(_settings.workspace_id).where(_settings.workspace_id == tx.workspace_id, named)
    return (await tx.execute(query)).first() is not None


async def lock(tx: WriteTx) -> Stored | None:
    """Return the workspace's settings, locked until the transaction ends."""
    mine = select(_settings.workspace_id).where(_settings.workspace_id == tx.workspace_id).with_for_update()
    await tx.execute(mine)
    return await settings(tx)


async def put(tx: WriteTx, values: dict[str, Any]) -> None:
    """Replace the workspace's settings."""
    made = insert(notification_settings).values(workspace_id=tx.workspace_id, **values)
    await tx.execute(made.on_conflict_do_update(index_elements=["workspace_id"], set_=values))


async def add(tx: WriteTx, number: int, moments: Mapping[ChannelKind, int]) -> None:
    """Note that an event is to be told, once a channel however often it is noted."""
    rows = [
        {
            "workspace_id": tx.workspace_id,
            "number": number,
            "channel": channel.value,
            "created_at": tx.now,
            "due_at": due_at,
            "leased_until": 0,
            "failures": 0,
        }
        for channel, due_at in sorted(moments.items())
    ]
    await tx.execute(insert(notification_deliveries).values(rows).on_conflict_do_nothing())


_CLAIM = """
WITH due AS (
    SELECT workspace_id, number, channel FROM notification_deliveries
     WHERE due_at <= $1 AND leased_until <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
UPDATE notification_deliveries AS d SET lease = $3, leased_until = $4 FROM due
 WHERE d.workspace_id = due.workspace_id AND d.number = due.number AND d.channel = due.channel
RETURNING d.workspace_id, d.number, d.channel, d.failures, d.created_at
"""


async def claim(db: Database, now: int, lease: uuid.UUID, until: int, *, limit: int) -> list[Delivery]:
    """Take what is due in hand, whatever waited longest first; over all workspaces on purpose."""
    found = await db.single(_CLAIM, now, limit, lease, until)
    return [Delivery(row[0], row[1], ChannelKind(row[2]), row[3], row[4], lease) for row in found]


async def event(tx: ReadTx, number: int) -> Any:
    """Return the row of an event."""
    mine = (interactions.c.workspace_id == tx.workspace_id, interactions.c.number == number)
    return (await tx.execute(select(*SELECTED).where(*mine))).first()


async def done(tx: WriteTx, delivery: Delivery) -> bool:
    """Forget a delivery in hand; False when it is lost."""
    gone = delete(notification_deliveries).where(_delivery.workspace_id == tx.workspace_id, *_mine(delivery))
    return bool((await tx.execute(gone)).rowcount)


async def put_off(tx: WriteTx, delivery: Delivery, due_at: int) -> None:
    """Let a delivery in hand be tried again later."""
    values = {"due_at": due_at, "failures": delivery.failures + 1, "lease": None, "leased_until": 0}
    mine = (_delivery.workspace_id == tx.workspace_id, *_mine(delivery))
    await tx.execute(update(notification_deliveries).where(*mine).values(**values))


def _mine(delivery: Delivery) -> tuple[Any, ...]:
    return (
        _delivery.number == delivery.number,
        _delivery.channel == delivery.channel.value,
        _delivery.lease == delivery.lease,
    )
