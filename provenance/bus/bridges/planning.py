"""What a bridge sends next: read in one transaction along the numbers of the ledger."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from provenance.audit.service import words_of
from provenance.bus import topics
from provenance.bus.bridges import queries
from provenance.bus.bridges.errors import Lost
from provenance.bus.bridges.schemas import Claim, Publish, State
from provenance.bus.deliveries import queries as deliveries
from provenance.bus.envelope import delivered, envelope_members
from provenance.bus.events import BusEvent
from provenance.bus.filters import Wants
from provenance.bus.messages import queries as messages
from provenance.bus.messages.schemas import PREFIX as MESSAGE
from provenance.bus.messages.schemas import Row as Message
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import decode
from provenance.ledger.catalogue.cache import Catalogue, Catalogues, Kind

BATCH = 128
Words = tuple[str, str]


class Going(NamedTuple):
    """A message that is to go, one hop further than it was published, at its number."""

    number: int
    message: Message
    payload: bytes


class Plan(NamedTuple):
    """What is next: messages to go, the number up to which everything is done then, and how many ran out."""

    state: State
    going: list[Going]
    upto: int
    expired: int
    lag: int
    more: bool


async def plan(tx: WriteTx, claim: Claim, catalogues: Catalogues, rule: Publish, wants: Wants | None) -> Plan:
    """Return what is to go next. Raises Lost."""
    found = await queries.held(tx, claim)
    if found is None:
        raise Lost
    state = found[1]
    highest = await queries.head(tx)
    words = published(await catalogues.within(tx))  # after the highest number was read: its words are known
    rows = [] if words is None or highest <= state.number else await _rows(tx, state.number, words)
    full = len(rows) == BATCH
    upto = rows[-1][0] if full else min(highest, state.number + queries.WINDOW)
    going, expired = await _chosen(tx, [row for row in rows if row[0] not in state.ahead], rule, wants)
    lag = await queries.ahead(tx, state.number, words) if going and words is not None else 0
    return Plan(state, going, upto, expired, lag, more=full or upto < highest)


def published(catalogue: Catalogue) -> Words | None:
    """Return the words by which the ledger knows a publishing; None where there was none yet."""
    subject, verb = words_of(BusEvent.MESSAGE_PUBLISHED)
    resource_type, action = catalogue.named(Kind.RESOURCE_TYPE, subject), catalogue.named(Kind.ACTION, verb)
    return None if resource_type is None or action is None else (resource_type.id, action.id)


async def _rows(tx: ReadTx, number: int, words: Words) -> list[tuple[int, str]]:
    return await deliveries.published_from(tx, number + 1, words, window=queries.WINDOW, limit=BATCH)


async def _chosen(
    tx: ReadTx, rows: Sequence[tuple[int, str]], rule: Publish, wants: Wants | None
) -> tuple[list[Going], int]:
    """Return which messages go, and how many of those wanted ran out."""
    ids = {number: decode(MESSAGE, wire_id) for number, wire_id in rows}
    stored = await messages.some(tx, [each for each in ids.values() if each is not None]) if ids else {}
    going, expired = [], 0
    for number, message_id in ids.items():
        message = None if message_id is None else stored.get(message_id)
        if message is None or not topics.matches(rule.topic_pattern, message.topic):
            continue
        if message.expires_at <= tx.now:
            expired += 1
            continue
        payload = message.payload if message.payload is not None else await messages.payload_of(tx, message.id)
        if wants is None or wants(_seen(message, payload)):
            going.append(Going(number, delivered(message), (payload or "null").encode()))
    return going, expired


def _seen(message: Message, payload: str | None) -> dict[str, object]:
    """Return a message as filters see it; a large payload goes by reference there, as to every subscription."""
    inline = None if message.payload is None or payload is None else msgspec.json.decode(payload)
    return {"topic": message.topic, "payload": inline, "message": {**envelope_members(message), "payload": inline}}
