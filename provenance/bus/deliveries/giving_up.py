"""What the ledger is told of deliveries: that a target fails, or is well again, and which messages were given up.

A message that is given up is published to the topic for such, if its subscription names one.
"""

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from provenance.audit.service import Risk, words_of
from provenance.bus.deliveries import settle_queries as queries
from provenance.bus.deliveries.backoff import CIRCUIT_FAILURES
from provenance.bus.deliveries.schemas import DEAD, Result, TargetRow
from provenance.bus.errors import TooManyHops
from provenance.bus.events import BusEvent
from provenance.bus.messages.schemas import PREFIX, TTL_SECONDS, Publication
from provenance.bus.messages.schemas import Row as MessageRow
from provenance.bus.publishing import deed_of, let_in
from provenance.bus.statements import Statements
from provenance.bus.subscriptions.schemas import DeadLetter
from provenance.core.errors import Problem
from provenance.core.ids import encode, new_uuid
from provenance.ledger.service import Deed, Fact

Acting = tuple[str, str]


class GivenUp(NamedTuple):
    """A delivery that never happens, and what its subscription says of such."""

    result: Result
    rules: DeadLetter


def turn_of(before: TargetRow, after: TargetRow, acting: Acting) -> Deed | None:
    """Return what is recorded of a target that begins to fail, or is well again; None when neither is so."""
    if before.failures < CIRCUIT_FAILURES <= after.failures:
        data = {"failures": after.failures, "said": after.said}
        return _of_target(BusEvent.DELIVERY_FAILED, before, data, acting, risk=Risk.MEDIUM, outcome="failure")
    if after.failures == 0 and before.failures >= CIRCUIT_FAILURES:
        return _of_target(BusEvent.DELIVERY_RECOVERED, before, {"failures": before.failures}, acting)
    return None


async def give_up(statements: Statements, now: int, acting: Acting, lost: Sequence[GivenUp]) -> list[Deed]:
    """Return what is recorded of messages that subscriptions never get; publish those that have a topic for it."""
    known = await queries.given_up(
        statements, [(each.result.claimed.workspace_id, each.result.claimed.message_id) for each in lost]
    )
    deeds = []
    for each in lost:
        claimed = each.result.claimed
        row, payload = known.get((claimed.workspace_id, claimed.message_id), (None, "null"))
        deeds.append(Deed(_fact(each.result, row), acting))
        if row is not None and each.rules.topic is not None and row.topic != each.rules.topic:
            publication = _dead_letter(each, row, payload, acting)
            deeds.append(await _published(statements, now, claimed.workspace_id, row, publication))
    return deeds


def _of_target(event: BusEvent, target: TargetRow, data: dict[str, Any], acting: Acting, **more: str) -> Deed:
    subject, verb = words_of(event)
    fact = Fact(
        resource_type=subject,
        action=verb,
        resource_id=target.subscription_id,
        data=data,
        domain="bus",
        workspace_id=target.workspace_id,
        **more,
    )
    return Deed(fact, acting)


def _fact(result: Result, row: MessageRow | None) -> Fact:
    subject, verb = words_of(BusEvent.DEAD_LETTERED)
    return Fact(
        resource_type=subject,
        action=verb,
        resource_id=encode(PREFIX, result.claimed.message_id),
        data={
            "subscriptionId": result.claimed.subscription_id,
            "topic": None if row is None else row.topic,
            "attempts": result.attempts,
            "said": None if result.tried is None else result.tried.said,
            "kept": result.state == DEAD,
        },
        uow_id=None if row is None else str(row.uow_id),  # part of the message's trace
        parent_span_id=None if row is None else str(row.id),
        risk=Risk.MEDIUM,
        outcome="failure",
        domain="bus",
        workspace_id=result.claimed.workspace_id,
    )


def _dead_letter(given: GivenUp, row: MessageRow, payload: str, acting: Acting) -> Publication:
    assert given.rules.topic is not None
    return Publication(
        id=new_uuid(),
        topic=given.rules.topic,
        payload=payload,
        producer_id=given.result.claimed.subscription_id,
        producer_kind="system",
        acting=acting,
        topic_key=row.topic_key,
        correlation_id=row.correlation_id or encode(PREFIX, row.id),
        ttl_seconds=TTL_SECONDS,
        hop_count=row.hop_count + 1,
        origin_run_id=row.origin_run_id,
        uow_id=row.uow_id,
        parent_span_id=str(row.id),
        attributes=row.attributes,
    )


async def _published(
    statements: Statements, now: int, workspace_id: uuid.UUID, row: MessageRow, publication: Publication
) -> Deed:
    """Publish a dead letter; one that is refused is a dead letter all the same, and the ledger says why."""
    try:
        [routed] = await let_in(statements, now, workspace_id, [publication])
    except Problem as problem:
        subject, verb = words_of(
            BusEvent.LOOP_BLOCKED if isinstance(problem, TooManyHops) else BusEvent.DELIVERY_FAILED
        )
        fact = Fact(
            resource_type=subject,
            action=verb,
            resource_id=encode(PREFIX, row.id),
            data={"topic": publication.topic, "hopCount": publication.hop_count, "said": problem.detail},
            risk=Risk.MEDIUM,
            outcome="failure",
            domain="bus",
            workspace_id=workspace_id,
        )
        return Deed(fact, publication.acting)
    return deed_of(publication, routed)
