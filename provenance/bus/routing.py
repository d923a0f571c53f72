"""What a workspace's subscriptions and schemas say about a message: is it let in, and who gets it.

A `Routing` is a snapshot at one version. The version is read in the transaction that publishes, so a subscription
that was answered before a message was sent always gets it, whichever process made it.
"""

import uuid
from collections.abc import Iterable, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from provenance.bus import topics
from provenance.bus.envelope import envelope_of
from provenance.bus.errors import BadMessage, PayloadRefused, TooManyHops
from provenance.bus.filters import Wants, wants_of
from provenance.bus.messages.schemas import HOPS, INLINE_BYTES, PREFIX, Publication, Row
from provenance.bus.statements import Statements
from provenance.core.clock import NANOS
from provenance.core.errors import Detail
from provenance.core.ids import encode
from provenance.core.json_schemas import JsonSchema, schema_of

_TOPICS_KEPT: Final = 10_000
_VERSIONS = "SELECT workspace_id, version FROM bus_routings WHERE workspace_id = ANY($1)"
_SUBSCRIPTIONS = """
SELECT id, topic_pattern, filter::text, coalesce((delivery ->> 'ordered')::boolean, true) FROM bus_subscriptions
 WHERE workspace_id = $1 AND direction = 'outbound' ORDER BY id
"""
_SCHEMAS = "SELECT id, version, topic_pattern, mode, schema::text FROM bus_schemas WHERE workspace_id = $1 ORDER BY id"


class Taker(NamedTuple):
    """A subscription, as far as routing goes."""

    id: str
    pattern: str
    wants: Wants | None
    ordered: bool


class Form(NamedTuple):
    """A schema, as far as routing goes."""

    id: uuid.UUID
    version: int
    pattern: str
    rejects: bool
    schema: JsonSchema


class NewDelivery(NamedTuple):
    """A delivery that is to be; ``lane`` is what its order is kept by."""

    workspace_id: uuid.UUID
    subscription_id: str
    message_id: uuid.UUID
    lane: int | None
    published_at: int
    expires_at: int


class Routed(NamedTuple):
    """A message that is let in, its id as it reads outside, its payload if that lies apart, and its deliveries."""

    row: Row
    wire_id: str
    large_payload: str | None
    deliveries: list[NewDelivery]


class Routing:
    """The subscriptions and schemas of a workspace at one version."""

    def __init__(self, version: int, takers: Sequence[Taker], forms: Sequence[Form]) -> None:
        """Take what was read at this version."""
        self.version = version
        self._takers = takers
        self._forms = sorted(forms, key=lambda form: topics.specificity(form.pattern), reverse=True)
        self._by_id = {form.id: form for form in forms}
        self._known: dict[str, tuple[list[Taker], Form | None]] = {}

    def route(self, message: Publication, now: int, workspace_id: uuid.UUID) -> Routed:
        """Let a message in and say who gets it. Raises PayloadRefused, BadMessage and TooManyHops."""
        if message.hop_count > HOPS:
            raise TooManyHops(f"This message is number {message.hop_count} of a chain; {HOPS} is the most.")
        takers, form = self._of_topic(message.topic)
        if message.schema_id is not None:
            form = self._by_id.get(message.schema_id)
            if form is None:
                raise BadMessage.at("schemaId", "is no schema of this workspace")
        size = len(message.payload.encode()) if not message.payload.isascii() else len(message.payload)
        chosen, faults = takers, 0
        if form is not None or takers:
            seen = _Seen(message, now)
            faults = 0 if form is None else _checked(form, seen)
            chosen = [taker for taker in takers if taker.wants is None or taker.wants(seen.values)]
        large = size > INLINE_BYTES
        expires_at = now + message.ttl_seconds * NANOS
        row = Row(
            workspace_id,
            message.id,
            message.topic,
            message.topic_key,
            None if large else message.payload,
            size,
            message.attributes,
            message.producer_id,
            message.producer_kind,
            message.correlation_id,
            message.hop_count,
            message.origin_run_id,
            message.uow_id or message.id,
            None if form is None else form.id,
            None if form is None else form.version,
            faults,
            len(chosen),
            len(takers) - len(chosen),
            now,
            expires_at,
        )
        large_payload = message.payload if large else None
        return Routed(row, encode(PREFIX, row.id), large_payload, deliveries_to(row, chosen) if chosen else [])

    def _of_topic(self, topic: str) -> tuple[list[Taker], Form | None]:
        known = self._known.get(topic)
        if known is None:
            takers = [taker for taker in self._takers if topics.matches(taker.pattern, topic)]
            form = next((form for form in self._forms if topics.matches(form.pattern, topic)), None)
            if len(self._known) >= _TOPICS_KEPT:
                self._known.clear()
            known = self._known[topic] = takers, form
        return known


class _Seen:
    """A message as filters and schemas see it, made when one of them asks."""

    def __init__(self, message: Publication, now: int) -> None:
        self._message = message
        self._now = now

    @cached_property
    def payload(self) -> Any:
        return msgspec.json.decode(self._message.payload)

    @cached_property
    def values(self) -> dict[str, Any]:
        message = envelope_of(self._message, self._now, self.payload)
        return {"topic": self._message.topic, "payload": self.payload, "message": message}


def _checked(form: Form, seen: _Seen) -> int:
    """Return how many faults a payload has that are let pass. Raises PayloadRefused where they are not."""
    faults: list[Detail] = form.schema.faults(seen.payload, "payload")
    if faults and form.rejects:
        raise PayloadRefused(f"{faults[0]['path']}: {faults[0]['issue']}", details=faults)
    return len(faults)


def deliveries_to(row: Row, takers: Iterable[Taker]) -> list[NewDelivery]:
    """Return the deliveries of a message to subscriptions."""
    lane = None if row.topic_key is None else lane_of(row.topic, row.topic_key)
    return [
        NewDelivery(
            row.workspace_id, taker.id, row.id, lane if taker.ordered else None, row.published_at, row.expires_at
        )
        for taker in takers
    ]


def lane_of(topic: str, key: str) -> int:
    """Return the number that a topic and key are kept in order by; two that share one only wait for each other."""
    digest = blake2b(topic.encode() + b"\0" + key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


class Routings:
    """The routings that one lane has met, each at the version it was last read at."""

    def __init__(self) -> None:
        """Know none."""
        self._known: dict[uuid.UUID, Routing] = {}

    def remembered(self, workspace_id: uuid.UUID) -> Routing | None:
        """Return the routing of a workspace as it was last read; it may have changed since."""
        return self._known.get(workspace_id)

    async def current(self, statements: Statements, workspaces: Iterable[uuid.UUID]) -> dict[uuid.UUID, Routing]:
        """Return the routing of each workspace as this transaction sees it."""
        wanted = set(workspaces)
        found = {uuid.UUID(int=row[0].int): row[1] for row in await statements.fetch(_VERSIONS, list(wanted))}
        for workspace_id in wanted:
            version = found.get(workspace_id, 0)
            known = self._known.get(workspace_id)
            if known is None or known.version != version:
                self._known[workspace_id] = await read_routing(statements, workspace_id, version)
        return {workspace_id: self._known[workspace_id] for workspace_id in wanted}


async def read_routing(statements: Statements, workspace_id: uuid.UUID, version: int) -> Routing:
    """Read the routing of a workspace, all of it newer than the version or of it."""
    takers = [
        Taker(row[0], row[1], None if row[2] is None else wants_of(msgspec.json.decode(row[2])), row[3])
        for row in await statements.fetch(_SUBSCRIPTIONS, workspace_id)
    ]
    forms = [
        Form(uuid.UUID(int=row[0].int), row[1], row[2], row[3] == "reject", schema_of(msgspec.json.decode(row[4])))
        for row in await statements.fetch(_SCHEMAS, workspace_id)
    ]
    return Routing(version, takers, forms)
