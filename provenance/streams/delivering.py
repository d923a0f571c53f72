"""The worker's side of the streams: take in hand, send, move the cursor after the acknowledgement.

Each stream in hand is a task of its own, so a target that hangs holds up nobody else; a lease that its worker renews
lets another go on within seconds when the worker dies.
"""

import asyncio
import contextlib
import random
import time
import uuid
from pathlib import Path
from typing import Any

import structlog

from provenance.audit import service as audit
from provenance.core.clock import NANOS, now_ns
from provenance.core.db import Database, WriteTx
from provenance.core.egress import Egress
from provenance.core.errors import Unavailable
from provenance.core.ids import encode
from provenance.core.keyring import Keyring
from provenance.ledger.catalogue.cache import Catalogues
from provenance.ledger.service import Ledger
from provenance.streams import queries
from provenance.streams.planning import Plan, plan
from provenance.streams.schemas import PREFIX, Claim, StreamEvent
from provenance.streams.sealing import opened
from provenance.streams.targets.building import build
from provenance.streams.targets.contract import FAILURES, NotDelivered, Receipt, Rejected, Secrets, Target

AT_ONCE = 32
"""Streams that one worker has in hand."""
LEASE_SECONDS = 15.0
DELIVERY_SECONDS = 180.0
LONGEST_BACKOFF_SECONDS = 300.0
FAILING_AFTER = 5
"""Failures in a row after which it is recorded that a stream is failing."""

log: Any = structlog.get_logger("streams")


class Deliveries:
    """What one worker has in hand."""

    def __init__(self, ledger: Ledger, egress: Egress, *, lease_seconds: float = LEASE_SECONDS) -> None:
        """Take the ledger and the way out; nothing runs before `take`."""
        self._db: Database = ledger.db
        self._catalogues: Catalogues = ledger.catalogues
        self._keyring: Keyring = ledger.keyring
        self._data_dir: Path = ledger.settings.data_dir
        self._egress = egress
        self._lease_seconds = lease_seconds
        self._running: set[asyncio.Task[None]] = set()
        self.ended = asyncio.Event()
        """Set when one has ended: there may be more to take."""

    async def take(self) -> int:
        """Take streams with something to go in hand, as many as there is room for; return how many."""
        room = AT_ONCE - len(self._running)
        if room <= 0:
            return 0
        now = now_ns()
        claims = await queries.claim(self._db, now, uuid.uuid4(), self._until(now), limit=room)
        for claim in claims:
            task = asyncio.create_task(self._work(claim))
            self._running.add(task)
            task.add_done_callback(self._done)
        return len(claims)

    async def stop(self) -> None:
        """Break off what is in hand; it is sent again by whoever takes it next."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self.ended.set()

    async def _work(self, claim: Claim) -> None:
        try:
            await self.deliver_next(claim)
        except Unavailable:
            log.warning("database_away", workspace=str(claim.workspace_id))
        except Exception as error:
            log.error("stream_failed", stream=str(claim.stream_id), error=type(error).__name__)
            await self._put_off(claim)

    async def deliver_next(self, claim: Claim) -> None:
        """Send the next batch of a stream in hand, and move its cursor if it was acknowledged."""
        keys = await self._keyring.of(claim.workspace_id)
        async with self._db.housekeeping(claim.workspace_id) as tx:
            planned = await plan(tx, claim, self._catalogues, keys)
        if planned is None:
            return
        secrets = await opened(self._keyring, claim.workspace_id, planned.stream.sealed)
        async with self._renewed(claim):
            outcome = await self._send(planned, secrets)
        async with self._db.housekeeping(claim.workspace_id) as tx:
            if isinstance(outcome, Receipt):
                await _acknowledged(tx, claim, planned, outcome, secrets)
            else:
                await _failed(tx, claim, planned, outcome, secrets)

    async def _send(self, planned: Plan, secrets: Secrets) -> Receipt | Exception:
        started = time.monotonic()
        try:
            target: Target = build(planned.shape, secrets, self._egress, self._data_dir)
            async with asyncio.timeout(DELIVERY_SECONDS):
                return await target.deliver(planned.batch)
        except TimeoutError:
            return NotDelivered(f"The target took longer than {time.monotonic() - started:.0f} seconds.")
        except FAILURES as error:
            return error

    @contextlib.asynccontextmanager
    async def _renewed(self, claim: Claim) -> Any:
        """Keep a claim for as long as the block takes."""
        renewing = asyncio.create_task(self._renew(claim))
        try:
            yield
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewing

    async def _renew(self, claim: Claim) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            with contextlib.suppress(Unavailable):
                async with self._db.housekeeping(claim.workspace_id) as tx:
                    if not await queries.set_held(tx, claim, leased_until=self._until(tx.now)):
                        return

    async def _put_off(self, claim: Claim) -> None:
        """Leave a stream alone for a while that fails for a reason of ours."""
        with contextlib.suppress(Unavailable):
            async with self._db.housekeeping(claim.workspace_id) as tx:
                later = tx.now + int(LONGEST_BACKOFF_SECONDS * NANOS)
                said = "The platform failed to prepare the delivery; its log says why."
                await queries.set_held(tx, claim, due_at=later, lease=None, leased_until=0, said=said, failed_at=tx.now)

    def _until(self, now: int) -> int:
        return now + int(self._lease_seconds * NANOS)


async def _acknowledged(tx: WriteTx, claim: Claim, planned: Plan, receipt: Receipt, secrets: Secrets) -> None:
    moved = await queries.set_held(
        tx,
        claim,
        number=planned.upto,
        pinned_upto=None,
        lease=None,
        leased_until=0,
        due_at=tx.now,
        delivered=queries.plus("delivered", len(planned.batch.events)),
        refused=queries.plus("refused", receipt.refused),
        failures=0,
        said=secrets.without(receipt.said),
        acknowledged_at=tx.now,
    )
    if moved and planned.failures >= FAILING_AFTER:
        data = {"name": planned.stream.name, "fromSeq": planned.batch.first}
        audit.record(tx, StreamEvent.RECOVERED, encode(PREFIX, claim.stream_id), data)


async def _failed(tx: WriteTx, claim: Claim, planned: Plan, error: Exception, secrets: Secrets) -> None:
    failures = planned.failures + 1
    asked = error.retry_after if isinstance(error, NotDelivered) else None
    moved = await queries.set_held(
        tx,
        claim,
        pinned_upto=None if isinstance(error, Rejected) else planned.upto,
        lease=None,
        leased_until=0,
        due_at=tx.now + int(max(backoff(failures), asked or 0.0) * NANOS),
        failures=failures,
        said=secrets.without(said_of(error)),
        failed_at=tx.now,
    )
    if moved and failures == FAILING_AFTER:
        data = {"name": planned.stream.name, "fromSeq": planned.batch.first, "kind": planned.stream.target["kind"]}
        audit.record(
            tx, StreamEvent.FAILING, encode(PREFIX, claim.stream_id), data, risk=audit.Risk.HIGH, outcome="failure"
        )


def said_of(error: BaseException) -> str:
    """Say why nothing was acknowledged; an error of the system below is named by its kind alone."""
    if isinstance(error, OSError):
        return f"The connection failed: {type(error).__name__}."
    return str(error)


def backoff(failures: int) -> float:
    """Return how many seconds to wait after this many failures in a row: up to 1, 2, 4 … 300, at least half of it."""
    longest = min(LONGEST_BACKOFF_SECONDS, 2.0 ** min(failures - 1, 16))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 — spreads retries, keeps no secret
