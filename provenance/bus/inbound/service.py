"""Taking in what outside systems post: the signature first, then the body, then one message."""

import asyncio
import time
import uuid
from hashlib import sha256
from typing import Any

import msgspec

from provenance.bus.errors import TooManyHops
from provenance.bus.inbound import queries
from provenance.bus.inbound.errors import ArrivalTooLarge, BadSignature, InboundPaused
from provenance.bus.inbound.refusals import Refusals
from provenance.bus.inbound.schemas import Arrived
from provenance.bus.inbound.schemes import delivery_of, is_signed
from provenance.bus.messages import reading
from provenance.bus.messages.schemas import PREFIX, TEXT, Publication, Sent
from provenance.bus.messages.service import record_loop
from provenance.bus.publishing import publish
from provenance.bus.running import Bus
from provenance.bus.subscriptions.schemas import Inbound, Row
from provenance.bus.subscriptions.sealing import opened
from provenance.bus.subscriptions.service import KIND
from provenance.core.actor import Actor, Kind
from provenance.core.clock import NANOS, now_ns
from provenance.core.door import Exchange
from provenance.core.ids import encode
from provenance.core.incoming import USER_AGENT_KEPT, Origin
from provenance.core.routing import admitted_body
from provenance.secrets import service as secrets
from provenance.secrets.errors import SecretNotFound
from provenance.secrets.schemas import Purpose

BODY_BYTES = 1024 * 1024
REPEAT_NS = 24 * 3600 * NANOS
SECRET_SECONDS = 60.0
_NOBODY = Inbound(topic="none")


class Inbox:
    """Takes in what is posted to one process."""

    def __init__(self, bus: Bus) -> None:
        """Take the bus that messages go to."""
        self._bus = bus
        self._ledger = bus.ledger
        self._refusals = Refusals(bus.ledger.db)
        self._kept: dict[tuple[uuid.UUID, str], tuple[float, list[str]]] = {}
        self._asking = asyncio.Lock()

    async def take(self, exchange: Exchange, subscription_id: str) -> Arrived:
        """Publish what was posted; the repeat of a delivery is answered with its first message.

        Raises BadSignature, ArrivalTooLarge, InboundPaused, PlanLimitReached, PayloadRefused, TooManyHops, and
        Invalid for no JSON.
        """
        if len(exchange.body) > BODY_BYTES:
            raise ArrivalTooLarge("What is posted here has at most 1 MiB.")
        workspace_id, row = await self._signed(exchange, subscription_id)
        if row.status != "active":
            raise InboundPaused("This subscription is paused.")
        rules = Inbound.model_validate(row.target)
        actor = Actor(Kind.SYSTEM, row.id, workspace_id)
        publication = _publication(exchange, rules, actor)
        try:
            message_id = await self._publish(actor, publication, _repeat_key(exchange, rules))
        except TooManyHops:
            await record_loop(self._bus, actor, [publication])
            raise
        return Arrived(msg_id=encode(PREFIX, message_id))

    async def _signed(self, exchange: Exchange, subscription_id: str) -> tuple[uuid.UUID, Row]:
        """Return the subscription that signed what was posted. Raises BadSignature, for an unknown one as well."""
        async with self._ledger.db.housekeeping() as tx:
            rows = await queries.find_inbound(tx, subscription_id)
        if not rows:
            is_signed(exchange, ["nobody has this secret"], _NOBODY)  # so that the time tells nothing
        for workspace_id, row in rows:
            rules = Inbound.model_validate(row.target)
            if is_signed(exchange, await self._secrets(workspace_id, row, rules), rules):
                return workspace_id, row
        agent = exchange.header(b"user-agent")
        for workspace_id, row in rows:
            origin = Origin(exchange.client_ip, agent and agent[:USER_AGENT_KEPT], exchange.request_id)
            self._refusals.note(workspace_id, row.id, origin)
        raise BadSignature

    async def _secrets(self, workspace_id: uuid.UUID, row: Row, rules: Inbound) -> list[str]:
        keys = await self._ledger.keyring.of(workspace_id)
        if rules.signing_secret_id is None:
            return opened(keys, row.id, row.sealed).valid(now_ns())
        place = (workspace_id, rules.signing_secret_id)
        async with self._asking:
            kept = self._kept.get(place)
            if kept is None or time.monotonic() - kept[0] > SECRET_SECONDS:
                try:
                    async with self._ledger.db.housekeeping(workspace_id) as tx:
                        used = await secrets.use(tx, keys, rules.signing_secret_id, Purpose(KIND, row.id))
                except SecretNotFound:
                    return []
                values = [used.text, *(each for each in used.also_valid if isinstance(each, str))]
                kept = self._kept[place] = time.monotonic(), values
            return kept[1]

    async def _publish(self, actor: Actor, publication: Publication, repeat_key: bytes | None) -> uuid.UUID:
        if repeat_key is None:
            await self._bus.allowed.take(actor.workspace_id)
            await self._bus.publish(actor.workspace_id, [publication])
            return publication.id
        async with self._ledger.db.write(actor) as tx:
            since = tx.now - REPEAT_NS
            first = await queries.arrive(tx, actor.id, repeat_key, publication.id, since)
            if first is not None:
                return first
            await self._bus.allowed.take(actor.workspace_id)
            await publish(tx, [publication])
        self._bus.grew(actor.workspace_id)
        return publication.id


def _publication(exchange: Exchange, rules: Inbound, actor: Actor) -> Publication:
    payload = admitted_body(exchange)
    body: Any = msgspec.json.decode(payload)
    key = None if rules.topic_key_path is None else _key_at(body, rules.topic_key_path)
    sent = Sent(topic=rules.topic, payload=msgspec.Raw(payload), topic_key=key, schema_id=rules.schema_id)
    publication = reading.publication(sent, actor, exchange, kind="webhook")
    if b"x-provenanceone-message-id" in exchange.headers and isinstance(body, dict):
        hops = body.get("hopCount")
        publication.hop_count = hops if isinstance(hops, int) and not isinstance(hops, bool) and hops >= 0 else 0
    return publication


def _key_at(body: Any, path: str) -> str | None:
    """Return the key of the order that a body has at a path; None where there is none of use."""
    for part in path.split("."):
        if not isinstance(body, dict):
            return None
        body = body.get(part)
    if isinstance(body, bool) or not isinstance(body, str | int | float) or body == "":
        return None
    return str(body)[:TEXT]


def _repeat_key(exchange: Exchange, rules: Inbound) -> bytes | None:
    named = delivery_of(exchange)
    if named is not None:
        return sha256(b"delivery\0" + named.encode()).digest()
    return sha256(b"body\0" + exchange.body).digest() if rules.dedupe_by_body else None
