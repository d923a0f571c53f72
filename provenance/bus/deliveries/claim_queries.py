"""Every statement that takes deliveries in hand, or keeps them there.

The order of one lane is kept by one rule: only its oldest open delivery can be taken, with those right behind it.
What waits behind another is put off, and brought forward when that is settled; should a bringing forward be missed,
because both happened at once, the putting off runs out by itself. The further behind, the longer it is: of a long
backlog only little is looked at in vain.
"""

import uuid
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from provenance.bus.deliveries.queries import PUT_OFF_NS
from provenance.bus.deliveries.schemas import Claimed
from provenance.bus.messages.schemas import Row as Message
from provenance.bus.statements import Statements, arrays, as_uuid, unnest
from provenance.core.clock import NANOS

APART_NS: Final = 2_000_000
"""How much longer something is put off for each delivery between it and the oldest of its lane."""
LONGEST_NS: Final = 300 * NANOS

_IN_HAND = """(
    SELECT count(DISTINCT coalesce(d.lane, d.seq)) FROM bus_deliveries AS d
     WHERE d.workspace_id = t.workspace_id AND d.subscription_id = t.subscription_id AND d.state = 'open'
       AND d.lease IS NOT NULL AND d.due_at > $1)"""
_DUE = f"t.workspace_id, t.subscription_id, t.room, t.failures, t.lease_seconds, {_IN_HAND}, s.updated_at"
_FROM = """
  FROM bus_targets AS t
  JOIN bus_subscriptions AS s ON s.workspace_id = t.workspace_id AND s.id = t.subscription_id"""
_LOCK_DUE = f"""
SELECT {_DUE} {_FROM}
 WHERE t.kind = $2 AND t.room > 0 AND t.closed_until <= $1 AND EXISTS (
    SELECT 1 FROM bus_deliveries AS d WHERE d.workspace_id = t.workspace_id
       AND d.subscription_id = t.subscription_id AND d.state = 'open' AND d.due_at <= $1)
 ORDER BY random() LIMIT $3 FOR UPDATE OF t SKIP LOCKED
"""  # noqa: S608 — names of ours
_LOCK_ONE = f"""
SELECT {_DUE} {_FROM} WHERE t.workspace_id = $2 AND t.subscription_id = $3 FOR UPDATE OF t
"""

_ASKED = {"workspace_id": "uuid", "subscription_id": "text", "room": "integer", "until": "bigint"}
_TAKEN = (
    "workspace_id", "subscription_id", "seq", "message_id", "lane", "attempts", "published_at", "expires_at", "log",
    "lease", "due_at",
)  # fmt: skip
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
         WHERE d.lane IS NOT NULL AND e.workspace_id = asked.workspace_id
           AND e.subscription_id = asked.subscription_id AND e.lane = d.lane AND e.state = 'open'
         ORDER BY e.seq LIMIT 1) AS head ON true),
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
    UPDATE bus_deliveries AS d
       SET due_at = greatest(due.head_due,
                             $5 + least(greatest((due.seq - due.head) * {APART_NS}, {PUT_OFF_NS}), {LONGEST_NS}))
      FROM due
     WHERE due.head <> due.seq AND d.workspace_id = due.workspace_id AND d.subscription_id = due.subscription_id
       AND d.seq = due.seq AND d.state = 'open' AND NOT EXISTS (
        SELECT 1 FROM taken AS t WHERE t.workspace_id = due.workspace_id
           AND t.subscription_id = due.subscription_id AND t.seq = due.seq)),
claimed AS (
    UPDATE bus_deliveries AS d SET lease = $7, due_at = taken.until, attempts = d.attempts + $8
      FROM taken WHERE d.workspace_id = taken.workspace_id AND d.subscription_id = taken.subscription_id
       AND d.seq = taken.seq AND d.state = 'open'
    RETURNING {", ".join(f"d.{name}" for name in _TAKEN)})
SELECT {", ".join(f"c.{name}" for name in _TAKEN)}, {", ".join(f"m.{name}" for name in Message._fields)}
  FROM claimed AS c LEFT JOIN bus_messages AS m ON m.workspace_id = c.workspace_id AND m.id = c.message_id
 ORDER BY c.seq
"""  # noqa: S608 — names of ours


class Due(NamedTuple):
    """A target with something due, locked; ``updated_at`` is its subscription's."""

    workspace_id: uuid.UUID
    subscription_id: str
    room: int
    failures: int
    lease_seconds: int
    in_hand: int
    updated_at: int


class Taken(NamedTuple):
    """A delivery in hand with its message, if that is still there."""

    claimed: Claimed
    message: Message | None


async def lock_due(statements: Statements, now: int, kind: str, limit: int) -> list[Due]:
    """Lock the targets of a kind, of all workspaces, that have something due and that nobody else holds."""
    found = await statements.fetch(_LOCK_DUE, now, kind, limit)
    return [Due(as_uuid(row[0]), *row[1:]) for row in map(tuple, found)]


async def lock_one(statements: Statements, now: int, workspace_id: uuid.UUID, subscription_id: str) -> Due | None:
    """Lock a subscription's target, waiting for whoever holds it."""
    found = await statements.fetch(_LOCK_ONE, now, workspace_id, subscription_id)
    return Due(as_uuid(found[0][0]), *tuple(found[0])[1:]) if found else None


_ANY_DUE = """
SELECT 1 FROM bus_deliveries AS d WHERE d.workspace_id = $1 AND d.subscription_id = $2 AND d.state = 'open'
   AND d.due_at <= $3 LIMIT 1
"""


async def any_due(statements: Statements, now: int, workspace_id: uuid.UUID, subscription_id: str) -> bool:
    """Tell whether something of a subscription is due, if only to be put off."""
    return bool(await statements.fetch(_ANY_DUE, workspace_id, subscription_id, now))


async def claim(
    statements: Statements,
    now: int,
    wanted: Sequence[tuple[uuid.UUID, str, int, int]],
    *,
    lease: uuid.UUID,
    behind: int,
    counted: bool,
) -> list[Taken]:
    """Take what is due of locked targets: (workspace, subscription, how many, until when), ``behind`` each at most.

    What comes back is in the order of each lane. ``counted``: being taken is an attempt.
    """
    rows = await statements.fetch(_CLAIM, *arrays(_ASKED, wanted), now, behind, lease, int(counted))
    return [_taken(tuple(row)) for row in rows]


def _taken(row: tuple[Any, ...]) -> Taken:
    claimed = _claimed(row[: len(_TAKEN)])
    found = row[len(_TAKEN) :]
    return Taken(claimed, None if found[0] is None else Message(claimed.workspace_id, claimed.message_id, *found[2:]))


def _claimed(row: tuple[Any, ...]) -> Claimed:
    return Claimed(*row)._replace(workspace_id=as_uuid(row[0]), message_id=as_uuid(row[3]), lease=as_uuid(row[9]))


_HELD = {"workspace_id": "uuid", "subscription_id": "text", "seq": "bigint"}
_RENEW = f"""
UPDATE bus_deliveries AS d SET due_at = $4 FROM {unnest(_HELD)}
 WHERE d.workspace_id = o.workspace_id AND d.subscription_id = o.subscription_id AND d.seq = o.seq
   AND d.lease = $5 AND d.state = 'open'
RETURNING d.subscription_id, d.seq
"""  # noqa: S608 — names of ours


async def renew(statements: Statements, held: Sequence[Claimed], lease: uuid.UUID, until: int) -> set[tuple[str, int]]:
    """Keep deliveries in hand for longer; return those that still are."""
    keys = [(each.workspace_id, each.subscription_id, each.seq) for each in held]
    return {(row[0], row[1]) for row in await statements.fetch(_RENEW, *arrays(_HELD, keys), until, lease)}


_BY_RECEIPT = f"""
SELECT {", ".join(f"d.{name}" for name in _TAKEN)}
  FROM bus_deliveries AS d JOIN unnest($3::bigint[], $4::uuid[]) AS o(seq, lease) ON d.seq = o.seq
   AND d.lease = o.lease
 WHERE d.workspace_id = $1 AND d.subscription_id = $2 AND d.state = 'open'
"""  # noqa: S608 — names of ours


async def by_receipt(
    statements: Statements, workspace_id: uuid.UUID, subscription_id: str, receipts: Sequence[tuple[int, uuid.UUID]]
) -> list[Claimed]:
    """Return the deliveries that these receipts still hold, whether or not the lease has run out meanwhile."""
    seqs, leases = [each[0] for each in receipts], [each[1] for each in receipts]
    rows = await statements.fetch(_BY_RECEIPT, workspace_id, subscription_id, seqs, leases)
    return [_claimed(tuple(row)) for row in rows]
