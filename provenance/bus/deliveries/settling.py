"""Storing what became of deliveries in hand, and what follows: the next of the lane, the target's standing, the record.

Locks are taken in one order: targets, then deliveries, then the ledger's. What lost its lease changes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from provenance.audit import service as audit
from provenance.audit.service import words_of
from provenance.bus.deliveries import queries
from provenance.bus.deliveries.backoff import CIRCUIT_FAILURES, closed_for
from provenance.bus.deliveries.schemas import DEAD, DELIVERED, DROPPED, OPEN, Result, TargetRow
from provenance.bus.errors import TooManyHops
from provenance.bus.events import BusEvent
from provenance.bus.messages import queries as messages
from provenance.bus.messages.schemas import PREFIX, TTL_SECONDS, Publication
from provenance.bus.messages.schemas import Row as MessageRow
from provenance.bus.publishing import publish
from provenance.bus.subscriptions import queries as subscriptions
from provenance.bus.subscriptions.schemas import DeadLetter
from provenance.core.db import WriteTx
from provenance.core.errors import Problem
from provenance.core.ids import encode, new_uuid
from provenance.ledger.service import Fact, record


async def settle(tx: WriteTx, results: Sequence[Result]) -> list[Result]:
    """Store what became of deliveries of the transaction's workspace; return those that were still in hand."""
    known = await queries.lock_targets(tx, {each.claimed.subscription_id for each in results})
    dead_letters = await _dead_letters(tx, {each.claimed.subscription_id for each in results if each.state == DEAD})
    results = [_kept_or_not(each, dead_letters) for each in results]
    applied = await queries.settle(tx, results)
    results = [each for each in results if (each.claimed.subscription_id, each.claimed.seq) in applied]
    moved = {
        (each.claimed.workspace_id, each.claimed.subscription_id, each.claimed.lane)
        for each in results
        if each.state != OPEN and each.claimed.lane is not None
    }
    await queries.bring_forward(tx, sorted(moved))
    for subscription_id, target in known.items():
        mine = [each for each in results if each.claimed.subscription_id == subscription_id]
        if any(each.tried is not None for each in mine):
            await _stand(tx, target, mine)
    for each in results:
        if each.state in (DEAD, DROPPED):
            await _give_up(tx, each, dead_letters.get(each.claimed.subscription_id, DeadLetter()))
    return results


async def _dead_letters(tx: WriteTx, ids: set[str]) -> Mapping[str, DeadLetter]:
    rows = await subscriptions.some(tx, sorted(ids)) if ids else []
    return {row.id: DeadLetter.model_validate(row.dead_letter) for row in rows}


def _kept_or_not(result: Result, dead_letters: Mapping[str, DeadLetter]) -> Result:
    kept = result.state != DEAD or dead_letters.get(result.claimed.subscription_id, DeadLetter()).enabled
    return result if kept else result._replace(state=DROPPED)


async def _stand(tx: WriteTx, target: TargetRow, results: Sequence[Result]) -> None:
    """Note how a target is doing, and record when it begins to fail, and when it is well again."""
    failures, said, failed_at, delivered_at = target.failures, target.said, target.failed_at, target.delivered_at
    for each in results:
        if each.tried is None:
            continue
        if each.tried.ok:
            failures, delivered_at = 0, tx.now
        else:
            failures, said, failed_at = failures + each.blames, each.tried.said, tx.now
    closed = max(
        [tx.now + closed_for(failures) if failures > target.failures else 0, *(r.pause_until for r in results)]
    )
    await queries.set_target(
        tx,
        target.subscription_id,
        failures=failures,
        closed_until=0 if failures == 0 and closed <= tx.now else max(closed, target.closed_until),
        said=said,
        failed_at=failed_at,
        delivered_at=delivered_at,
        delivered=target.delivered + sum(each.state == DELIVERED for each in results),
        retried=target.retried + sum(each.state == OPEN and each.tried is not None for each in results),
        dead=target.dead + sum(each.state in (DEAD, DROPPED) for each in results),
    )
    _record_turn(tx, target, failures, said)


def _record_turn(tx: WriteTx, target: TargetRow, failures: int, said: str | None) -> None:
    if target.failures < CIRCUIT_FAILURES <= failures:
        data: dict[str, Any] = {"failures": failures, "said": said}
        risk = audit.Risk.MEDIUM
        audit.record(tx, BusEvent.DELIVERY_FAILED, target.subscription_id, data, risk=risk, outcome="failure")
    elif failures == 0 and target.failures >= CIRCUIT_FAILURES:
        audit.record(tx, BusEvent.DELIVERY_RECOVERED, target.subscription_id, {"failures": target.failures})


async def _give_up(tx: WriteTx, result: Result, rules: DeadLetter) -> None:
    """Record that a subscription never gets a message, and publish it to the topic for such, if there is one."""
    row = await messages.by_id(tx, result.claimed.message_id)
    data = {
        "subscriptionId": result.claimed.subscription_id,
        "topic": None if row is None else row.topic,
        "attempts": result.attempts,
        "said": None if result.tried is None else result.tried.said,
        "kept": result.state == DEAD,
    }
    subject, verb = words_of(BusEvent.DEAD_LETTERED)
    fact = Fact(
        resource_type=subject,
        action=verb,
        resource_id=encode(PREFIX, result.claimed.message_id),
        data=data,
        uow_id=None if row is None else str(row.uow_id),  # part of the message's trace
        parent_span_id=None if row is None else str(row.id),
        risk=audit.Risk.MEDIUM,
        outcome="failure",
        domain="bus",
    )
    record(tx, fact)
    if row is not None and rules.topic is not None and row.topic != rules.topic:
        await _publish_dead(tx, row, rules.topic, result)


async def _publish_dead(tx: WriteTx, row: MessageRow, topic: str, result: Result) -> None:
    payload = row.payload if row.payload is not None else await messages.payload_of(tx, row.id)
    publication = Publication(
        id=new_uuid(),
        topic=topic,
        payload=payload or "null",
        producer_id=result.claimed.subscription_id,
        producer_kind="system",
        acting=tx.acting,
        topic_key=row.topic_key,
        correlation_id=row.correlation_id or encode(PREFIX, row.id),
        ttl_seconds=TTL_SECONDS,
        hop_count=row.hop_count + 1,
        origin_run_id=row.origin_run_id,
        uow_id=row.uow_id,
        parent_span_id=str(row.id),
        attributes=row.attributes,
    )
    try:
        await publish(tx, [publication])
    except Problem as problem:  # the message is a dead letter all the same
        event = BusEvent.LOOP_BLOCKED if isinstance(problem, TooManyHops) else BusEvent.DELIVERY_FAILED
        data = {"topic": topic, "hopCount": row.hop_count + 1, "said": problem.detail}
        audit.record(tx, event, encode(PREFIX, row.id), data, risk=audit.Risk.MEDIUM, outcome="failure")
