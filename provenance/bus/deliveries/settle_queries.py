"""Every statement that stores what became of deliveries in hand, and how their targets are doing by now."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from provenance.bus.deliveries.schemas import OPEN, Result, TargetRow, written
from provenance.bus.messages.schemas import Row as Message
from provenance.bus.statements import Statements, arrays, as_uuid, unnest
from provenance.bus.subscriptions.schemas import DeadLetter

Place = tuple[uuid.UUID, str]
"""A workspace and a subscription."""

_TARGET = ", ".join(f"t.{name}" for name in TargetRow._fields)
_LOCK_TARGETS = f"""
SELECT {_TARGET} FROM bus_targets AS t
 WHERE (t.workspace_id, t.subscription_id) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
 ORDER BY t.workspace_id, t.subscription_id FOR UPDATE OF t
"""  # noqa: S608 — names of ours


async def lock_targets(statements: Statements, places: Iterable[Place]) -> dict[Place, TargetRow]:
    """Lock the targets of some subscriptions; the first lock of every settling."""
    names = sorted(places)
    found = await statements.fetch(_LOCK_TARGETS, [each[0] for each in names], [each[1] for each in names])
    rows = [TargetRow(as_uuid(row[0]), *tuple(row)[1:]) for row in found]
    return {(row.workspace_id, row.subscription_id): row for row in rows}


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
RETURNING d.seq
"""  # noqa: S608 — names of ours


async def settle(statements: Statements, now: int, results: Sequence[Result]) -> set[int]:
    """Store what became of deliveries; return the numbers of those whose lease was still held."""
    rows = [
        (
            each.claimed.workspace_id,
            each.claimed.subscription_id,
            each.claimed.seq,
            each.claimed.lease,
            each.state,
            each.due_at,
            each.attempts,
            None if each.state == OPEN else now,
            written(each.claimed.log, each.tried),
        )
        for each in results
    ]
    return {row[0] for row in await statements.fetch(_SETTLE, *arrays(_SETTLED, rows))}


_LANES = {"workspace_id": "uuid", "subscription_id": "text", "lane": "bigint"}
_BRING_FORWARD = f"""
UPDATE bus_deliveries AS d SET due_at = d.published_at
  FROM {unnest(_LANES)} CROSS JOIN LATERAL (
    SELECT e.seq FROM bus_deliveries AS e WHERE e.workspace_id = o.workspace_id
       AND e.subscription_id = o.subscription_id AND e.lane = o.lane AND e.state = 'open' ORDER BY e.seq LIMIT 1
  ) AS head
 WHERE d.workspace_id = o.workspace_id AND d.subscription_id = o.subscription_id AND d.seq = head.seq
   AND d.lease IS NULL AND d.attempts = 0 AND d.due_at > d.published_at
"""  # noqa: S608 — names of ours


async def bring_forward(statements: Statements, lanes: Sequence[tuple[uuid.UUID, str, int]]) -> None:
    """Let the next of each lane be taken at once: what it waited for is settled.

    It is due as of its publication, and so before whatever was put off meanwhile: however much waits behind others,
    what can be taken is found first.
    """
    if lanes:
        await statements.fetch(_BRING_FORWARD, *arrays(_LANES, lanes))


_STANDING = {
    "workspace_id": "uuid", "subscription_id": "text", "failures": "integer", "closed_until": "bigint",
    "delivered": "bigint", "retried": "bigint", "dead": "bigint", "said": "text", "failed_at": "bigint",
    "delivered_at": "bigint",
}  # fmt: skip
assert tuple(_STANDING) == TargetRow._fields
_STAND = f"""
UPDATE bus_targets AS t SET {", ".join(f"{name} = o.{name}" for name in list(_STANDING)[2:])} FROM {unnest(_STANDING)}
 WHERE t.workspace_id = o.workspace_id AND t.subscription_id = o.subscription_id
"""  # noqa: S608 — names of ours


async def set_standings(statements: Statements, targets: Sequence[TargetRow]) -> None:
    """Store how targets, which are locked, are doing."""
    if targets:
        await statements.fetch(_STAND, *arrays(_STANDING, targets))


_RULES = """
SELECT workspace_id, id, dead_letter::text FROM bus_subscriptions
 WHERE (workspace_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
"""


async def dead_letter_rules(statements: Statements, places: Iterable[Place]) -> dict[Place, DeadLetter]:
    """Return what becomes of the messages that these subscriptions never get."""
    names = sorted(places)
    if not names:
        return {}
    found = await statements.fetch(_RULES, [each[0] for each in names], [each[1] for each in names])
    return {(as_uuid(row[0]), row[1]): DeadLetter.model_validate(msgspec.json.decode(row[2])) for row in found}


_GIVEN_UP = f"""
SELECT {", ".join(f"m.{name}" for name in Message._fields)}, p.payload
  FROM bus_messages AS m
  LEFT JOIN bus_payloads AS p ON m.payload IS NULL AND p.workspace_id = m.workspace_id AND p.message_id = m.id
 WHERE (m.workspace_id, m.id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
"""  # noqa: S608 — names of ours


async def given_up(
    statements: Statements, messages: Iterable[tuple[uuid.UUID, uuid.UUID]]
) -> Mapping[tuple[uuid.UUID, uuid.UUID], tuple[Message, str]]:
    """Return messages, by workspace and id, each with its payload, wherever that lies."""
    names = sorted(set(messages))
    if not names:
        return {}
    found = await statements.fetch(_GIVEN_UP, [each[0] for each in names], [each[1] for each in names])
    rows = [tuple(row) for row in found]
    return {(as_uuid(row[0]), as_uuid(row[1])): _message(row) for row in rows}


def _message(row: tuple[Any, ...]) -> tuple[Message, str]:
    message = Message(as_uuid(row[0]), as_uuid(row[1]), *row[2:-1])
    return message, message.payload if message.payload is not None else row[-1] or "null"
