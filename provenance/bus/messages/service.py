"""The verbs of messages."""

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from provenance.audit import service as audit
from provenance.bus.deliveries import queries as deliveries
from provenance.bus.deliveries.schemas import read_log
from provenance.bus.envelope import envelope_members
from provenance.bus.errors import BadMessage, TooManyHops, UnknownMessage
from provenance.bus.events import BusEvent
from provenance.bus.messages import queries, reading
from provenance.bus.messages.schemas import (
    PREFIX,
    Asked,
    Attempt,
    Delivery,
    Message,
    MessageDetail,
    Messages,
    Publication,
    Published,
    PublishedMany,
    Row,
    Sent,
    Status,
    Topic,
    Topics,
)
from provenance.bus.publishing import publish as publish_within
from provenance.bus.routing import Routed
from provenance.bus.running import Bus
from provenance.core import cursors
from provenance.core.actor import Actor
from provenance.core.clock import iso_millis
from provenance.core.db import ON_WRITE, ReadTx
from provenance.core.door import Exchange
from provenance.core.ids import decode, encode
from provenance.core.keyring import WorkspaceKeys


async def publish(bus: Bus, actor: Actor, exchange: Exchange, sent: Sequence[Sent], *, many: bool) -> PublishedMany:
    """Publish messages of a request: all of them, or none.

    Raises BadTopic, BadMessage, TopicNotAllowed, PayloadRefused, TooManyHops, PlanLimitReached
    and BusFull.
    """
    publications = [
        reading.publication(each, actor, exchange, f"messages[{place}]." if many else "")
        for place, each in enumerate(sent)
    ]
    if any(each.caused_by is not None for each in sent):
        await _count_hops(bus, actor, sent, publications)
    await bus.allowed.take(actor.workspace_id, len(publications))
    try:
        routed = await let_in(bus, actor, publications)
    except TooManyHops:
        await record_loop(bus, actor, publications)
        raise
    return PublishedMany(items=[published(each) for each in routed])


async def let_in(bus: Bus, actor: Actor, publications: list[Publication]) -> list[Routed]:
    """Publish through the lane, or, where something has to commit with it, in a transaction of its own."""
    if ON_WRITE.get() is None:
        return await bus.publish(actor.workspace_id, publications)
    async with bus.ledger.db.write(actor) as tx:
        routed = await publish_within(tx, publications)
    bus.grew(actor.workspace_id)
    return routed


async def record_loop(bus: Bus, actor: Actor, publications: Sequence[Publication]) -> None:
    """Record that messages were refused because they caused each other too often."""
    first = max(publications, key=lambda each: each.hop_count)
    data = {"topic": first.topic, "hopCount": first.hop_count}
    async with bus.ledger.db.write(actor) as tx:
        wire_id = encode(PREFIX, first.id)
        audit.record(tx, BusEvent.LOOP_BLOCKED, wire_id, data, risk=audit.Risk.MEDIUM, outcome="failure")


async def _count_hops(bus: Bus, actor: Actor, sent: Sequence[Sent], publications: Sequence[Publication]) -> None:
    """Give each message that another caused that one's unit of work, and a hop more. Raises BadMessage."""
    causes = {each.caused_by: decode(PREFIX, each.caused_by) for each in sent if each.caused_by is not None}
    async with bus.ledger.db.read(actor) as tx:
        found = await queries.some(tx, [each for each in causes.values() if each is not None])
    for each, publication in zip(sent, publications, strict=True):
        if each.caused_by is None:
            continue
        cause = found.get(causes[each.caused_by] or uuid.UUID(int=0))
        if cause is None:
            raise BadMessage.at("causedBy", "is no message of this workspace")
        publication.hop_count = cause.hop_count + 1
        publication.uow_id = publication.uow_id or cause.uow_id
        publication.parent_span_id = publication.parent_span_id or str(cause.id)
        publication.correlation_id = publication.correlation_id or cause.correlation_id
        publication.origin_run_id = publication.origin_run_id or cause.origin_run_id


def published(routed: Routed) -> Published:
    """Return the answer to a publishing."""
    return Published.model_validate(said_of(routed.row, routed.wire_id))


def answered(routed: Routed) -> bytes:
    """Return the answer to a publishing as JSON."""
    return _encode(said_of(routed.row, routed.wire_id))


_encode = msgspec.json.Encoder().encode


def said_of(row: Row, wire_id: str) -> dict[str, object]:
    """Return what a publisher is told of a message, as JSON has it."""
    return {
        "msgId": wire_id,
        "topic": row.topic,
        "publishedAt": iso_millis(row.published_at),
        "matchedSubscriptions": row.matched,
    }


class _Position(msgspec.Struct):
    before: uuid.UUID


async def page(tx: ReadTx, keys: WorkspaceKeys, asked: Asked) -> Messages:
    """Return a page of messages, newest first. Raises BadCursor."""
    bound = cursors.binding("bus.messages", asked.model_dump(mode="json", exclude={"limit", "cursor"}))
    before = None if asked.cursor is None else cursors.read(keys, bound, asked.cursor, _Position).before
    rows = await queries.page(tx, asked, before, asked.limit + 1)
    kept = rows[: asked.limit]
    counts = await _counts(tx, [row.id for row in kept])
    return Messages(
        items=[Message.model_validate(_members(tx, row, counts)) for row in kept],
        next_cursor=cursors.write(keys, bound, {"before": str(kept[-1].id)}) if len(rows) > len(kept) else None,
    )


async def get(tx: ReadTx, message_id: str) -> MessageDetail:
    """Return a message with its deliveries. Raises UnknownMessage."""
    row = await found(tx, message_id)
    counts = await _counts(tx, [row.id])
    rows = await deliveries.of_message(tx, row.id)
    return MessageDetail.model_validate({**_members(tx, row, counts), "deliveries": [_delivery(each) for each in rows]})


async def payload(tx: ReadTx, message_id: str) -> bytes:
    """Return a message's payload as it was published, wherever it lies. Raises UnknownMessage."""
    row = await found(tx, message_id)
    text = row.payload if row.payload is not None else await queries.payload_of(tx, row.id)
    return (text or "null").encode()


async def found(tx: ReadTx, message_id: str) -> Row:
    """Return a message's row. Raises UnknownMessage."""
    known = decode(PREFIX, message_id)
    row = None if known is None else await queries.by_id(tx, known)
    if row is None:
        raise UnknownMessage("This workspace has no message with this id.")
    return row


class _TopicPosition(msgspec.Struct):
    after: str


async def topics(tx: ReadTx, keys: WorkspaceKeys, *, limit: int, cursor: str | None) -> Topics:
    """Return a page of the topics that there are messages of. Raises BadCursor."""
    bound = cursors.binding("bus.topics")
    after = "" if cursor is None else cursors.read(keys, bound, cursor, _TopicPosition).after
    rows = await queries.topics(tx, after, limit + 1)
    kept = rows[:limit]
    return Topics(
        items=[
            Topic(topic=row[0], last_published_at=iso_millis(row[1]), last_msg_id=encode(PREFIX, row[2]))
            for row in kept
        ],
        next_cursor=cursors.write(keys, bound, {"after": kept[-1][0]}) if len(rows) > limit else None,
    )


Counts = dict[uuid.UUID, dict[str, int]]


async def _counts(tx: ReadTx, ids: list[uuid.UUID]) -> Counts:
    counts: Counts = {}
    for message_id, state, number in await deliveries.of_messages(tx, ids) if ids else []:
        counts.setdefault(message_id, {})[state] = number
    return counts


def _members(tx: ReadTx, row: Row, counts: Counts) -> dict[str, object]:
    payload = None if row.payload is None else msgspec.json.decode(row.payload)
    status = status_of(row, counts.get(row.id, {}), tx.now)
    more = {"payload": payload, "status": status, "matchedSubscriptions": row.matched}
    return {**envelope_members(row), **more}


def status_of(row: Row, counts: dict[str, int], now: int) -> Status:
    """Say how a message stands, of all its deliveries together."""
    lost = counts.get("dead", 0) + counts.get("dropped", 0)
    if counts.get("open"):
        return "accepted" if row.expires_at > now else "expired"
    if lost:
        return "partially_failed" if counts.get("delivered") else "dead"
    if counts.get("expired"):
        return "partially_failed" if counts.get("delivered") else "expired"
    return "delivered" if counts.get("delivered") else "accepted" if row.expires_at > now else "expired"


def _delivery(row: Any) -> Delivery:
    tries = read_log(row.log)
    return Delivery(
        subscription_id=row.subscription_id,
        number=row.seq,
        state=row.state,
        attempts=row.attempts,
        next_attempt_at=iso_millis(row.due_at) if row.state == "open" else None,
        settled_at=None if row.settled_at is None else iso_millis(row.settled_at),
        log=[
            Attempt(
                at=iso_millis(each.at),
                outcome="delivered" if each.ok else "failed",
                said=each.said,
                duration_ms=each.ms,
            )
            for each in tries
        ],
    )
