"""The group-commit lane: entries that arrive while a commit is in flight share the next one (DESIGN decision 3).

No timer: an idle lane commits at once. One group has at most 250 entries; a batch is a statement of its own. Each of
the two has a writer, so that a group waits for a batch only where the ledger makes it wait, at the lock of their
workspace, which is given in turn. An answer is given after the commit. A lost connection is resolved by looking the
entries up by the ids we made; a data error is found by bisection.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import structlog

from provenance.core.clock import until
from provenance.core.db import AWAY, LOST, SESSION_SETTINGS, DatabaseUnavailable, asyncpg_dsn, problem_of
from provenance.core.disk import DiskGuard
from provenance.core.errors import Invalid, Unavailable
from provenance.ledger.appending import APPEND, arguments, verdicts
from provenance.ledger.entry import Entry, Verdict

log: Any = structlog.get_logger("ledger.lane")

GROUP = 250
RECONNECT_SECONDS = 5.0
REST_SECONDS = 20.0
"""After this long without a batch their connection is closed: its server process holds some megabytes."""
_LOOK_UP = "SELECT id, number FROM interactions WHERE workspace_id = ANY($1) AND id = ANY($2)"


class LaneFull(Unavailable):
    """Too much waits for a commit; nothing of this request was stored."""

    code = "ledger_busy"


Settle = Callable[[list[Verdict] | BaseException], None]
"""Called once, after the commit or when there will be none: a verdict per entry, or why there is none."""


@dataclass(slots=True)
class _Job:
    entries: list[Entry]
    all_or_nothing: bool
    settle: Settle
    size: int


class Lane:
    """The two writers of a process, and the bounds of what may wait for them."""

    def __init__(
        self,
        database_url: str,
        *,
        max_entries: int,
        max_bytes: int,
        guard: DiskGuard,
        committed: Callable[[list[Entry]], None],
    ) -> None:
        """Take the database, the bounds of the queues, the disk's guard, and whom to tell of committed entries."""
        self._guard = guard
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._singles = _Writer(database_url, GROUP, committed, self._left)
        self._batches = _Writer(database_url, 1, committed, self._left, rest=REST_SECONDS)
        self._waiting_entries = 0
        self._waiting_bytes = 0
        self._closing = False

    @property
    def waiting(self) -> int:
        """How many entries wait for a commit."""
        return self._waiting_entries

    def start(self) -> None:
        """Start the writers."""
        self._singles.start("ledger-lane")
        self._batches.start("ledger-batches")

    async def stop(self) -> None:
        """Commit what is waiting, then end the writers and their connections."""
        self._closing = True
        await asyncio.gather(self._singles.stop(), self._batches.stop())

    async def one(self, entry: Entry) -> Verdict:
        """Append one entry with whatever else is waiting. Raises LaneFull, DiskFull, DatabaseUnavailable, Invalid."""
        return (await self._entered(self._singles, [entry], all_or_nothing=False))[0]

    def one_soon(self, entry: Entry, settle: Settle) -> None:
        """Append one entry as `one` does, and call ``settle`` instead of waiting. Raises LaneFull, DiskFull."""
        self._enter(self._singles, _Job([entry], False, settle, entry.size))

    async def many(self, entries: list[Entry], *, all_or_nothing: bool) -> list[Verdict]:
        """Append a batch in a transaction of its own. Raises LaneFull, DatabaseUnavailable, Invalid."""
        return await self._entered(self._batches, entries, all_or_nothing=all_or_nothing)

    async def _entered(self, writer: "_Writer", entries: list[Entry], *, all_or_nothing: bool) -> list[Verdict]:
        answer: asyncio.Future[list[Verdict]] = asyncio.get_running_loop().create_future()

        def settle(outcome: list[Verdict] | BaseException) -> None:
            if answer.done():  # nobody waits any more
                return
            if isinstance(outcome, BaseException):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

        self._enter(writer, _Job(entries, all_or_nothing, settle, sum([entry.size for entry in entries])))
        return await answer

    def _enter(self, writer: "_Writer", job: _Job) -> None:
        self._guard.ensure()
        entries, size = self._waiting_entries + len(job.entries), self._waiting_bytes + job.size
        if self._closing or entries > self._max_entries or size > self._max_bytes:
            raise LaneFull("The ledger is taking in more than it can commit. Send it again in a second.")
        self._waiting_entries, self._waiting_bytes = entries, size
        writer.take(job)

    def _left(self, job: _Job) -> None:
        self._waiting_entries -= len(job.entries)
        self._waiting_bytes -= job.size


class _Writer:
    """A queue and a connection: what waits is committed, so many jobs at once."""

    def __init__(
        self,
        database_url: str,
        at_once: int,
        committed: Callable[[list[Entry]], None],
        left: Callable[[_Job], None],
        *,
        rest: float | None = None,
    ) -> None:
        """Take also whom to tell that a job left the queue, and after how long without one to hang up, if ever."""
        self._dsn = asyncpg_dsn(database_url)
        self._at_once = at_once
        self._committed = committed
        self._left = left
        self._rest = rest
        self._queue: deque[_Job] = deque()
        self._arrived = asyncio.Event()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def start(self, name: str) -> None:
        self._task = asyncio.create_task(self._write(), name=name)

    async def stop(self) -> None:
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            await self._task
        await self._disconnect()

    def take(self, job: _Job) -> None:
        self._queue.append(job)
        self._arrived.set()

    async def _write(self) -> None:
        while True:
            while self._queue:
                await self._commit([self._queue.popleft() for _ in range(min(self._at_once, len(self._queue)))])
            if self._closing:
                return
            self._arrived.clear()
            if self._rest is not None and self._connection is not None:
                await until(self._arrived, self._rest)
                if not self._arrived.is_set():
                    await self._disconnect()
            await self._arrived.wait()

    async def _commit(self, jobs: list[_Job]) -> None:
        """Settle every job of a group, one way or the other."""
        entries = [entry for job in jobs for entry in job.entries]
        try:
            found = await self._append(entries, all_or_nothing=jobs[0].all_or_nothing)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            await self._split(jobs, error)
            return
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                log.error("lane_failed", exc_info=error)
            self._refuse(jobs, problem or error)
            return
        # Answered in the next turn of the loop: by then the next group is on its way, and PostgreSQL works meanwhile.
        asyncio.get_running_loop().call_soon(self._answer, jobs, found)
        self._committed(entries)

    def _answer(self, jobs: list[_Job], found: list[Verdict]) -> None:
        at = 0
        for job in jobs:
            self._settle(job, found[at : at + len(job.entries)])
            at += len(job.entries)

    async def _split(self, jobs: list[_Job], error: Exception) -> None:
        """Find the job whose data the database refuses; the others of its group are not to suffer."""
        if len(jobs) == 1:
            log.error("entry_refused", exc_info=error)
            self._refuse(jobs, Invalid("The database can't store a value of this request.", code="unstorable"))
            return
        half = len(jobs) // 2
        await self._commit(jobs[:half])
        await self._commit(jobs[half:])

    def _refuse(self, jobs: list[_Job], error: Exception) -> None:
        for job in jobs:
            self._settle(job, error)

    def _settle(self, job: _Job, outcome: list[Verdict] | BaseException) -> None:
        self._left(job)
        try:
            job.settle(outcome)
        except Exception as error:  # one answer that fails must not keep the others of its group waiting
            log.error("answer_failed", exc_info=error)

    async def _append(self, entries: list[Entry], *, all_or_nothing: bool) -> list[Verdict]:
        """Append, and find out what became of it when the connection is lost on the way."""
        lost: list[Entry] = []
        deadline = asyncio.get_running_loop().time() + RECONNECT_SECONDS
        while True:
            try:
                connection = await self._connected()
                if lost:
                    known = await self._look_up(connection, entries)
                    if known is not None:
                        return known
                rows = await connection.fetch(APPEND, *arguments(entries, all_or_nothing=all_or_nothing))
                return verdicts(rows, entries)
            except asyncpg.UniqueViolationError:
                if not lost:
                    raise
            except asyncpg.DeadlockDetectedError:
                if asyncio.get_running_loop().time() > deadline:
                    raise
            except LOST:
                await self._disconnect()
                lost = entries
                if asyncio.get_running_loop().time() > deadline:
                    raise DatabaseUnavailable(
                        "The database is not available. Send it again with the same key: nothing is stored twice."
                    ) from None
                await asyncio.sleep(0.05)

    async def _look_up(
        self, connection: "asyncpg.Connection[asyncpg.Record]", entries: list[Entry]
    ) -> list[Verdict] | None:
        """Return the verdicts of a statement whose answer was lost; None when it did not commit.

        A statement commits whole, so one found id proves the commit. Entries not found then were repeats, and
        asking again names what they repeat without storing anything.
        """
        ids = [entry.columns.id for entry in entries]
        workspaces = list({entry.columns.workspace_id for entry in entries})
        found = {str(row["id"]): row["number"] for row in await connection.fetch(_LOOK_UP, workspaces, ids)}
        if not found:
            return None
        rest = [entry for entry in entries if entry.columns.id not in found]
        again = iter(verdicts(await connection.fetch(APPEND, *arguments(rest)), rest) if rest else ())
        return [Verdict(found[entry_id], entry_id, "c") if entry_id in found else next(again) for entry_id in ids]

    async def _connected(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None or self._connection.is_closed():
            settings = {**SESSION_SETTINGS, "application_name": "provenance lane"}
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
