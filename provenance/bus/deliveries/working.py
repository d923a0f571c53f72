"""The worker's side of deliveries: take what is due in hand, hand it over, store what became of it.

Messages of one topic and key that were taken together go one after the other; everything else at once. A worker that
dies leaves leases that run out, and others go on; whoever lost a lease changes nothing any more.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog

from provenance.bus.deliveries import claim_queries as queries
from provenance.bus.deliveries.backoff import CIRCUIT_FAILURES, wait
from provenance.bus.deliveries.claim_queries import Taken
from provenance.bus.deliveries.contract import Failed, Refused, Sender, Task
from provenance.bus.deliveries.schemas import DEAD, DELIVERED, EXPIRED, OPEN, SAID_KEPT, Claimed, Result, Try
from provenance.bus.deliveries.settle_queries import Place
from provenance.bus.deliveries.settler import Settler
from provenance.bus.envelope import delivered
from provenance.bus.session import Session
from provenance.bus.subscriptions import queries as subscriptions
from provenance.bus.subscriptions.schemas import DeliveryRules
from provenance.bus.subscriptions.schemas import Row as Stored
from provenance.core.clock import NANOS, now_ns
from provenance.core.errors import Unavailable
from provenance.ledger.service import Ledger

AT_ONCE = 128
"""Messages or lanes that one worker has in hand."""
TARGETS_AT_ONCE = 64
SUBSCRIPTIONS_KEPT = 5_000
BEHIND = 7
"""Messages of a lane that are taken along with its oldest."""
MARGIN_SECONDS = 5.0
"""Time that has to be left of a lease, beyond the time-out, when a message is handed over."""

log: Any = structlog.get_logger("bus.deliveries")


class Known(NamedTuple):
    """A subscription as it was when ``updated_at``, and how hard its deliveries are tried."""

    stored: Stored
    rules: DeliveryRules


class Hand(NamedTuple):
    """A subscription's messages in hand, to go one after the other."""

    subscription: Stored
    rules: DeliveryRules
    lease_seconds: int
    taken: list[Taken]


class Deliverer:
    """What one worker has in hand of one kind of target."""

    def __init__(self, ledger: Ledger, kind: str, send: Sender, *, at_once: int = AT_ONCE) -> None:
        """Take the ledger, the kind of targets, and what carries messages there; nothing runs before `start`."""
        self._ledger = ledger
        self._kind = kind
        self._send = send
        self._at_once = at_once
        self._session = Session(ledger.db.url, f"provenance bus {kind}")
        self._known: dict[Place, Known] = {}
        self.ended = asyncio.Event()
        """Set when something was settled or looked at: there may be more to take."""
        self._settler = Settler(ledger, self._session, self.ended.set)
        self.running: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Start to store results."""
        self._settler.start()

    async def stop(self) -> None:
        """Break off what is in hand and give it back: it goes again, with the same ids; store what is known."""
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
        await self._settler.stop()
        await self._session.close()

    async def take(self) -> int:
        """Take what is due in hand, as much as there is room for; return how many messages.

        Nobody waits for the disk: what a crash of the database undoes is taken again, as after any lease.
        """
        room = self._at_once - len(self.running)
        if room <= 0:
            return 0
        async with self._session.transaction(durable=False) as connection:
            now = now_ns()
            due = await queries.lock_due(connection, now, self._kind, min(room, TARGETS_AT_ONCE))
            wanted = _shares(due, room, now)
            if not wanted:
                return 0
            await self._learn(due)
            taken = await queries.claim(connection, now, wanted, lease=uuid.uuid4(), behind=BEHIND, counted=False)
        self.ended.set()  # there may be more, or only what waits behind others was found
        for hand in self._hands(due, taken):
            task = asyncio.create_task(self._work(hand))
            self.running.add(task)
            task.add_done_callback(self.running.discard)
        return len(taken)

    async def _learn(self, due: Sequence[queries.Due]) -> None:
        """Read the subscriptions that changed since they were last read."""
        stale: dict[uuid.UUID, list[str]] = {}
        for each in due:
            known = self._known.get((each.workspace_id, each.subscription_id))
            if known is None or known.stored.updated_at != each.updated_at:
                stale.setdefault(each.workspace_id, []).append(each.subscription_id)
        if len(self._known) + len(stale) > SUBSCRIPTIONS_KEPT:
            self._known.clear()
            stale = {}
            for each in due:
                stale.setdefault(each.workspace_id, []).append(each.subscription_id)
        for workspace_id, ids in stale.items():
            async with self._ledger.db.housekeeping(workspace_id) as tx:
                rows = await subscriptions.some(tx, sorted(ids))
            for row in rows:
                self._known[workspace_id, row.id] = Known(row, DeliveryRules.model_validate(row.delivery))

    def _hands(self, due: Sequence[queries.Due], taken: Sequence[Taken]) -> list[Hand]:
        """Return what was taken, lane by lane; what has no order goes one by one."""
        leases = {each[:2]: each.lease_seconds for each in due}
        lanes: dict[tuple[Any, ...], list[Taken]] = {}
        for each in taken:
            claimed = each.claimed
            lane = ("seq", claimed.seq) if claimed.lane is None else ("lane", claimed.lane)
            lanes.setdefault((claimed.workspace_id, claimed.subscription_id, *lane), []).append(each)
        return [
            Hand(known.stored, known.rules, leases[place[:2]], group)
            for place, group in lanes.items()
            if (known := self._known.get(place[:2])) is not None  # deleted meanwhile, with its deliveries
        ]

    async def _work(self, hand: Hand) -> None:
        """Hand over what is in hand in its order; what is broken off is given back."""
        waiting = list(hand.taken)
        try:
            await self._hand_over_all(hand, waiting)
        except asyncio.CancelledError:
            for each in waiting:
                self._settler.add(Result(each.claimed, OPEN, now_ns(), each.claimed.attempts))
            raise

    async def _hand_over_all(self, hand: Hand, waiting: list[Taken]) -> None:
        """Hand over what waits, one after the other; behind one that failed the others wait as long as it does."""
        held_until = time.monotonic() + hand.lease_seconds
        while waiting:
            if time.monotonic() + hand.rules.timeout_seconds + MARGIN_SECONDS > held_until:
                if not await self._keep(hand, waiting):
                    return
                held_until = time.monotonic() + hand.lease_seconds
            result = await self._hand_over(hand, waiting[0])
            self._settler.add(result)
            del waiting[0]
            if result.state == OPEN:
                for each in waiting:
                    self._settler.add(Result(each.claimed, OPEN, result.due_at, each.claimed.attempts))
                return

    async def _keep(self, hand: Hand, waiting: Sequence[Taken]) -> bool:
        """Keep what is in hand for longer; False when it is lost."""
        until, rest = now_ns() + hand.lease_seconds * NANOS, [each.claimed for each in waiting]
        with contextlib.suppress(Unavailable):
            async with self._session.transaction() as connection:
                return len(await queries.renew(connection, rest, rest[0].lease, until)) == len(rest)
        return False

    async def _hand_over(self, hand: Hand, taken: Taken) -> Result:
        """Try to hand a message over; return what became of it."""
        now, started = now_ns(), time.monotonic()
        claimed, message = taken
        if message is None or claimed.expires_at <= now:
            return Result(claimed, EXPIRED, now, claimed.attempts)
        attempt = claimed.attempts + 1
        try:
            keys = await self._ledger.keyring.of(claimed.workspace_id)
            task = Task(claimed.workspace_id, hand.subscription, hand.rules, keys, delivered(message), None, attempt)
            said = await self._send(task)
        except Refused as error:
            return Result(claimed, DEAD, now_ns(), attempt, _try(now, started, error.said, ok=False))
        except Failed as error:
            return _failed(hand, claimed, _try(now, started, error.said, ok=False), error.retry_after)
        except Unavailable:
            return Result(claimed, OPEN, now_ns() + NANOS, claimed.attempts)
        except Exception as error:
            log.error("delivery_failed", subscription=claimed.subscription_id, exc_info=error)
            said = "The platform failed to prepare the delivery; its log says why."
            return _failed(hand, claimed, _try(now, started, said, ok=False), 0.0)
        return Result(claimed, DELIVERED, now_ns(), attempt, _try(now, started, said, ok=True))


def _shares(due: Sequence[queries.Due], room: int, now: int) -> list[tuple[uuid.UUID, str, int, int]]:
    """Return how much of each target is taken, and until when: all the same, within what each has room for."""
    share = max(1, room // max(1, len(due)))
    wanted = []
    for each in due:
        # A target that failed too often is tried with one message, when it is its time again.
        most = 1 if each.failures >= CIRCUIT_FAILURES else each.room
        count = min(most - each.in_hand, share)
        if count > 0:
            wanted.append((each.workspace_id, each.subscription_id, count, now + each.lease_seconds * NANOS))
    return wanted


def _failed(hand: Hand, claimed: Claimed, tried: Try, retry_after: float) -> Result:
    """Put a message off, or give it up when it was tried often enough."""
    now, attempts = now_ns(), claimed.attempts + 1
    if attempts >= hand.rules.max_attempts:
        return Result(claimed, DEAD, now, attempts, tried, blames=True)
    pause = now + int(retry_after * NANOS) if retry_after else 0
    due_at = now + int(max(wait(hand.rules.backoff, attempts), retry_after) * NANOS)
    return Result(claimed, OPEN, due_at, attempts, tried, blames=True, pause_until=pause)


def _try(at: int, started: float, said: str, *, ok: bool) -> Try:
    return Try(at, ok, said[:SAID_KEPT], round((time.monotonic() - started) * 1000))
