"""Every statement on the messages."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import delete, exists, func, select

from provenance.bus.deliveries.tables import bus_deliveries
from provenance.bus.messages.schemas import Asked, Publication, Row
from provenance.bus.messages.tables import bus_messages, bus_payloads
from provenance.bus.statements import Statements, arrays, unnest
from provenance.core.db import ReadTx, WriteTx

_MESSAGE = {
    "workspace_id": "uuid", "id": "uuid", "topic": "text", "topic_key": "text", "payload": "text",
    "payload_bytes": "integer", "attributes": "text", "producer_id": "text", "producer_kind": "text",
    "correlation_id": "text", "hop_count": "smallint", "origin_run_id": "uuid", "uow_id": "uuid", "schema_id": "uuid",
    "schema_version": "integer", "schema_faults": "smallint", "matched": "smallint", "filtered": "smallint",
    "published_at": "bigint", "expires_at": "bigint",
}  # fmt: skip
assert tuple(_MESSAGE) == Row._fields
WIDTH = len(_MESSAGE)


def insertion(first: int = 1, condition: str = "") -> str:
    """Return the statement that stores messages, which are its parameters from ``first`` on, under a condition."""
    names, rows = ", ".join(_MESSAGE), unnest(_MESSAGE, first=first)
    return f"INSERT INTO bus_messages ({names}) SELECT {names} FROM {rows}{condition}"  # noqa: S608 — names of ours


_INSERT = insertion()
_PAYLOAD = {"workspace_id": "uuid", "message_id": "uuid", "payload": "text"}
_INSERT_PAYLOADS = (
    f"INSERT INTO bus_payloads ({', '.join(_PAYLOAD)}) SELECT {', '.join(_PAYLOAD)} "  # noqa: S608 — names of ours
    f"FROM {unnest(_PAYLOAD)}"
)
LOOK_UP = "SELECT id FROM bus_messages WHERE workspace_id = ANY($1) AND id = ANY($2) LIMIT 1"

_row = bus_messages.c
_COLUMNS = [_row[name] for name in Row._fields]


class LargePayload(NamedTuple):
    """A payload that lies outside of its message's row."""

    workspace_id: uuid.UUID
    message_id: uuid.UUID
    payload: str


async def insert(statements: Statements, rows: Sequence[Row]) -> None:
    """Store messages."""
    await statements.fetch(_INSERT, *parameters(rows))


def parameters(rows: Iterable[Row]) -> list[Any]:
    """Return the parameters of `insertion` for these messages."""
    return arrays(_MESSAGE, rows)


async def insert_payloads(statements: Statements, payloads: Sequence[LargePayload]) -> None:
    """Store payloads that don't lie in their message's row."""
    await statements.fetch(_INSERT_PAYLOADS, *arrays(_PAYLOAD, payloads))


async def by_id(tx: ReadTx, message_id: uuid.UUID) -> Row | None:
    """Return a message."""
    found: Any = (
        await tx.execute(select(*_COLUMNS).where(_row.workspace_id == tx.workspace_id, _row.id == message_id))
    ).first()
    return None if found is None else Row(*found)


async def some(tx: ReadTx, message_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Row]:
    """Return the messages with these ids."""
    query = select(*_COLUMNS).where(_row.workspace_id == tx.workspace_id, _row.id.in_(message_ids))
    rows: list[Any] = list((await tx.execute(query)).all())
    return {row.id: Row(*row) for row in rows}


async def payload_of(tx: ReadTx, message_id: uuid.UUID) -> str | None:
    """Return a payload that lies outside of its message's row."""
    mine = (bus_payloads.c.workspace_id == tx.workspace_id, bus_payloads.c.message_id == message_id)
    found: str | None = (await tx.execute(select(bus_payloads.c.payload).where(*mine))).scalar()
    return found


async def lock_span(tx: WriteTx, uow_id: uuid.UUID, span_id: str) -> None:
    """Wait for whoever publishes within a span; whoever comes later waits for this transaction."""
    await tx.driver_sql(_LOCK_SPAN, (str(uow_id), span_id))


_LOCK_SPAN = "SELECT pg_advisory_xact_lock(hashtextextended('bus span ' || $1::text || ' ' || $2::text, 0))"


async def of_span(tx: ReadTx, event: tuple[str, str], publication: Publication) -> str | None:
    """Return the wire id of what the same publisher published within a publication's span, as the ledger has it.

    ``event`` is resource type and action of a publication's entry. Empty where the ledger's content was erased.
    """
    assert publication.uow_id is not None
    known = (tx.workspace_id, publication.uow_id, publication.parent_span_id, *event, *publication.acting)
    found = (await tx.driver_sql(_OF_SPAN, known)).first()
    return None if found is None else found[0] or ""


_OF_SPAN = """
SELECT i.resource_id FROM interactions AS i
  JOIN catalogue AS type ON type.workspace_id = i.workspace_id AND type.id = i.resource_type_id
  JOIN catalogue AS action ON action.workspace_id = i.workspace_id AND action.id = i.action_id
 WHERE i.workspace_id = $1 AND i.uow_id = $2 AND i.parent_span_id = $3::text::uuid AND i.platform
   AND type.mnemonic = $4 AND action.mnemonic = $5 AND i.recorded_by = $6 AND i.actor_kind = $7
 ORDER BY i.number LIMIT 1
"""


async def page(tx: ReadTx, asked: Asked, before: uuid.UUID | None, limit: int) -> list[Row]:
    """Return messages, newest first."""
    query = select(*_COLUMNS).where(_row.workspace_id == tx.workspace_id)
    if asked.topic is not None:
        query = query.where(_row.topic == asked.topic)
    if asked.producer_id is not None:
        query = query.where(_row.producer_id == asked.producer_id)
    if asked.correlation_id is not None:
        query = query.where(_row.correlation_id == asked.correlation_id)
    if asked.since is not None:
        query = query.where(_row.published_at >= asked.since)
    if asked.until is not None:
        query = query.where(_row.published_at < asked.until)
    if before is not None:
        query = query.where(_row.id < before)
    rows: list[Any] = list((await tx.execute(query.order_by(_row.id.desc()).limit(limit))).all())
    return [Row(*found) for found in rows]


async def topics(tx: ReadTx, after: str, limit: int) -> list[Any]:
    """Return topics in their order with the number of their messages and the time of the latest.

    Goes from topic to topic in the index, so that it costs the topics asked for, not the messages of all.
    """
    found = await tx.driver_sql(_TOPICS, (tx.workspace_id, after, limit))
    return list(found.all())


_TOPICS = """
WITH RECURSIVE walk AS (
    (SELECT topic, 1 AS place FROM bus_messages WHERE workspace_id = $1 AND topic > $2 ORDER BY topic LIMIT 1)
    UNION ALL
    SELECT further.topic, walk.place + 1 FROM walk CROSS JOIN LATERAL (
        SELECT topic FROM bus_messages WHERE workspace_id = $1 AND topic > walk.topic ORDER BY topic LIMIT 1) AS further
     WHERE walk.place < $3
)
SELECT walk.topic, newest.published_at, newest.id FROM walk CROSS JOIN LATERAL (
    SELECT published_at, id FROM bus_messages AS m WHERE m.workspace_id = $1 AND m.topic = walk.topic
     ORDER BY id DESC LIMIT 1) AS newest
 ORDER BY walk.topic
"""


async def forget_old(tx: WriteTx, before: int, dead_before: int, limit: int) -> int:
    """Throw away messages of all workspaces that ran out before a moment, with their deliveries; return how many.

    One that is a dead letter stays until it was given up before ``dead_before``.
    """
    kept = exists().where(
        bus_deliveries.c.workspace_id == _row.workspace_id,
        bus_deliveries.c.message_id == _row.id,
        bus_deliveries.c.state == "dead",
        bus_deliveries.c.settled_at >= dead_before,
    )
    old = select(_row.workspace_id, _row.id).where(_row.expires_at < before, ~kept)
    gone = (await tx.execute(old.order_by(_row.expires_at).limit(limit))).all()
    for workspace_id in {row.workspace_id for row in gone}:
        ids = [row.id for row in gone if row.workspace_id == workspace_id]
        for table, column in (
            (bus_deliveries, bus_deliveries.c.message_id),
            (bus_payloads, bus_payloads.c.message_id),
            (bus_messages, bus_messages.c.id),
        ):
            await tx.execute(delete(table).where(table.c.workspace_id == workspace_id, column.in_(ids)))
    return len(gone)


async def count(tx: ReadTx, since: int, until: int, pattern: str | None) -> list[Any]:
    """Return, by topic, how many messages a time brought, how many of them nobody wanted, and filtered deliveries."""
    query = (
        select(_row.topic, func.count(), func.sum(_row.filtered))
        .where(_row.workspace_id == tx.workspace_id, _row.published_at >= since, _row.published_at < until)
        .group_by(_row.topic)
    )
    if pattern is not None:
        query = query.where(_row.topic.regexp_match(pattern))
    return list((await tx.execute(query)).all())
