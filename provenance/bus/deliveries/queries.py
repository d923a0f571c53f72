"""Every statement on the deliveries: who gets a message, what is in hand, what became of it.

The order of one lane is kept by one rule: only its oldest open delivery can be taken, with those right behind it.
What waits behind another is put off, and brought forward when that is settled; should a bringing forward be missed,
because both happened at once, the putting off runs out by itself.
"""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from provenance.bus.deliveries.schemas import OPEN, Claimed, Result, TargetRow, written
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
_FIRST = "first"
_INSERT = f"""
INSERT INTO bus_deliveries ({", ".join(_NEW)}, state, due_at, attempts)
SELECT {", ".join(f"o.{name}" for name in _NEW)}, 'open',
       o.published_at + CASE WHEN o.first AND (o.lane IS NULL OR NOT EXISTS (
           SELECT 1 FROM bus_deliveries AS e WHERE e.workspace_id = o.workspace_id
              AND e.subscription_id = o.subscription_id AND e.lane = o.lane AND e.state = 'open'
       )) THEN 0 ELSE {PUT_OFF_NS} END, 0
  FROM {unnest({**_NEW, _FIRST: "boolean"}, ordered="place")} ORDER BY o.place
"""  # noqa: S608 — names of ours


async def insert(statements: Statements, deliveries: Sequence[NewDelivery]) -> None:
    """Store deliveries, in their order; those behind another of their lane are put off."""
    seen: set[tuple[Any, ...]] = set()
    rows = []
    for each in deliveries:
        place = (each.workspace_id, each.subscription_id, each.lane)
        rows.append((*each, each.lane is None or place not in seen))
        seen.add(place)
    await statements.fetch(_INSERT, *arrays({**_NEW, _FIRST: "boolean"}, rows))


_TARGET = ", ".join(f"t.{name}" for name in TargetRow._fields)
_IN_HAND = """(
    SELECT count(DISTINCT coalesce(d.lane, d.seq)) FROM bus_deliveries AS d
     WHERE d.workspace_id = t.workspace_id AND d.subscription_id = t.subscription_id AND d.state = 'open'
       AND d.lease IS NOT NULL AND d.due_at > $1)"""
_LOCK_DUE = f"""
SELECT t.workspace_id, t.subscription_id, t.room, t.failures, t.lease_seconds, {_IN_HAND}
  FROM bus_targets AS t
 WHERE t.kind = $2 AND t.room > 0 AND t.closed_until <= $1 AND EXISTS (
    SELECT 1 FROM bus_deliveries AS d WHERE d.workspace_id = t.workspace_id
       AND d.subscription_id = t.subscription_id AND d.state = 'open' AND d.due_at <= $1)
 ORDER BY random() LIMIT $3 FOR UPDATE OF t SKIP LOCKED
"""  # noqa: S608 — names of ours
_LOCK_ONE = f"""
SELECT t.workspace_id, t.subscription_id, t.room, t.failures, t.lease_seconds, {_IN_HAND}
  FROM bus_targets AS t WHERE t.workspace_id = $2 AND t.subscription_id = $3 FOR UPDATE OF t
"""  # noqa: S608 — names of ours
_LOCK_SOME = f"""
SELECT {_TARGET} FROM bus_targets AS t
 WHERE (t.workspace_id, t.subscription_id) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
 ORDER BY t.workspace_id, t.subscription_id FOR UPDATE OF t
"""  # noqa: S608 — names of ours

_ASKED = {"workspace_id": "uuid", "subscription_id": "text", "room": "integer", "until": "bigint"}
_CLAIM = f"""
WITH asked AS (SELECT * FROM {unnest(_ASKED)}),
due AS MATERIALIZED (
    SELECT asked.*, d.seq, d.lane, d.due_at, head.seq AS head, head.due_at AS head_due
      FROM asked
     CROSS JOIN LATERAL (
        SELECT e.seq, e.lane, e.due_at FROM bus_deliveries AS e
         WHERE e.workspace_id = asked.workspace_id AND e.subscription_id = asked.subscription_id
           AND e.state = 'open' AND e.due_at <= $5 ORDER BY e.due_at LIMIT 2 * asked.room + 64) AS d
      LEFT JOIN LATERAL (
        SELECT e.seq, e.due_at FROM bus_deliveries AS e
         WHERE e.workspace_id = asked.workspace_id AND e.subscription_id = asked.subscription_id
           AND e.lane = d.lane AND e.state = 'open' ORDER BY e.seq LIMIT 1) AS head ON d.lane IS NOT NULL),
heads AS (
    SELECT * FROM (
        SELECT *, row_number() OVER (PARTITION BY workspace_id, subscription_id ORDER BY due_at, seq) AS place
          FROM due WHERE lane IS NULL OR head = seq) AS numbered WHERE place <= room),
taken AS MATERIALIZED (
    SELECT workspace_id, subscription_id, seq, until FROM heads
     UNION ALL
    SELECT h.workspace_id, h.subscription_id, f.seq, h.until FROM heads AS h CROSS JOIN LATERAL (
        SELECT e.seq FROM bus_deliveries AS e
         WHERE e.workspace_id = h.workspace_id AND e.subscription_id = h.subscription_id AND e.lane = h.lane
           AND e.state = 'open' AND e.seq > h.seq ORDER BY e.seq LIMIT $6) AS f),
put_off AS (
    UPDATE bus_deliveries AS d SET due_at = greatest(due.head_due, $5 + {PUT_OFF_NS}) FROM due
     WHERE due.head <> due.seq AND d.workspace_id = due.workspace_id AND d.subscription_id = due.subscription_id
       AND d.seq = due.seq AND d.state = 'open' AND NOT EXISTS (
        SELECT 1 FROM taken AS t WHERE t.workspace_id = due.workspace_id
           AND t.subscription_id = due.subscription_id AND t.seq = due.seq))
UPDATE bus_deliveries AS d SET lease = $7, due_at = taken.until, attempts = d.attempts + $8
  FROM taken WHERE d.workspace_id = taken.workspace_id AND d.subscription_id = taken.subscription_id
   AND d.seq = taken.seq AND d.state = 'open'
RETURNING d.workspace_id, d.subscription_id, d.seq, d.message_id, d.lane, d.attempts, d.published_at, d.expires_at,
          d.log, d.lease, d.due_at
"""  # noqa: S608 — names of ours


class Due(NamedTuple):
    """A target with something due, locked."""

    workspace_id: uuid.UUID
    subscription_id: str
    room: int
    failures: int
    lease_seconds: int
    in_hand: int


async def lock_due(tx: WriteTx, kind: str, limit: int) -> list[Due]:
    """Lock the targets of a kind, of all workspaces, that have something due and that nobody else holds."""
    found = await Within(tx).fetch(_LOCK_DUE, tx.now, kind, limit)
    return [Due(as_uuid(row[0]), *row[1:]) for row in found]


async def lock_one(tx: WriteTx, subscription_id: str) -> Due | None:
    """Lock a subscription's target, waiting for whoever holds it."""
    found = await Within(tx).fetch(_LOCK_ONE, tx.now, tx.workspace_id, subscription_id)
    return Due(as_uuid(found[0][0]), *found[0][1:]) if found else None


async def claim(
    tx: WriteTx, wanted: Sequence[tuple[uuid.UUID, str, int, int]], *, lease: uuid.UUID, behind: int, counted: bool
) -> list[Claimed]:
    """Take what is due of locked targets: (workspace, subscription, how many, until when), ``behind`` each at most.

    What comes back is in the order of each lane. ``counted``: being taken is an attempt.
    """
    parameters = (*arrays(_ASKED, wanted), tx.now, behind, lease, int(counted))
    rows = await Within(tx).fetch(_CLAIM, *parameters)
    found = [_claimed(row) for row in rows]
    return sorted(found, key=lambda each: each.seq)


def _claimed(row: Any) -> Claimed:
    return Claimed(as_uuid(row[0]), row[1], row[2], as_uuid(row[3]), *row[4:])._replace(lease=as_uuid(row[9]))


_SETTLED = {
    "workspace_id": "uuid", "subscription_id": "text", "seq": "bigint", "lease": "uuid", "state": "text",
    "due_at": "bigint", "attempts": "smallint", "settled_at": "bigint", "log": "text",
}  # fmt: skip
_SETTLE = f"""
UPDATE bus_deliveries AS d
   SET state = o.state, due_at = o.due_at, attempts = o.attempts, settled_at = o.settled_at, log = o.log, lease = NULL
  FROM {unnest(_SETTLED)}
 WHERE d.workspace_id = o.workspace_id AND d.subscription_id = o.subscription_id AND d.seq = o.seq
   AND d.lease = o.lease AND d.state = 'open'
RETURNING d.workspace_id, d.subscription_id, d.seq
"""  # noqa: S608 — names of ours
_LANES = {"workspace_id": "uuid", "subscription_id": "text", "lane": "bigint"}
_BRING_FORWARD = f"""
UPDATE bus_deliveries AS d SET due_at = $4
  FROM {unnest(_LANES)} CROSS JOIN LATERAL (
    SELECT e.seq FROM bus_deliveries AS e WHERE e.workspace_id = o.workspace_id
       AND e.subscription_id = o.subscription_id AND e.lane = o.lane AND e.state = 'open' ORDER BY e.seq LIMIT 1
  ) AS head
 WHERE d.workspace_id = o.workspace_id AND d.subscription_id = o.subscription_id AND d.seq = head.seq
   AND d.lease IS NULL AND d.attempts = 0 AND d.due_at > $4
"""  # noqa: S608 — names of ours


async def settle(tx: WriteTx, results: Sequence[Result]) -> set[tuple[str, int]]:
    """Store what became of deliveries of the transaction's workspace; return those whose lease was still held."""
    rows = [
        (
            each.claimed.workspace_id,
            each.claimed.subscription_id,
            each.claimed.seq,
            each.claimed.lease,
            each.state,
            each.due_at,
            each.attempts,
            None if each.state == OPEN else tx.now,
            written(each.claimed.log, each.tried),
        )
        for each in results
    ]
    return {(row[1], row[2]) for row in await Within(tx).fetch(_SETTLE, *arrays(_SETTLED, rows))}


async def bring_forward(tx: WriteTx, lanes: Sequence[tuple[uuid.UUID, str, int]]) -> None:
    """Let the next of each lane be taken at once: what it waited for is settled."""
    if lanes:
        await Within(tx).fetch(_BRING_FORWARD, *arrays(_LANES, lanes), tx.now)


_HELD = {"workspace_id": "uuid", "subscription_id": "text", "seq": "bigint"}
_RENEW = f"""
UPDATE bus_deliveries AS d SET due_at = $4 FROM {unnest(_HELD)}
 WHERE d.workspace_id = o.workspace_id AND d.subscription_id = o.subscription_id AND d.seq = o.seq
   AND d.lease = $5 AND d.state = 'open'
RETURNING d.subscription_id, d.seq
"""  # noqa: S608 — names of ours


async def renew(tx: WriteTx, held: Sequence[Claimed], lease: uuid.UUID, until: int) -> set[tuple[str, int]]:
    """Keep deliveries in hand for longer; return those that still are."""
    keys = [(each.workspace_id, each.subscription_id, each.seq) for each in held]
    return {(row[0], row[1]) for row in await Within(tx).fetch(_RENEW, *arrays(_HELD, keys), until, lease)}


_BY_RECEIPT = """
SELECT d.workspace_id, d.subscription_id, d.seq, d.message_id, d.lane, d.attempts, d.published_at, d.expires_at,
       d.log, d.lease, d.due_at
  FROM bus_deliveries AS d JOIN unnest($3::bigint[], $4::uuid[]) AS o(seq, lease) ON d.seq = o.seq
   AND d.lease = o.lease
 WHERE d.workspace_id = $1 AND d.subscription_id = $2 AND d.state = 'open'
"""


async def by_receipt(tx: WriteTx, subscription_id: str, receipts: Sequence[tuple[int, uuid.UUID]]) -> list[Claimed]:
    """Return the deliveries that these receipts still hold, whether or not the lease has run out meanwhile."""
    seqs, leases = [each[0] for each in receipts], [each[1] for each in receipts]
    rows = await Within(tx).fetch(_BY_RECEIPT, tx.workspace_id, subscription_id, seqs, leases)
    return [_claimed(row) for row in rows]


async def lock_targets(tx: WriteTx, subscription_ids: Iterable[str]) -> dict[str, TargetRow]:
    """Lock the targets of some subscriptions of the transaction's workspace; the first lock of every settling."""
    names = sorted(subscription_ids)
    found = await Within(tx).fetch(_LOCK_SOME, [tx.workspace_id] * len(names), names)
    return {row[1]: TargetRow(*row) for row in found}


_target = bus_targets.c
_delivery = bus_deliveries.c


async def set_target(tx: WriteTx, subscription_id: str, **values: Any) -> None:
    """Change columns of a target."""
    mine = (_target.workspace_id == tx.workspace_id, _target.subscription_id == subscription_id)
    await tx.execute(update(bus_targets).where(*mine).values(**values))


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


def as_uuid(value: Any) -> uuid.UUID:
    """Return the driver's UUID as a plain one, which hashes like those we make."""
    return uuid.UUID(int=value.int)


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
