"""What arrives from a stream: read as a message of the bus, told from a repeat, or kept as a dead letter."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec

from provenance.bus.bridges.errors import NotMappable
from provenance.bus.bridges.mapping import topic_of
from provenance.bus.bridges.schemas import BridgeInput, Consume, DeadLetter
from provenance.bus.errors import BadMessage, BadTopic
from provenance.bus.messages import reading
from provenance.bus.messages.schemas import HOPS, PAYLOAD_BYTES, TEXT, Publication, Sent
from provenance.core.actor import Actor
from provenance.core.door import Exchange
from provenance.core.errors import Problem
from provenance.core.ids import new_uuid, random_letters
from provenance.core.routing import admitted_body

MSG_ID = "Nats-Msg-Id"
TOPIC_KEY, CORRELATION, HOP_COUNT = "Provenance-Topic-Key", "Provenance-Correlation-Id", "Provenance-Hop-Count"
"""Headers by which a message keeps what a subject and a payload can't carry; sent by bridges, and read by them."""
_SAID_KEPT = 500
_HEADERS_KEPT = 32
_TRACE = ("traceparent", "x-uowid", "x-parent-span-id")


class Arrival(NamedTuple):
    """A message of a stream. ``stream`` says which, with the moment it was made: one made anew counts anew."""

    stream: str
    sequence: int
    subject: str
    headers: Mapping[str, str]
    payload: bytes

    @property
    def key(self) -> bytes:
        """What a repeat has as well: its publisher's id, else its place in the stream."""
        named = self.headers.get(MSG_ID)
        told = f"id\0{named}" if named else f"at\0{self.stream}\0{self.sequence}"
        return sha256(told.encode("utf-8", "surrogateescape")).digest()


def publication_of(rule: BridgeInput, arrival: Arrival, actor: Actor) -> Publication:
    """Read an arrival as a message to publish. Raises BadTopic, BadMessage, and Invalid for no acceptable JSON."""
    assert rule.consume is not None, "the bridge consumes"
    if len(arrival.payload) > PAYLOAD_BYTES:
        raise BadMessage.at("payload", f"is larger than {PAYLOAD_BYTES:,} bytes")
    try:
        topic = topic_of(rule.consume.topic, arrival.subject)
    except NotMappable as error:
        raise BadTopic(str(error)) from None
    exchange = _as_exchange(arrival)
    payload = admitted_body(exchange)
    correlation = arrival.headers.get(CORRELATION)
    sent = Sent(
        topic=topic,
        payload=msgspec.Raw(payload),
        topic_key=_key_of(rule.consume, arrival, payload),
        correlation_id=unquote(correlation)[:TEXT] if correlation else None,
        ttl_seconds=rule.consume.ttl_seconds,
    )
    publication = reading.publication(sent, actor, exchange)
    publication.origin = None
    publication.hop_count = _hops_of(arrival)
    return publication


def dead_letter_of(arrival: Arrival, problem: Problem, at: int) -> DeadLetter:
    """Return what is kept of an arrival that can't be published."""
    payload = arrival.payload if len(arrival.payload) <= PAYLOAD_BYTES else None
    headers = {name: value[:TEXT] for name, value in list(arrival.headers.items())[:_HEADERS_KEPT]}
    said = problem.detail[:_SAID_KEPT]
    size = len(arrival.payload)
    clean = {_stored(name): _stored(value) for name, value in headers.items()}
    return DeadLetter(new_uuid(), _stored(arrival.subject), clean, size, payload, None, problem.code, said, at)


def _stored(text: str) -> str:
    """Return a text as the database can keep it: without NUL and halves of characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _as_exchange(arrival: Arrival) -> Exchange:
    """Return an arrival as a request that posts its payload: both are read, and traced, by the same rules."""
    headers = {b"content-type": b"application/json"}
    for name in _TRACE:
        value = arrival.headers.get(name)
        if value is not None:
            headers[name.encode()] = value.encode("utf-8", "replace")
    return Exchange("POST", arrival.subject, headers, arrival.payload, random_letters(26), None, "nats", b"")


def _key_of(consume: Consume, arrival: Arrival, payload: bytes) -> str | None:
    """Return the key of an arrival's order: as its sender says, else where the payload has it."""
    sent = arrival.headers.get(TOPIC_KEY)
    if sent:
        return unquote(sent)[:TEXT]
    if consume.topic_key_path is None:
        return None
    found: Any = msgspec.json.decode(payload)
    for part in consume.topic_key_path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    usable = isinstance(found, str | int | float) and not isinstance(found, bool) and found != ""
    return str(found)[:TEXT] if usable else None


def _hops_of(arrival: Arrival) -> int:
    """Return how many messages caused this one; what is no number, or too long a one, counts as too many."""
    text = arrival.headers.get(HOP_COUNT)
    if text is None:
        return 0
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 4 else HOPS + 1
