"""The statements on deliveries but for taking them in hand (`claim_queries`) and settling them (`settle_queries`)."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from provenance.bus.deliveries.schemas import TargetRow
from provenance.bus.deliveries.tables import bus_deliveries, bus_targets
from provenance.bus.messages.tables import bus_messages
from provenance.bus.routing import NewDelivery
from provenance.bus.statements import Statements, Within, arrays, unnest
from provenance.core.clock import NANOS
from provenance.core.db import ReadTx, WriteTx

PUT_OFF_NS: Final = 2 * NANOS
"""How long what waits behind another is put off, unless that one is put off for longer."""

_NEW = {
    "workspace_id": "uuid", "subscription_id": "text", "message_id": "uuid", "lane": "bigint",
    "published_at": "bigint", "expires_at": "bigint",
}  # fmt: skip
assert tuple(_NEW) == NewDelivery._fields
_PLACED = {**_NEW, "first": "boolean"}
WIDTH = len(_PLACED)
# The oldest of the lane is looked up one by one: asked for with EXISTS, all that is open would be read and hashed.
_INSERTION = f"""
INSERT INTO bus_deliveries ({", ".join(_NEW)}, state, due_at, attempts)
SELECT {", ".join(f"o.{name}" for name in _NEW)}, 'open',
       o.published_at + CASE WHEN o.first AND (o.lane IS NULL OR (
           SELECT e.seq FROM bus_deliveries AS e WHERE e.workspace_id = o.workspace_id
              AND e.subscription_id = o.subscription_id AND e.lane = o.lane AND e.state = 'open'
            ORDER BY e.seq LIMIT 1) IS NULL) THEN 0 ELSE {PUT_OFF_NS} END, 0
  FROM {{rows}}{{condition}} ORDER BY o.place
"""  # noqa: S608 — names of ours


def insertion(first: int = 1, condition: str = "") -> str:
    """Return the statement that stores deliveries, which are its parameters from ``first`` on, under a condition."""
    return _INSERTION.format(rows=unnest(_PLACED, first=first, ordered="place"), condition=condition)


_INSERT = insertion()


async def insert(statements: Statements, deliveries: Sequence[NewDelivery]) -> None:
    """Store deliveries, in their order; those behind another of their lane are put off."""
    await statements.fetch(_INSERT, *parameters(deliveries))


def parameters(deliveries: Iterable[NewDelivery]) -> list[Any]:
    """Return the parameters of `insertion` for these deliveries, in their order."""
    seen: set[tuple[Any, ...]] = set()
    rows = []
    for each in deliveries:
        place = (each.lane, each.subscription_id, each.workspace_id.int)
        rows.append((*each, each.lane is None or place not in seen))
        seen.add(place)
    return arrays(_PLACED, rows)


_target = bus_targets.c
_delivery = bus_deliveries.c


async def put_target(tx: WriteTx, subscription_id: str, *, kind: str, room: int, lease_seconds: int) -> None:
    """Make a subscription's target, or fit the one there is; what failed before does not count any more."""
    values = {"kind": kind, "room": room, "lease_seconds": lease_seconds, "failures": 0, "closed_until": 0}
    fresh = {"delivered": 0, "retried": 0, "dead": 0}
    put = upsert(bus_targets).values(workspace_id=tx.workspace_id, subscription_id=subscription_id, **values, **fresh)
    await tx.execute(put.on_conflict_do_update(index_elements=["workspace_id", "subscription_id"], set_=values))


async def targets(tx: ReadTx, subscription_ids: Sequence[str]) -> dict[str, TargetRow]:
    """Return how the targets of subscriptions are doing."""
    columns = [_target[name] for name in TargetRow._fields]
    mine = (_target.workspace_id == tx.workspace_id, _target.subscription_id.in_(subscription_ids))
    found: Sequence[Any] = (await tx.execute(select(*columns).where(*mine))).all()
    return {row[1]: TargetRow(*row) for row in found}


_OPEN = """
SELECT o.id, (SELECT count(*) FROM (SELECT 1 FROM bus_deliveries AS d WHERE d.workspace_id = $1
          AND d.subscription_id = o.id AND d.state = 'open' LIMIT 10000) AS counted)
  FROM unnest($2::text[]) AS o(id)
"""


async def open_of(tx: ReadTx, subscription_ids: Sequence[str]) -> dict[str, int]:
    """Return how many deliveries of each subscription are open, up to 10,000."""
    return {row[0]: row[1] for row in await Within(tx).fetch(_OPEN, tx.workspace_id, list(subscription_ids))}


async def forget_subscription(tx: WriteTx, subscription_id: str) -> None:
    """Throw away a subscription's target and what was on its way to it."""
    for table in (bus_deliveries, bus_targets):
        mine = (table.c.workspace_id == tx.workspace_id, table.c.subscription_id == subscription_id)
        await tx.execute(delete(table).where(*mine))


async def of_messages(tx: ReadTx, message_ids: Sequence[uuid.UUID]) -> list[Any]:
    """Return, by message and state, how many deliveries there are."""
    query = (
        select(_delivery.message_id, _delivery.state, func.count())
        .where(_delivery.workspace_id == tx.workspace_id, _delivery.message_id.in_(message_ids))
        .group_by(_delivery.message_id, _delivery.state)
    )
    return list((await tx.execute(query)).all())


async def of_message(tx: ReadTx, message_id: uuid.UUID) -> list[Any]:
    """Return the deliveries of a message."""
    query = select(bus_deliveries).where(_delivery.workspace_id == tx.workspace_id, _delivery.message_id == message_id)
    return list((await tx.execute(query.order_by(_delivery.subscription_id, _delivery.seq).limit(1000))).all())


async def dead_page(
    tx: ReadTx, subscription_id: str | None, topic: str | None, before: int | None, limit: int
) -> list[Any]:
    """Return dead letters, newest first."""
    query = (
        select(bus_deliveries)
        .join(
            bus_messages,
            (bus_messages.c.workspace_id == _delivery.workspace_id) & (bus_messages.c.id == _delivery.message_id),
        )
        .where(_delivery.workspace_id == tx.workspace_id, _delivery.state == "dead")
    )
    if subscription_id is not None:
        query = query.where(_delivery.subscription_id == subscription_id)
    if topic is not None:
        query = query.where(bus_messages.c.topic == topic)
    if before is not None:
        query = query.where(_delivery.seq < before)
    return list((await tx.execute(query.order_by(_delivery.seq.desc()).limit(limit))).all())


async def redrive(tx: WriteTx, message_id: uuid.UUID, subscription_id: str | None) -> list[str]:
    """Open dead letters of a message anew, each with all its attempts and its time; return whose they are."""
    lasts = func.greatest(_delivery.expires_at, tx.now + (_delivery.expires_at - _delivery.published_at))
    mine = [_delivery.workspace_id == tx.workspace_id, _delivery.message_id == message_id, _delivery.state == "dead"]
    if subscription_id is not None:
        mine.append(_delivery.subscription_id == subscription_id)
    again = {"state": "open", "due_at": tx.now, "attempts": 0, "lease": None, "settled_at": None, "expires_at": lasts}
    opened = update(bus_deliveries).where(*mine).values(**again).returning(_delivery.subscription_id)
    found = sorted((await tx.execute(opened)).scalars())
    kept = (bus_messages.c.workspace_id == tx.workspace_id, bus_messages.c.id == message_id)
    until = func.greatest(bus_messages.c.expires_at, tx.now + (bus_messages.c.expires_at - bus_messages.c.published_at))
    if found:
        await tx.execute(update(bus_messages).where(*kept).values(expires_at=until))
    return found


_PUBLISHED = """
SELECT i.number, i.resource_id FROM interactions AS i
 WHERE i.workspace_id = $1 AND i.platform AND i.number >= $2 AND i.number < $2 + $5
   AND i.resource_type_id = $3 AND i.action_id = $4 ORDER BY i.number LIMIT $6
"""


async def published_from(
    tx: ReadTx, number: int, words: tuple[str, str], *, window: int, limit: int
) -> list[tuple[int, str]]:
    """Return numbers and ids of messages as the ledger has them, from a number on."""
    found = await Within(tx).fetch(_PUBLISHED, tx.workspace_id, number, *words, window, limit)
    return [(row[0], row[1]) for row in found]


_FIGURES = """
SELECT d.subscription_id,
       count(*) FILTER (WHERE d.state = 'delivered'),
       coalesce(sum(d.attempts) - count(*) FILTER (WHERE d.state = 'delivered'), 0),
       coalesce(sum(greatest(d.attempts - 1, 0)), 0),
       count(*) FILTER (WHERE d.state IN ('dead', 'dropped')),
       count(*) FILTER (WHERE d.state = 'open'),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY d.settled_at - d.published_at)
           FILTER (WHERE d.state = 'delivered'),
       GROUPING(d.subscription_id)
  FROM bus_deliveries AS d
 WHERE d.workspace_id = $1 AND d.published_at >= $2 AND d.published_at < $3
   AND ($4::text IS NULL OR EXISTS (
        SELECT 1 FROM bus_messages AS m WHERE m.workspace_id = $1 AND m.id = d.message_id AND m.topic ~ $4))
 GROUP BY GROUPING SETS ((d.subscription_id), ())
 ORDER BY GROUPING(d.subscription_id) DESC, d.subscription_id LIMIT 1001
"""


async def figures(tx: ReadTx, since: int, until: int, pattern: str | None) -> Sequence[Any]:
    """Return figures of a time: of all subscriptions together first, then of each."""
    return await Within(tx).fetch(_FIGURES, tx.workspace_id, since, until, pattern)


_COUNTED = """
SELECT count(*) FROM interactions AS i
 WHERE i.workspace_id = $1 AND i.platform AND i.resource_type_id = $2 AND i.action_id = $3
   AND i.recorded_at >= $4 AND i.recorded_at < $5
"""


async def recorded(tx: ReadTx, words: tuple[str, str], since: int, until: int) -> int:
    """Return how often the ledger has an event within a time."""
    [row] = await Within(tx).fetch(_COUNTED, tx.workspace_id, *words, since, until)
    return int(row[0])
