"""What deliveries are made of, and what goes out of dead letters."""

import uuid
from typing import Any, NamedTuple

import msgspec
from pydantic import Field

from provenance.bus.messages.schemas import TEXT, Envelope, Moment, Wire
from provenance.bus.subscriptions.schemas import DeliveryRules
from provenance.core.clock import NANOS
from provenance.core.cursors import DEFAULT_LIMIT, MAX_LENGTH, MAX_LIMIT

OPEN, DELIVERED, DEAD, EXPIRED, DROPPED = "open", "delivered", "dead", "expired", "dropped"
TRIES_KEPT = 20
SAID_KEPT = 500


class Claimed(NamedTuple):
    """A delivery in somebody's hand until ``until``."""

    workspace_id: uuid.UUID
    subscription_id: str
    seq: int
    message_id: uuid.UUID
    lane: int | None
    attempts: int
    published_at: int
    expires_at: int
    log: str | None
    lease: uuid.UUID
    until: int


class Try(msgspec.Struct, rename="camel"):
    """One attempt, as it is kept with its delivery."""

    at: int
    ok: bool
    said: str
    ms: int


class Result(NamedTuple):
    """What became of a delivery in hand.

    ``state`` open puts it off until ``due_at``. ``tried`` is None when it was not attempted. ``blames`` tells
    whether a failure speaks against the target rather than the message.
    """

    claimed: Claimed
    state: str
    due_at: int
    attempts: int
    tried: Try | None = None
    blames: bool = False
    pause_until: int = 0


class TargetRow(NamedTuple):
    """How a subscription's target is doing."""

    workspace_id: uuid.UUID
    subscription_id: str
    failures: int
    closed_until: int
    delivered: int
    retried: int
    dead: int
    said: str | None
    failed_at: int | None
    delivered_at: int | None


def room_of(rules: DeliveryRules, *, active: bool) -> int:
    """Return how many deliveries of a subscription may be in hand at once."""
    return rules.max_in_flight if active else 0


def written(log: str | None, tried: Try | None) -> str | None:
    """Return the log of a delivery with one more attempt; the oldest give way."""
    if tried is None:
        return log
    before = read_log(log)
    return msgspec.json.encode([*before, tried][-TRIES_KEPT:]).decode()


def read_log(log: str | None) -> list[Try]:
    """Read the log of a delivery."""
    return [] if log is None else msgspec.json.decode(log, type=list[Try])


class DeadLetterAsked(Wire):
    """What the list of dead letters is asked for."""

    subscription_id: str | None = Field(default=None, max_length=64)
    topic: str | None = Field(default=None, max_length=TEXT)
    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(default=None, max_length=MAX_LENGTH)


class DeadLetterShown(Wire):
    """A message that one subscription did not get: after how many attempts, and what was said the last time."""

    msg_id: str
    subscription_id: str
    number: int
    attempts: int
    said: str | None
    dead_at: str
    message: Envelope


class DeadLetters(Wire):
    """A page of dead letters, newest first."""

    items: list[DeadLetterShown]
    next_cursor: str | None


class Redrive(Wire):
    """Which of a message's dead letters are to be tried again; all of them by default."""

    subscription_id: str | None = Field(default=None, max_length=64)


class Redriven(Wire):
    """How many deliveries of a message are tried again."""

    msg_id: str
    redriven: int


class Replay(Wire):
    """From where messages are delivered again."""

    from_number: int = Field(ge=1, le=2**53 - 1, description="The interactionNumber of the first publishing to repeat.")


class Replayed(Wire):
    """How many messages are delivered again, and after which number a further replay goes on."""

    replayed: int
    next_number: int | None


class MetricsAsked(Wire):
    """What the figures are asked for: the last 24 hours by default."""

    since: Moment | None = Field(default=None, alias="from", description="ISO 8601; 31 days at most.")
    until: Moment | None = Field(default=None, alias="to", description="ISO 8601.")
    topic: str | None = Field(default=None, max_length=TEXT, description="A topic, or a pattern over topics.")


class TopicFigures(Wire):
    """What happened on one topic."""

    topic: str
    published: int
    filtered: int


class SubscriptionFigures(Wire):
    """What happened for one subscription."""

    subscription_id: str
    delivered: int
    failed: int
    retried: int
    dead_lettered: int
    open: int
    p95_delivery_ms: int | None = Field(serialization_alias="p95DeliveryMs")


class Metrics(Wire):
    """The bus in figures (row 125), of the messages published in a time."""

    since: str = Field(serialization_alias="from")
    until: str = Field(serialization_alias="to")
    published: int
    delivered: int
    failed: int
    retried: int
    dead_lettered: int
    filtered: int
    loop_dropped: int
    queue_depth: int
    p95_delivery_ms: int | None = Field(serialization_alias="p95DeliveryMs")
    by_topic: list[TopicFigures]
    by_subscription: list[SubscriptionFigures]


DAY_NS = 24 * 3600 * NANOS


def figures_of(row: Any) -> SubscriptionFigures:
    """Shape the figures of one subscription."""
    return SubscriptionFigures(
        subscription_id=row[0],
        delivered=row[1],
        failed=row[2],
        retried=int(row[3] or 0),
        dead_lettered=row[4],
        open=row[5],
        p95_delivery_ms=None if row[6] is None else round(row[6] / 1_000_000),
    )
