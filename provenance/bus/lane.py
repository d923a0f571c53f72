"""The publishing lane: messages that arrive while a commit is in flight share the next one.

A message is routed and sealed when it comes, by what is remembered; a group of such is one statement, which finds out
whether that still holds (`at_once`). Where it does not, or a message is not plain or is refused, the group goes by a
transaction: what routes messages is read, messages and deliveries are stored, then the ledger's append, which takes the
workspace's lock last. A message that is refused takes nothing of its group with it; a batch is let in whole or not at
all. Answers are given after the commit.
"""

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import structlog

from provenance.bus import at_once
from provenance.bus.at_once import Ready
from provenance.bus.errors import BusFull
from provenance.bus.messages import queries as messages
from provenance.bus.messages.schemas import Publication
from provenance.bus.publishing import deed_of, store
from provenance.bus.routing import Routed, Routings
from provenance.core.clock import now_ns
from provenance.core.db import AWAY, LOST, SESSION_SETTINGS, DatabaseUnavailable, asyncpg_dsn, problem_of
from provenance.core.errors import Invalid, Problem
from provenance.ledger.appending import APPEND, arguments
from provenance.ledger.service import Ledger

log: Any = structlog.get_logger("bus.lane")

GROUP = 250
GROUP_BYTES = 8 * 1024 * 1024
WAITING = 10_000
WAITING_BYTES = 64 * 1024 * 1024
RECONNECT_SECONDS = 5.0
_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError, asyncpg.SerializationError)
_REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)

Settle = Callable[[list[Routed] | BaseException], None]
"""Called once, after the commit or when there will be none: each message as it was let in, or why none was."""


@dataclass(slots=True)
class Job:
    """Messages of one request: all of them are let in, or none."""

    workspace_id: uuid.UUID
    publications: list[Publication]
    settle: Settle
    size: int
    ready: Ready | None = None


Outcome = list[Routed] | Problem


class PublishLane:
    """One writer with a connection of its own. A workspace always has the same one: its lock would queue two."""

    def __init__(self, ledger: Ledger, committed: Callable[[Sequence[Routed]], None]) -> None:
        """Take the ledger that entries go to, and whom to tell what was committed."""
        self._ledger = ledger
        self._dsn = asyncpg_dsn(ledger.db.url)
        self._committed = committed
        self._routings = Routings()
        self._waiting: deque[Job] = deque()
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        """Start the writer."""
        self._writer = asyncio.create_task(self._write(), name="bus-lane")

    async def stop(self) -> None:
        """Commit what waits, then end."""
        self._closing = True
        self._arrived.set()
        if self._writer is not None:
            await self._writer
        await self._disconnect()

    def submit(self, job: Job) -> None:
        """Queue messages; the job's ``settle`` is called. Raises BusFull, DiskFull."""
        self._ledger.guard.ensure()
        if self._closing or len(self._waiting) >= WAITING or self._waiting_bytes + job.size > WAITING_BYTES:
            raise BusFull("More is published than can be committed. Send it again in a second.")
        job.ready = self._ready(job)
        self._waiting_bytes += job.size
        self._waiting.append(job)
        self._arrived.set()

    def _ready(self, job: Job) -> Ready | None:
        """Route and seal by what is remembered; None when that is not enough, or says no and may be old."""
        routing = self._routings.remembered(job.workspace_id)
        if routing is None:
            return None
        now, routed, deeds = now_ns(), [], []
        for each in job.publications:
            try:
                way = routing.route(each, now, job.workspace_id)
            except Problem:
                return None
            if way.large_payload is not None:
                return None
            routed.append(way)
            deeds.append(deed_of(each, way))
        entries = self._ledger.sealed_now(job.workspace_id, deeds)
        return None if entries is None else Ready(routing.version, routed, entries)

    async def _write(self) -> None:
        while True:
            while self._waiting:
                await self._commit(self._group())
            if self._closing:
                return
            self._arrived.clear()
            await self._arrived.wait()

    def _group(self) -> list[Job]:
        group: list[Job] = []
        count = size = 0
        while self._waiting and count < GROUP and size < GROUP_BYTES:
            taken = self._waiting.popleft()
            count, size = count + len(taken.publications), size + taken.size
            group.append(taken)
        self._waiting_bytes -= size
        return group

    async def _commit(self, group: list[Job]) -> None:
        try:
            outcomes = await self._apply(group)
        except _REFUSED as error:
            await self._split(group, error)
            return
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                log.error("publishing_failed", exc_info=error)
            for job in group:
                _settle(job, problem or error)
            return
        self._committed([routed for outcome in outcomes if isinstance(outcome, list) for routed in outcome])
        # Answered in the next turn of the loop: by then the next group is on its way.
        asyncio.get_running_loop().call_soon(_tell, group, outcomes)

    async def _split(self, group: list[Job], error: Exception) -> None:
        """Find the job whose data the database refuses; the others of its group are not to suffer."""
        if len(group) == 1:
            log.error("message_refused", exc_info=error)
            _settle(group[0], Invalid("The database can't store a value of this request.", code="unstorable"))
            return
        half = len(group) // 2
        await self._commit(group[:half])
        await self._commit(group[half:])

    async def _apply(self, group: list[Job]) -> list[Outcome]:
        """Commit a group, and find out what became of it when the connection is lost."""
        lost: list[Outcome] | None = None
        deadline = asyncio.get_running_loop().time() + RECONNECT_SECONDS
        outcomes: list[Outcome] = []
        while True:
            try:
                outcomes = []
                connection = await self._connected()
                if lost is not None and await _look_up(connection, lost):
                    return lost
                ready = [job.ready for job in group if job.ready is not None]
                if len(ready) == len(group):
                    outcomes = [each.routed for each in ready]
                    if await at_once.store(connection, ready):
                        return outcomes
                    outcomes = []
                async with connection.transaction():
                    await self._publish(connection, group, outcomes)
                return outcomes
            except asyncpg.UniqueViolationError:  # it is there after all: looked up once more
                if lost is None or asyncio.get_running_loop().time() > deadline:
                    raise
            except _AGAIN:
                if asyncio.get_running_loop().time() > deadline:
                    raise
            except LOST:
                await self._disconnect()
                lost = lost if lost is not None or len(outcomes) < len(group) else outcomes
                if asyncio.get_running_loop().time() > deadline:
                    raise DatabaseUnavailable("The database is not available; try again in a moment.") from None
                await asyncio.sleep(0.05)

    async def _publish(
        self, connection: "asyncpg.Connection[asyncpg.Record]", group: list[Job], outcomes: list[Outcome]
    ) -> None:
        """Write a group inside the connection's transaction; add what was let in, job by job."""
        routings = await self._routings.current(connection, {job.workspace_id for job in group})
        now = now_ns()
        entries = []
        for job in group:
            try:
                routed = [routings[job.workspace_id].route(each, now, job.workspace_id) for each in job.publications]
            except Problem as problem:
                outcomes.append(problem)
                continue
            deeds = [deed_of(each, way) for each, way in zip(job.publications, routed, strict=True)]
            entries += await self._ledger.sealed(job.workspace_id, deeds)
            outcomes.append(routed)
        if entries:
            await store(connection, [way for outcome in outcomes if isinstance(outcome, list) for way in outcome])
            await connection.fetch(APPEND, *arguments(entries))

    async def _connected(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None or self._connection.is_closed():
            # Whole-table reads are off because plans of a long session are kept from when a table was empty.
            settings = {**SESSION_SETTINGS, "application_name": "provenance bus", "enable_seqscan": "off"}
            self._connection = await asyncpg.connect(
                self._dsn, server_settings=settings, timeout=RECONNECT_SECONDS, command_timeout=30
            )
        return self._connection

    async def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(*AWAY):
                async with asyncio.timeout(1):
                    await self._connection.close()
            self._connection = None


async def _look_up(connection: "asyncpg.Connection[asyncpg.Record]", outcomes: list[Outcome]) -> bool:
    """Tell whether a lost commit happened: a group commits whole or not at all, so one found message proves it."""
    rows = [way.row for outcome in outcomes if isinstance(outcome, list) for way in outcome]
    workspaces = list({row.workspace_id for row in rows})
    return bool(await connection.fetch(messages.LOOK_UP, workspaces, [row.id for row in rows]))


def _tell(group: list[Job], outcomes: list[Outcome]) -> None:
    for job, outcome in zip(group, outcomes, strict=True):
        _settle(job, outcome)


def _settle(job: Job, outcome: "list[Routed] | BaseException") -> None:
    try:
        job.settle(outcome)
    except Exception as error:  # one answer that fails must not keep the others of its group waiting
        log.error("answer_failed", exc_info=error)
