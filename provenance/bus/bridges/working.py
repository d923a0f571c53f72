"""The worker's side of bridges: take one in hand, connect, let it run; a lease says whose it is.

Each bridge in hand is a task of its own, so servers that hang hold up nobody else. A worker that dies leaves a lease
that runs out; whoever lost one changes nothing any more, because every commit of a bridge asks for it.
"""

import asyncio
import uuid
from typing import Any

import structlog
from nats.errors import Error

from provenance.billing.allowing import Allowed
from provenance.bus.bridges import queries
from provenance.bus.bridges.connecting import Link, linked
from provenance.bus.bridges.consuming import Consumer, Grew
from provenance.bus.bridges.credentials import SignIn, sign_in
from provenance.bus.bridges.errors import BridgeFailed, Lost
from provenance.bus.bridges.recording import failed
from provenance.bus.bridges.schemas import KIND, PREFIX, BridgeInput, Claim, Row
from provenance.bus.bridges.sending import Sender
from provenance.core.clock import NANOS, now_ns
from provenance.core.egress import Egress
from provenance.core.errors import Unavailable
from provenance.core.ids import encode
from provenance.ledger.service import Ledger
from provenance.secrets import service as secrets
from provenance.secrets.errors import SecretNotFound
from provenance.secrets.schemas import Purpose

AT_ONCE = 64
"""Bridges that one worker has in hand."""
LEASE_SECONDS = 15.0
_OURS = "The platform failed; its log says why."

log: Any = structlog.get_logger("bus.bridges")


class Bridges:
    """What one worker has in hand."""

    def __init__(self, ledger: Ledger, egress: Egress, grew: Grew, *, lease_seconds: float = LEASE_SECONDS) -> None:
        """Take the ledger, the way out, and whom to tell of something to deliver; nothing runs before `take`."""
        self._ledger = ledger
        self._db = ledger.db
        self._egress = egress
        self._grew = grew
        self._allowed = Allowed(ledger, "busMessages")
        self._lease_seconds = lease_seconds
        self.running: dict[asyncio.Task[None], tuple[Claim, asyncio.Event]] = {}

    async def take(self) -> int:
        """Take bridges that nobody has in hand, as many as there is room for; return how many."""
        room = AT_ONCE - len(self.running)
        if room <= 0:
            return 0
        now = now_ns()
        claims = await queries.claim(self._db, now, uuid.uuid4(), self._until(now), limit=room)
        for claim in claims:
            rang = asyncio.Event()
            task = asyncio.create_task(self._work(claim, rang), name="bus-bridge")
            self.running[task] = claim, rang
            task.add_done_callback(self._done)
        return len(claims)

    def ring(self, workspace_id: uuid.UUID | None = None) -> None:
        """Let bridges look at once: a workspace's ledger grew, or any may have."""
        for claim, rang in self.running.values():
            if workspace_id is None or claim.workspace_id == workspace_id:
                rang.set()

    async def stop(self) -> None:
        """Break off what is in hand and give it back."""
        tasks = list(self.running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.running.pop(task, None)

    async def _work(self, claim: Claim, rang: asyncio.Event) -> None:
        try:
            await self._run_held(claim, rang)
        except Lost:
            return
        except Unavailable:
            log.warning("database_away", workspace=str(claim.workspace_id))
        except (BridgeFailed, Error) as error:
            await self._failed(claim, str(error).removeprefix("nats: ")[:500])
        except asyncio.CancelledError:
            await self._give_back(claim)
            raise
        except Exception as error:
            log.error("bridge_failed", bridge=encode(PREFIX, claim.bridge_id), exc_info=error)
            await self._failed(claim, _OURS)

    async def _run_held(self, claim: Claim, rang: asyncio.Event) -> None:
        """Run a bridge for as long as its lease is renewed. Raises what it ends with."""
        async with self._db.housekeeping(claim.workspace_id) as tx:
            found = await queries.held(tx, claim)
        if found is None:
            return
        tasks = [asyncio.create_task(self._renew(claim)), asyncio.create_task(self._run(claim, found[0], rang))]
        await _first_end(tasks)

    async def _run(self, claim: Claim, row: Row, rang: asyncio.Event) -> None:
        rule = row.input

        async def asking() -> SignIn:
            return await self._sign_in(claim, rule)

        async with linked(self._egress, rule.server, asking, f"provenance {encode(PREFIX, row.id)}") as link:
            await _first_end([asyncio.create_task(self._way(claim, row, rang, link)), asyncio.create_task(_over(link))])

    async def _way(self, claim: Claim, row: Row, rang: asyncio.Event, link: Link) -> None:
        """Go in the direction of the bridge."""
        if row.direction == "consume":
            seconds = 2 * self._lease_seconds
            await Consumer(self._ledger, self._grew, self._allowed, claim, row, ack_seconds=seconds).run(link)
        else:
            await Sender(self._ledger, claim, row, rang).run(link)

    async def _sign_in(self, claim: Claim, rule: BridgeInput) -> SignIn:
        """Return what to sign in with. Raises BridgeFailed when its secret is gone or of another kind."""
        given = rule.server.credentials
        if given is None:
            return SignIn({})
        keys = await self._ledger.keyring.of(claim.workspace_id)
        try:
            async with self._db.housekeeping(claim.workspace_id) as tx:
                used = await secrets.use(tx, keys, given.secret_id, Purpose(KIND, encode(PREFIX, claim.bridge_id)))
        except SecretNotFound:
            raise BridgeFailed("The secret that this bridge signs in with is gone.") from None
        return sign_in(given, used.text)

    async def _renew(self, claim: Claim) -> None:
        """Keep a bridge in hand. Raises Lost when it is not any more."""
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            async with self._db.housekeeping(claim.workspace_id) as tx:
                if not await queries.set_held(tx, claim, leased_until=self._until(tx.now)):
                    raise Lost

    async def _failed(self, claim: Claim, said: str) -> None:
        try:
            async with self._db.housekeeping(claim.workspace_id) as tx:
                await failed(tx, claim, said)
        except Unavailable:
            log.warning("database_away", workspace=str(claim.workspace_id))

    async def _give_back(self, claim: Claim) -> None:
        """Let another worker have a bridge at once."""
        try:
            async with self._db.housekeeping(claim.workspace_id) as tx:
                await queries.set_held(tx, claim, lease=None, leased_until=0, connected=False)
        except Unavailable:
            log.warning("database_away", workspace=str(claim.workspace_id))

    def _until(self, now: int) -> int:
        return now + int(self._lease_seconds * NANOS)


async def _over(link: Link) -> None:
    """Wait for the end of a connection. Raises BridgeFailed then."""
    await link.over.wait()
    raise BridgeFailed("The connection was lost.")


async def _first_end(tasks: list[asyncio.Task[None]]) -> None:
    """Wait until one of the tasks ends, end the others, and raise what the first ended with."""
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if task in done and not task.cancelled() and (error := task.exception()) is not None:
            raise error
