"""The verbs of deliveries: dead letters, delivering again, figures."""

import msgspec

from provenance.audit import service as audit
from provenance.audit.service import words_of
from provenance.bus import topics
from provenance.bus.deliveries import queries
from provenance.bus.deliveries.errors import BadPeriod, NothingDead
from provenance.bus.deliveries.schemas import (
    DAY_NS,
    DeadLetterAsked,
    DeadLetters,
    DeadLetterShown,
    Metrics,
    MetricsAsked,
    Redriven,
    Replayed,
    TopicFigures,
    figures_of,
    read_log,
)
from provenance.bus.envelope import envelope_members
from provenance.bus.errors import BadTopic
from provenance.bus.events import BusEvent
from provenance.bus.filters import wants_of
from provenance.bus.messages import queries as messages
from provenance.bus.messages import service as of_messages
from provenance.bus.messages.schemas import PREFIX, Envelope, Row
from provenance.bus.routing import Taker, deliveries_to
from provenance.bus.statements import Within
from provenance.bus.subscriptions import service as subscriptions
from provenance.bus.subscriptions.errors import BadTarget
from provenance.core import cursors
from provenance.core.clock import iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import decode, encode
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.catalogue.cache import Catalogue, Kind

REPLAYED_AT_ONCE = 1_000
WINDOW = 200_000
"""Numbers of the ledger that one replay looks through."""
LONGEST_NS = 31 * DAY_NS


class _Position(msgspec.Struct):
    before: int


async def dead_letters(tx: ReadTx, keys: WorkspaceKeys, asked: DeadLetterAsked) -> DeadLetters:
    """Return a page of dead letters. Raises BadCursor."""
    bound = cursors.binding("bus.dead-letters", asked.model_dump(mode="json", exclude={"limit", "cursor"}))
    before = None if asked.cursor is None else cursors.read(keys, bound, asked.cursor, _Position).before
    rows = await queries.dead_page(tx, asked.subscription_id, asked.topic, before, asked.limit + 1)
    kept = rows[: asked.limit]
    stored = await messages.some(tx, [row.message_id for row in kept])
    items = []
    for row in kept:
        tries = read_log(row.log)
        items.append(
            DeadLetterShown(
                msg_id=encode(PREFIX, row.message_id),
                subscription_id=row.subscription_id,
                number=row.seq,
                attempts=row.attempts,
                said=tries[-1].said if tries else None,
                dead_at=iso_millis(row.settled_at),
                message=Envelope.model_validate(_envelope(stored[row.message_id])),
            )
        )
    more = len(rows) > len(kept)
    return DeadLetters(items=items, next_cursor=cursors.write(keys, bound, {"before": kept[-1].seq}) if more else None)


async def redrive(tx: WriteTx, message_id: str, subscription_id: str | None) -> Redriven:
    """Try dead letters of a message again. Raises UnknownMessage and NothingDead."""
    row = await of_messages.found(tx, message_id)
    taken = await queries.redrive(tx, row.id, subscription_id)
    if not taken:
        raise NothingDead("This message has no dead letter there.")
    audit.record(tx, BusEvent.REDRIVEN, message_id, {"topic": row.topic, "subscriptions": taken})
    return Redriven(msg_id=message_id, redriven=len(taken))


async def replay(tx: WriteTx, catalogue: Catalogue, subscription_id: str, from_number: int) -> Replayed:
    """Deliver messages again to one subscription, as the ledger has them from a number on, a thousand at once.

    What ran out is passed by. Raises UnknownSubscription, and BadTarget for an inbound one.
    """
    row = await subscriptions.found(tx, subscription_id)
    if row.topic_pattern is None:
        raise BadTarget("Nothing is delivered to an inbound subscription.")
    wants = None if row.filter is None else wants_of(row.filter)
    taker = Taker(row.id, row.topic_pattern, wants, subscriptions.rules_of(row).ordered)
    words = _words(catalogue, BusEvent.MESSAGE_PUBLISHED)
    found = []
    if words is not None:
        found = await queries.published_from(tx, from_number, words, window=WINDOW, limit=REPLAYED_AT_ONCE)
    stored = await messages.some(tx, [known for _, wire_id in found if (known := decode(PREFIX, wire_id)) is not None])
    chosen = [
        delivery
        for _, wire_id in found
        if (message := stored.get(decode(PREFIX, wire_id))) is not None  # type: ignore[arg-type]
        and _is_wanted(tx, message, taker)
        for delivery in deliveries_to(message, [taker])
    ]
    if chosen:
        await queries.insert(Within(tx), [each._replace(published_at=tx.now) for each in chosen])
    data = {"fromNumber": from_number, "replayed": len(chosen)}
    audit.record(tx, BusEvent.REPLAYED, subscription_id, data, risk=audit.Risk.MEDIUM)
    more = len(found) == REPLAYED_AT_ONCE
    return Replayed(replayed=len(chosen), next_number=found[-1][0] + 1 if more else None)


def _is_wanted(tx: ReadTx, message: Row, taker: Taker) -> bool:
    if message.expires_at <= tx.now or not topics.matches(taker.pattern, message.topic):
        return False
    if taker.wants is None:
        return True
    envelope = _envelope(message)
    return taker.wants({"topic": message.topic, "payload": envelope["payload"], "message": envelope})


async def metrics(tx: ReadTx, catalogue: Catalogue, asked: MetricsAsked) -> Metrics:
    """Return the bus in figures. Raises BadPeriod and BadTopic."""
    until = tx.now if asked.until is None else asked.until
    since = until - DAY_NS if asked.since is None else asked.since
    if not 0 < until - since <= LONGEST_NS:
        raise BadPeriod.at("from", "must lie before to, and at most 31 days")
    if asked.topic is not None and not topics.is_pattern(asked.topic):
        raise BadTopic.at("topic", topics.PATTERN_RULE)
    pattern = None if asked.topic is None else f"^(?:{topics.compiled(asked.topic).pattern})$"
    by_topic = await messages.count(tx, since, until, pattern)
    rows = await queries.figures(tx, since, until, pattern)
    whole = figures_of(("", *rows[0][1:]))
    words = _words(catalogue, BusEvent.LOOP_BLOCKED)
    return Metrics(
        since=iso_millis(since),
        until=iso_millis(until),
        published=sum(row[1] for row in by_topic),
        delivered=whole.delivered,
        failed=whole.failed,
        retried=whole.retried,
        dead_lettered=whole.dead_lettered,
        filtered=sum(int(row[2]) for row in by_topic),
        loop_dropped=0 if words is None else await queries.recorded(tx, words, since, until),
        queue_depth=whole.open,
        p95_delivery_ms=whole.p95_delivery_ms,
        by_topic=[TopicFigures(topic=row[0], published=row[1], filtered=int(row[2])) for row in by_topic[:1000]],
        by_subscription=[figures_of(row) for row in rows[1:]],
    )


def _words(catalogue: Catalogue, event: BusEvent) -> tuple[str, str] | None:
    subject, verb = words_of(event)
    resource_type, action = catalogue.named(Kind.RESOURCE_TYPE, subject), catalogue.named(Kind.ACTION, verb)
    return None if resource_type is None or action is None else (resource_type.id, action.id)


def _envelope(row: Row) -> dict[str, object]:
    return {**envelope_members(row), "payload": None if row.payload is None else msgspec.json.decode(row.payload)}
