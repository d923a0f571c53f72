"""Pull queues: take messages for a while, acknowledge them, or let them come again when the lease runs out."""

import asyncio
import uuid
from collections.abc import Sequence

import msgspec

from provenance.bus.deliveries import claim_queries as deliveries
from provenance.bus.deliveries.schemas import DEAD, DELIVERED, EXPIRED, OPEN, Claimed, Result, Try
from provenance.bus.deliveries.settling import settle
from provenance.bus.envelope import delivered, envelope_members
from provenance.bus.errors import TopicNotAllowed
from provenance.bus.messages.schemas import Envelope
from provenance.bus.messages.schemas import Row as Message
from provenance.bus.running import Bus
from provenance.bus.statements import Within
from provenance.bus.subscriptions import service
from provenance.bus.subscriptions.errors import NoQueue
from provenance.bus.subscriptions.schemas import Ack, Acked, Leased, Pull, Pulled
from provenance.bus.subscriptions.schemas import Row as Stored
from provenance.bus.topics import within
from provenance.core.actor import Actor
from provenance.core.clock import NANOS, iso_millis, until
from provenance.core.db import WriteTx

LOOKS = 50
"""How often a pull looks further when all it found has to wait."""


async def pull(tx: WriteTx, actor: Actor, subscription_id: str, most: int) -> Pulled:
    """Take up to so many messages of a queue in hand; none when nothing is due.

    What was taken too often without being acknowledged becomes a dead letter. Raises UnknownSubscription, NoQueue and
    TopicNotAllowed.
    """
    row = await _queue(tx, actor, subscription_id)
    statements = Within(tx)
    due = await deliveries.lock_one(statements, tx.now, tx.workspace_id, subscription_id)
    if due is None or due.room <= due.in_hand:
        return Pulled(items=[])
    until, lease = tx.now + due.lease_seconds * NANOS, uuid.uuid4()
    wanted = [(tx.workspace_id, subscription_id, min(most, due.room - due.in_hand), until)]
    taken = await deliveries.claim(statements, tx.now, wanted, lease=lease, behind=0, counted=True)
    for _ in range(LOOKS):  # what waits behind others is put off, and what they wait for found behind it
        if taken or not await deliveries.any_due(statements, tx.now, tx.workspace_id, subscription_id):
            break
        taken = await deliveries.claim(statements, tx.now, wanted, lease=lease, behind=0, counted=True)
    rules = service.rules_of(row)
    over = [result for each in taken if (result := _over(tx, each.claimed, rules.max_attempts)) is not None]
    if over:
        await settle(tx, over)
    gone = {each.claimed.seq for each in over}
    return Pulled(
        items=[
            _leased(claimed, message) for claimed, message in taken if claimed.seq not in gone and message is not None
        ]
    )


async def acknowledge(
    tx: WriteTx, actor: Actor, subscription_id: str, receipts: Sequence[str], release: Sequence[str]
) -> Acked:
    """Settle messages in hand: done, or to be taken again at once. Raises UnknownSubscription, NoQueue."""
    await _queue(tx, actor, subscription_id)
    statements = Within(tx)
    await deliveries.lock_one(statements, tx.now, tx.workspace_id, subscription_id)
    asked = {text: parsed for text in [*receipts, *release] if (parsed := _read(text)) is not None}
    held = await deliveries.by_receipt(statements, tx.workspace_id, subscription_id, list(asked.values()))
    by_text = {_receipt(each): each for each in held}
    done = [_done(tx, by_text[text]) for text in dict.fromkeys(receipts) if text in by_text]
    back = [
        Result(by_text[text], OPEN, tx.now, by_text[text].attempts)
        for text in dict.fromkeys(release)
        if text in by_text and text not in receipts
    ]
    if done or back:
        await settle(tx, [*done, *back])
    lost = [text for text in dict.fromkeys([*receipts, *release]) if text not in by_text]
    return Acked(acknowledged=len(done), released=len(back), lost=lost)


async def _queue(tx: WriteTx, actor: Actor, subscription_id: str) -> Stored:
    row = await service.found(tx, subscription_id)
    if actor.topics is not None and not within(actor.topics, row.topic_pattern or ""):
        raise TopicNotAllowed("This bus key is for other topics.")
    if row.kind != "queue":
        raise NoQueue("Nothing is pulled from this subscription: its target is no queue.")
    return row


def _over(tx: WriteTx, claimed: Claimed, most: int) -> Result | None:
    """Return what becomes of a message whose time is over, or that was taken too often."""
    if claimed.expires_at <= tx.now:
        return Result(claimed, EXPIRED, tx.now, claimed.attempts - 1)
    if claimed.attempts > most:
        tried = Try(tx.now, False, f"Taken {most} times and never acknowledged.", 0)
        return Result(claimed, DEAD, tx.now, most, tried)
    return None


def _done(tx: WriteTx, claimed: Claimed) -> Result:
    tried = Try(tx.now, True, "Acknowledged.", 0)
    return Result(claimed, DELIVERED, tx.now, claimed.attempts, tried)


def _leased(claimed: Claimed, row: Message) -> Leased:
    payload = None if row.payload is None else msgspec.json.decode(row.payload)
    envelope = Envelope.model_validate({**envelope_members(delivered(row)), "payload": payload})
    return Leased(
        receipt=_receipt(claimed), attempt=claimed.attempts, leased_until=iso_millis(claimed.until), message=envelope
    )


def _receipt(claimed: Claimed) -> str:
    return f"{claimed.seq}.{claimed.lease.hex}"


def _read(receipt: str) -> tuple[int, uuid.UUID] | None:
    seq, _, lease = receipt.partition(".")
    if not seq.isascii() or not seq.isdecimal() or len(seq) > 18 or len(lease) != 32:
        return None
    try:
        return int(seq), uuid.UUID(hex=lease)
    except ValueError:
        return None


LOOK_SECONDS = 1.0
"""Least often that a waiting pull looks, whatever it is told."""


async def wait_and_pull(bus: Bus, actor: Actor, subscription_id: str, asked: Pull) -> Pulled:
    """Pull, and if nothing is due wait for it as long as the caller will. Raises what `pull` raises."""
    loop, ring = asyncio.get_running_loop(), asyncio.Event()
    deadline = loop.time() + asked.wait_seconds
    while True:
        ring.clear()
        with bus.watching(actor.workspace_id, ring):
            async with bus.ledger.db.housekeeping(actor.workspace_id) as tx:
                found = await pull(tx, actor, subscription_id, asked.max)
            left = deadline - loop.time()
            if found.items or left <= 0:
                return found
            await until(ring, min(left, LOOK_SECONDS))


async def acknowledged(bus: Bus, actor: Actor, subscription_id: str, asked: Ack) -> Acked:
    """Settle messages in hand, and let whoever waits behind them know. Raises what `acknowledge` raises."""
    async with bus.ledger.db.housekeeping(actor.workspace_id) as tx:
        found = await acknowledge(tx, actor, subscription_id, asked.receipts, asked.release)
    bus.grew(actor.workspace_id)
    return found
