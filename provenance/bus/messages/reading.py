"""Reading a message to publish out of a request: plain JSON, or a CloudEvent in whatever form (`cloudevents`)."""

import uuid
from typing import NoReturn

import msgspec

from provenance.bus.envelope import SCHEMA_PREFIX
from provenance.bus.errors import BadMessage, BadTopic, TopicNotAllowed
from provenance.bus.messages import cloudevents
from provenance.bus.messages.schemas import (
    BATCH,
    MOST_TTL_SECONDS,
    PAYLOAD_BYTES,
    TEXT,
    TTL_SECONDS,
    ProducerKind,
    Publication,
    Sent,
)
from provenance.bus.topics import TOPIC_RULE, covers, is_topic
from provenance.core.actor import Actor
from provenance.core.door import Exchange
from provenance.core.ids import decode, new_uuid, parse_uuid
from provenance.core.incoming import USER_AGENT_KEPT, Origin
from provenance.core.routing import admitted_body


class _Plain(Sent, forbid_unknown_fields=True):
    """A message as plain JSON has it."""

    attributes: None = None


_one = msgspec.json.Decoder(_Plain)


class _SentMany(msgspec.Struct, forbid_unknown_fields=True):
    messages: list[_Plain]


_many = msgspec.json.Decoder(_SentMany)


def read_one(exchange: Exchange) -> Sent:
    """Read one message from a JSON body. Raises BadMessage, and Invalid for what is no acceptable JSON."""
    if cloudevents.is_event(exchange):
        return cloudevents.read_event(exchange)
    return read_plain(exchange)


def read_plain(exchange: Exchange) -> Sent:
    """Read one message that is no CloudEvent. Raises BadMessage, and Invalid for what is no acceptable JSON."""
    try:
        return _one.decode(admitted_body(exchange))
    except msgspec.ValidationError as error:
        _refuse(error)


def read_many(exchange: Exchange) -> list[Sent]:
    """Read ``{"messages": […]}`` from a JSON body. Raises BadMessage."""
    if cloudevents.is_batch(exchange):
        return cloudevents.read_batch(exchange)
    try:
        found: list[Sent] = list(_many.decode(admitted_body(exchange)).messages)
    except msgspec.ValidationError as error:
        _refuse(error)
    if not 1 <= len(found) <= BATCH:
        raise BadMessage.at("messages", f"must be 1 to {BATCH}")
    return found


def publication(
    sent: Sent, actor: Actor, exchange: Exchange, at: str = "", *, kind: ProducerKind = "system"
) -> Publication:
    """Check what was sent in itself, and say who publishes it. Raises BadTopic, BadMessage and TopicNotAllowed."""
    ttl = checked(sent, at)
    if actor.topics is not None and not covers(actor.topics, sent.topic):
        raise TopicNotAllowed(f"This bus key may not publish to {sent.topic}.")
    uow_id, parent = trace_of(exchange)
    agent = exchange.header(b"user-agent")
    return Publication(
        id=new_uuid(),
        topic=sent.topic,
        payload=bytes(sent.payload).decode(),
        producer_id=actor.id,
        producer_kind=kind,
        acting=(actor.id, actor.kind.value),
        topic_key=sent.topic_key,
        correlation_id=sent.correlation_id,
        ttl_seconds=ttl,
        schema_id=_schema_id(sent.schema_id, at),
        attributes=sent.attributes,
        uow_id=uow_id,
        parent_span_id=parent,
        origin=Origin(exchange.client_ip, agent and agent[:USER_AGENT_KEPT], exchange.request_id),
    )


def checked(sent: Sent, at: str = "") -> int:
    """Check a message in itself and return how many seconds it lives. Raises BadTopic and BadMessage."""
    if not is_topic(sent.topic):
        raise BadTopic.at(at + "topic", TOPIC_RULE)
    if sent.topic_key is not None:
        _check_text(sent.topic_key, at + "topicKey")
    if sent.correlation_id is not None:
        _check_text(sent.correlation_id, at + "correlationId")
    ttl = TTL_SECONDS if sent.ttl_seconds is None else sent.ttl_seconds
    if not 1 <= ttl <= MOST_TTL_SECONDS:
        raise BadMessage.at(at + "ttlSeconds", f"must be 1 to {MOST_TTL_SECONDS}")
    if len(bytes(sent.payload)) > PAYLOAD_BYTES:
        raise BadMessage.at(at + "payload", f"is larger than {PAYLOAD_BYTES:,} bytes")
    return ttl


def _check_text(text: str, at: str) -> None:
    if not 1 <= len(text) <= TEXT:
        raise BadMessage.at(at, f"must have 1 to {TEXT} characters")
    if "\x00" in text:
        raise BadMessage.at(at, "holds a character that can't be stored")


def trace_of(exchange: Exchange) -> tuple[uuid.UUID | None, str | None]:
    """Return the unit of work and the span that a request belongs to, by its headers."""
    headers = exchange.headers
    if b"x-uowid" not in headers and b"traceparent" not in headers and b"x-parent-span-id" not in headers:
        return None, None
    named = parse_uuid(exchange.header(b"x-uowid") or "")
    parent = parse_uuid(exchange.header(b"x-parent-span-id") or "")
    return named or _trace_id(exchange.header(b"traceparent")), None if parent is None else str(parent)


def _trace_id(traceparent: str | None) -> uuid.UUID | None:
    parts = (traceparent or "").split("-")
    if len(parts) < 4 or len(parts[1]) != 32 or parts[1].strip("0123456789abcdef") or not parts[1].strip("0"):
        return None
    return uuid.UUID(hex=parts[1])


def _schema_id(text: str | None, at: str) -> uuid.UUID | None:
    if text is None:
        return None
    found = decode(SCHEMA_PREFIX, text)
    if found is None:
        raise BadMessage.at(at + "schemaId", "is no schema of this workspace")
    return found


def _refuse(error: msgspec.ValidationError) -> NoReturn:
    """Say what is wrong with a body, and where."""
    issue, _, place = str(error).partition(" - at `$")
    path = place.rstrip("`").removeprefix(".") or "$"
    raise BadMessage.at(path, issue[:1].lower() + issue[1:].replace("`", "")) from None
