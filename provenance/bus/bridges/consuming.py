"""From a stream to the bus: take a batch, publish it, commit, and only then acknowledge.

What was committed and not acknowledged comes again and is told by its key, so each message is published once, whoever
is killed. Nothing more is asked for while a batch is being committed: a bus that is slow slows the stream's reading.
"""

import asyncio
import json
import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import TimeoutError as NothingCame
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from provenance.audit import service as audit
from provenance.billing.allowing import Allowed
from provenance.bus.bridges import queries
from provenance.bus.bridges.arriving import Arrival, dead_letter_of, publication_of
from provenance.bus.bridges.connecting import SECONDS, Link
from provenance.bus.bridges.errors import BridgeFailed
from provenance.bus.bridges.recording import hold, recovered
from provenance.bus.bridges.schemas import PREFIX, BridgeInput, Claim, Row
from provenance.bus.errors import TooManyHops
from provenance.bus.events import BusEvent
from provenance.bus.messages.schemas import Publication
from provenance.bus.publishing import deed_of, store
from provenance.bus.routing import Routed, Routing, Routings
from provenance.bus.statements import Within
from provenance.core.actor import Actor, Kind
from provenance.core.clock import NANOS
from provenance.core.db import WriteTx
from provenance.core.errors import Problem
from provenance.core.ids import encode
from provenance.ledger.service import Ledger, record
from provenance.workspace.errors import PlanLimitReached

BATCH = 250
BATCH_BYTES = 8 * 1024 * 1024
WAIT_SECONDS = 5.0
LATE_SECONDS = 0.25
"""How long a batch that has begun waits for its next message."""
IDLE_SECONDS = 0.05
"""Least time between two questions that brought nothing."""
LOOK_SECONDS = 10.0
"""How often the stream is asked how much is to go, and marks of arrivals are thrown away."""
REPEAT_NS = 24 * 3600 * NANOS
"""How long an id of a publisher's is remembered, at least."""

Grew = Callable[[uuid.UUID], None]


class _Sorted(NamedTuple):
    """A batch: what is let in, and what never will be."""

    let_in: list[tuple[Publication, Routed]]
    dead: list[tuple[Arrival, Problem]]


class Consumer:
    """One bridge that consumes, in one worker's hand."""

    def __init__(
        self, ledger: Ledger, grew: Grew, allowed: Allowed, claim: Claim, row: Row, *, ack_seconds: float
    ) -> None:
        """Take the ledger, whom to tell that there is something to deliver, what plans allow, and the bridge.

        ``ack_seconds``: what a worker that died had taken comes again after so long.
        """
        self._ledger = ledger
        self._grew = grew
        self._allowed = allowed
        self._claim = claim
        self._rule: BridgeInput = row.input
        self._name = encode(PREFIX, row.id)
        self._actor = Actor(Kind.SYSTEM, self._name, claim.workspace_id)
        self._ack_seconds = ack_seconds
        self._routings = Routings()
        self._made = ""
        self._looked = 0.0

    async def run(self, link: Link) -> None:
        """Consume until cancelled. Raises BridgeFailed, Lost, and the library's errors.

        Where the plan allows no more messages the bridge fails until it does again. What was not acknowledged stays in
        the stream.
        """
        try:
            await self._consume(link)
        except PlanLimitReached as reached:
            raise BridgeFailed(reached.detail) from None

    async def _consume(self, link: Link) -> None:
        await self._allowed.ensure(self._claim.workspace_id)  # before anything says that the bridge is well
        await self._ensure_consumer(link)
        inbox = link.client.new_inbox()
        came = await link.client.subscribe(inbox)
        while True:
            await self._look(link)
            self._ledger.guard.ensure()
            found = await self._pull(link, came, inbox)
            if not found:
                await asyncio.sleep(IDLE_SECONDS)
                continue
            dead = await self._take_in([self._arrival(each) for each in found])
            await self._acknowledge(link, found, dead)

    async def _ensure_consumer(self, link: Link) -> None:
        """Make the durable consumer, or fit the one there is."""
        assert self._rule.consume is not None
        assert self._rule.stream is not None
        begin = DeliverPolicy.ALL if self._rule.consume.begin == "all" else DeliverPolicy.NEW
        config = ConsumerConfig(
            durable_name=self._name,
            description=f"Provenance: {self._rule.name}"[:200],
            deliver_policy=begin,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self._ack_seconds,
            filter_subjects=self._rule.consume.subjects,
            max_ack_pending=self._rule.consume.max_in_flight,
        )
        await link.jetstream.add_consumer(self._rule.stream, config)
        info = await link.jetstream.stream_info(self._rule.stream)
        self._made = f"{self._rule.stream}@{info.created}"

    async def _look(self, link: Link) -> None:
        """Note now and then how much is to go, and that the servers answer."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        first, self._looked = self._looked == 0.0, time.monotonic()
        assert self._rule.stream is not None
        info = await link.jetstream.consumer_info(self._rule.stream, self._name)
        floor = info.ack_floor.stream_seq if info.ack_floor is not None else 0
        async with self._ledger.db.housekeeping(self._claim.workspace_id) as tx:
            lag = (info.num_pending or 0) + (info.num_ack_pending or 0)
            await hold(tx, self._claim, lag=lag, connected=True)
            if first:
                await recovered(tx, self._claim)
            await queries.forget_arrivals(tx, self._claim.bridge_id, floor, tx.now - REPEAT_NS)

    async def _pull(self, link: Link, came: Subscription, inbox: str) -> list[Msg]:
        """Ask for what is there; when nothing is, wait for one message. Of a large one its size is no matter then."""
        assert self._rule.consume is not None
        left = await self._allowed.left(self._claim.workspace_id)
        most = min(BATCH, self._rule.consume.max_in_flight, BATCH if left is None else left)
        at_once = {"batch": most, "max_bytes": BATCH_BYTES, "no_wait": True}
        found = await self._asked(link, came, inbox, at_once, SECONDS)
        if found:
            return found
        waiting = {"batch": 1, "expires": int(WAIT_SECONDS * NANOS)}
        return await self._asked(link, came, inbox, waiting, WAIT_SECONDS + SECONDS)

    async def _asked(
        self, link: Link, came: Subscription, inbox: str, request: Mapping[str, object], seconds: float
    ) -> list[Msg]:
        found = await _late(came)
        if found:
            return found
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._rule.stream}.{self._name}"
        await link.client.publish(subject, json.dumps(request).encode(), reply=inbox)
        while len(found) < int(str(request["batch"])):
            try:
                message = await came.next_msg(timeout=LATE_SECONDS if found else seconds)
            except NothingCame:
                if not found:  # as many as may be are in another hand, or nobody is there any more
                    await link.client.flush(timeout=int(SECONDS))
                return found
            if not message.reply:  # a status: there is no more, or not now
                _ensure_usual(message)
                return found
            found.append(message)
        return found

    def _arrival(self, message: Msg) -> Arrival:
        return Arrival(
            self._made, message.metadata.sequence.stream, message.subject, message.headers or {}, message.data
        )

    async def _take_in(self, arrivals: Sequence[Arrival]) -> set[int]:
        """Publish what has not arrived before, in one transaction; return the sequences of what never will be."""
        async with self._ledger.db.write(self._actor) as tx:
            fresh = await self._fresh(tx, arrivals)
            if not fresh:
                return set()
            statements = Within(tx)
            routing = (await self._routings.current(statements, [tx.workspace_id]))[tx.workspace_id]
            batch = self._sorted(tx, routing, fresh)
            counts = {"passed": len(batch.let_in), "repeated": len(arrivals) - len(fresh), "dead": len(batch.dead)}
            added = {name: queries.plus(name, number) for name, number in counts.items() if number}
            await hold(tx, self._claim, **added, passed_at=tx.now)
            if batch.let_in:
                await self._allowed.take(tx.workspace_id, len(batch.let_in))
                await store(statements, [way for _, way in batch.let_in])
            for publication, way in batch.let_in:
                record(tx, deed_of(publication, way).fact)
            for arrival, problem in batch.dead:
                await self._bury(tx, arrival, problem)
        self._grew(self._claim.workspace_id)
        return {arrival.sequence for arrival, _ in batch.dead}

    async def _fresh(self, tx: WriteTx, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """Return what has not arrived before, in its order; of those with one key the first."""
        by_key = {arrival.key: arrival for arrival in reversed(arrivals)}
        ordered = sorted(by_key.items(), key=lambda each: each[1].sequence)
        keys, sequences = [key for key, _ in ordered], [each.sequence for _, each in ordered]
        new = await queries.arrive(tx, self._claim.bridge_id, keys, sequences)
        return [arrival for key, arrival in ordered if key in new]

    def _sorted(self, tx: WriteTx, routing: Routing, arrivals: Sequence[Arrival]) -> _Sorted:
        batch = _Sorted([], [])
        for arrival in arrivals:
            try:
                publication = publication_of(self._rule, arrival, self._actor)
                batch.let_in.append((publication, routing.route(publication, tx.now, tx.workspace_id)))
            except Problem as problem:
                batch.dead.append((arrival, problem))
        return batch

    async def _bury(self, tx: WriteTx, arrival: Arrival, problem: Problem) -> None:
        """Keep an arrival that can't be published, and record it."""
        dead = dead_letter_of(arrival, problem, tx.now)
        await queries.insert_dead_letter(tx, self._claim.bridge_id, dead)
        event = BusEvent.LOOP_BLOCKED if isinstance(problem, TooManyHops) else BusEvent.DEAD_LETTERED
        data = {"subject": dead.subject, "sequence": arrival.sequence, "code": dead.code, "said": dead.said}
        audit.record(tx, event, self._name, data, risk=audit.Risk.MEDIUM, outcome="failure")

    async def _acknowledge(self, link: Link, found: Sequence[Msg], dead: set[int]) -> None:
        for message in found:
            await (message.term() if message.metadata.sequence.stream in dead else message.ack())
        await link.client.flush(timeout=int(SECONDS))


async def _late(came: Subscription) -> list[Msg]:
    """Return what came after its request was given up; it is taken before more is asked for."""
    found: list[Msg] = []
    while came.pending_msgs and len(found) < BATCH:
        message = await came.next_msg(timeout=SECONDS)
        if message.reply:
            found.append(message)
        else:
            _ensure_usual(message)
    return found


_USUAL = re.compile(r"MaxBytes|MaxAckPending|Batch", re.IGNORECASE)


def _ensure_usual(message: Msg) -> None:
    """Pass by what ends a request in peace. Raises BridgeFailed when the consumer or the server is gone."""
    headers = message.headers or {}
    status, said = headers.get("Status", ""), headers.get("Description", "")
    if status not in ("404", "408") and not (status == "409" and _USUAL.search(said)):
        raise BridgeFailed(f"The servers say {status or 'nothing of use'}: {said[:200]}")
