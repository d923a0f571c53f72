"""Publishing within a transaction: store what was routed, and what the ledger is told of it.

The lane does it for many at once; `publish` for whoever has a transaction of its own (a run's step, a dead letter,
a request with an Idempotency-Key).
"""

import uuid
from collections.abc import Sequence

import msgspec

from provenance.audit.service import words_of
from provenance.bus.deliveries import queries as deliveries
from provenance.bus.errors import UnknownMessage
from provenance.bus.events import BusEvent
from provenance.bus.messages import queries as messages
from provenance.bus.messages.schemas import PREFIX, Publication, Row
from provenance.bus.routing import Routed, Routings
from provenance.bus.statements import Statements, Within
from provenance.core.db import WriteTx
from provenance.core.ids import decode
from provenance.ledger.service import Deed, Fact, record

_TYPE, _ACTION = words_of(BusEvent.MESSAGE_PUBLISHED)


async def store(statements: Statements, routed: Sequence[Routed]) -> None:
    """Store messages that were let in, and their deliveries; the entries follow, last of all."""
    await messages.insert(statements, [each.row for each in routed])
    large = [
        messages.LargePayload(each.row.workspace_id, each.row.id, each.large_payload)
        for each in routed
        if each.large_payload is not None
    ]
    if large:
        await messages.insert_payloads(statements, large)
    going = [delivery for each in routed for delivery in each.deliveries]
    if going:
        await deliveries.insert(statements, going)


async def publish(tx: WriteTx, publications: Sequence[Publication]) -> list[Routed]:
    """Publish in the caller's transaction: all are let in, or what refuses one is raised.

    Raises PayloadRefused, BadMessage and TooManyHops. The caller rings `Bus.grew` after its commit.
    """
    routed = await let_in(Within(tx), tx.now, tx.workspace_id, publications)
    for publication, way in zip(publications, routed, strict=True):
        record(tx, deed_of(publication, way).fact)
    return routed


async def published_before(tx: WriteTx, publication: Publication) -> Row | None:
    """Return what its publisher published before in the publication's span, for whoever may ask again for one thing.

    Two that ask at once wait for each other, until the first one's commit. The ledger is what remembers. Raises
    UnknownMessage when what was published is there no more.
    """
    assert publication.uow_id is not None, "a span is of a unit of work"
    assert publication.parent_span_id is not None, "no span, nothing to find"
    await messages.lock_span(tx, publication.uow_id, publication.parent_span_id)
    wire_id = await messages.of_span(tx, (_TYPE, _ACTION), publication)
    if wire_id is None:
        return None
    message_id = decode(PREFIX, wire_id)
    row = None if message_id is None else await messages.by_id(tx, message_id)
    if row is None:
        raise UnknownMessage("It was published before; the message is erased, or its time is over.")
    return row


async def let_in(
    statements: Statements, now: int, workspace_id: uuid.UUID, publications: Sequence[Publication]
) -> list[Routed]:
    """Route and store publications of one workspace; what they say to the ledger is `deed_of` each.

    Raises PayloadRefused, BadMessage and TooManyHops.
    """
    routing = (await Routings().current(statements, [workspace_id]))[workspace_id]
    routed = [routing.route(each, now, workspace_id) for each in publications]
    await store(statements, routed)
    return routed


class _Data(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """What the ledger keeps of a publication. In the order of its names it is canonical JSON as the encoder writes it:
    texts that came in as JSON hold nothing that may not be stored."""

    correlation_id: str | None = None
    hop_count: int = 0
    payload_bytes: int
    producer_id: str | None = None
    producer_kind: str | None = None
    schema_faults: int = 0
    subscriptions: int
    topic: str
    topic_key: str | None = None


_encode = msgspec.json.Encoder().encode


def deed_of(publication: Publication, routed: Routed) -> Deed:
    """Return what the ledger keeps of a publication: ids and sizes, never the payload."""
    row = routed.row
    own = str(row.id)
    data = _Data(
        payload_bytes=row.payload_bytes,
        subscriptions=row.matched,
        topic=row.topic,
        correlation_id=row.correlation_id,
        hop_count=row.hop_count,
        producer_id=row.producer_id if row.producer_id != publication.acting[0] else None,
        producer_kind=row.producer_kind if row.producer_kind != "system" else None,
        schema_faults=row.schema_faults,
        topic_key=row.topic_key,
    )
    fact = Fact(
        resource_type=_TYPE,
        action=_ACTION,
        resource_id=routed.wire_id,
        data=_encode(data),
        uow_id=own if row.uow_id is row.id else str(row.uow_id),
        span_id=own,
        parent_span_id=publication.parent_span_id,
        domain="bus",
        workspace_id=row.workspace_id,
    )
    return Deed(fact, publication.acting, publication.origin)
