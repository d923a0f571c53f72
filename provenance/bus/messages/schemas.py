"""What goes in and out of messages (spec/automation.md, 8.1)."""

import uuid
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from provenance.core.clock import parse_iso
from provenance.core.cursors import DEFAULT_LIMIT, MAX_LENGTH, MAX_LIMIT
from provenance.core.incoming import Origin

PREFIX = "msg"
PAYLOAD_BYTES = 1024 * 1024
INLINE_BYTES = 400 * 1024
"""A larger payload lies outside of its message's row, and goes by reference."""
BATCH = 500
BODY_LIMITS = {
    "/bus/messages": 2 * PAYLOAD_BYTES,
    "/bus/messages/batch": 8 * PAYLOAD_BYTES,
    "/bus/": 2 * PAYLOAD_BYTES,
}
TTL_SECONDS = 7 * 24 * 3600
MOST_TTL_SECONDS = 30 * 24 * 3600
HOPS = 16
TEXT = 256

ProducerKind = Literal["agent", "workflow", "system", "webhook"]
Status = Literal["accepted", "delivered", "partially_failed", "dead", "expired"]
State = Literal["open", "delivered", "dead", "expired", "dropped"]


class Wire(BaseModel):
    """A body of the bus: snake_case here, camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True)


class Row(NamedTuple):
    """A message as stored."""

    workspace_id: uuid.UUID
    id: uuid.UUID
    topic: str
    topic_key: str | None
    payload: str | None
    payload_bytes: int
    attributes: str | None
    producer_id: str
    producer_kind: str
    correlation_id: str | None
    hop_count: int
    origin_run_id: uuid.UUID | None
    uow_id: uuid.UUID
    schema_id: uuid.UUID | None
    schema_version: int | None
    schema_faults: int
    matched: int
    filtered: int
    published_at: int
    expires_at: int


class Sent(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A message as a client publishes it; the payload stays the text that it is.

    ``attributes`` is the JSON of a CloudEvent's attributes; a plain message can't send it (`reading` refuses).
    """

    topic: str
    payload: msgspec.Raw
    topic_key: str | None = None
    correlation_id: str | None = None
    ttl_seconds: int | None = None
    schema_id: str | None = None
    caused_by: str | None = None
    attributes: str | None = None


class Publication(msgspec.Struct):
    """A message about to be published: checked in itself, and by whom.

    ``payload`` is canonical JSON, ``acting`` the id and kind of who publishes, ``attributes`` the JSON of a
    CloudEvent's context attributes.
    """

    id: uuid.UUID
    topic: str
    payload: str
    producer_id: str
    producer_kind: str
    acting: tuple[str, str]
    topic_key: str | None = None
    correlation_id: str | None = None
    ttl_seconds: int = TTL_SECONDS
    schema_id: uuid.UUID | None = None
    hop_count: int = 0
    origin_run_id: uuid.UUID | None = None
    uow_id: uuid.UUID | None = None
    parent_span_id: str | None = None
    attributes: str | None = None
    origin: Origin | None = None


class MessagePublish(Wire):
    """A message to publish."""

    model_config = ConfigDict(extra="forbid")

    topic: str = Field(min_length=1, max_length=TEXT, examples=["orders/created"])
    payload: Any = Field(description="Any JSON, up to 1 MiB; over 400 KB it goes by reference.")
    topic_key: str | None = Field(
        default=None, max_length=TEXT, description="What its order is kept by, such as the order's id."
    )
    correlation_id: str | None = Field(default=None, max_length=TEXT)
    ttl_seconds: int | None = Field(default=None, ge=1, le=MOST_TTL_SECONDS, description="7 days by default.")
    schema_id: str | None = Field(
        default=None, description="The schema that it is to fit, instead of the most specific of its topic."
    )
    caused_by: str | None = Field(
        default=None, description="msgId of the message that led to this one: its hopCount is one more."
    )


class MessagesPublish(Wire):
    """Messages to publish in one transaction: all or none."""

    messages: list[MessagePublish] = Field(min_length=1, max_length=BATCH)


class Published(Wire):
    """A message that was published, and how many subscriptions get it."""

    msg_id: str
    topic: str
    published_at: str
    matched_subscriptions: int


class PublishedMany(Wire):
    """Messages that were published, in the order in which they were sent."""

    items: list[Published]


class Envelope(Wire):
    """A message as its readers and targets get it."""

    msg_id: str
    topic: str
    topic_key: str | None
    payload: Any = Field(description="null when payloadRef says where it is.")
    payload_ref: str | None
    producer_id: str
    producer_kind: ProducerKind
    correlation_id: str | None
    hop_count: int
    origin_run_id: str | None
    published_at: str
    ttl_seconds: int
    expires_at: str
    schema_id: str | None
    schema_version: int | None


class Message(Envelope):
    """A message as lists show it, and how its deliveries stand."""

    status: Status
    matched_subscriptions: int


class Messages(Wire):
    """A page of messages, newest first."""

    items: list[Message]
    next_cursor: str | None


class Attempt(Wire):
    """One attempt at a delivery: what was said, and how long it took."""

    at: str
    outcome: Literal["delivered", "failed"]
    said: str
    duration_ms: int


class Delivery(Wire):
    """A message on its way to one subscription."""

    subscription_id: str
    number: int = Field(description="The order of one topic and key within a subscription.")
    state: State
    attempts: int
    next_attempt_at: str | None
    settled_at: str | None
    log: list[Attempt]


class MessageDetail(Message):
    """A message with its deliveries."""

    deliveries: list[Delivery]


def _moment(value: Any) -> Any:
    return parse_iso(value) if isinstance(value, str) else value


Moment = Annotated[int, BeforeValidator(_moment, json_schema_input_type=str)]
"""A point in time: ISO 8601 on the wire, nanoseconds since the epoch here."""


class Asked(Wire):
    """What a list of messages is asked for."""

    topic: str | None = Field(default=None, max_length=TEXT)
    producer_id: str | None = Field(default=None, max_length=TEXT)
    correlation_id: str | None = Field(default=None, max_length=TEXT)
    since: Moment | None = Field(default=None, alias="from", description="Published at or after this time (ISO 8601).")
    until: Moment | None = Field(default=None, alias="to", description="Published before this time (ISO 8601).")
    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(default=None, max_length=MAX_LENGTH)


class Topic(Wire):
    """A topic that messages were published to."""

    topic: str
    last_msg_id: str
    last_published_at: str


class Topics(Wire):
    """A page of topics in their order."""

    items: list[Topic]
    next_cursor: str | None
