"""The checkpoint lane: what many runs change shares one commit (spec/engine.md, One checkpoint).

The order inside a commit: new runs and the fence, steps and waits, then the ledger's append, which takes the
workspace's lock last. A checkpoint that the fence turns away leaves nothing. Answers are given after the commit.
"""

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
import structlog

from provenance.core.db import AWAY, LOST, SESSION_SETTINGS, DatabaseUnavailable, asyncpg_dsn, problem_of
from provenance.core.errors import Invalid, Problem
from provenance.engine import queries, writing
from provenance.engine.errors import EngineFull
from provenance.engine.schemas import Checkpoint
from provenance.engine.writing import Sealed, as_uuid
from provenance.ledger.service import Ledger

log: Any = structlog.get_logger("engine.lane")

GROUP = 250
GROUP_DEEDS = 1_500
WAITING = 20_000
RECONNECT_SECONDS = 5.0
_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError, asyncpg.SerializationError)
_REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


class CheckpointLane:
    """One writer with a connection of its own. A workspace always has the same one: its lock would queue two."""

    def __init__(self, ledger: Ledger, committed: Callable[[Sequence[Checkpoint]], None]) -> None:
        """Take the ledger that entries go to, and whom to tell what was committed."""
        self._ledger = ledger
        self._dsn = asyncpg_dsn(ledger.db.url)
        self._committed = committed
        self._waiting: deque[Checkpoint] = deque()
        self._arrived = asyncio.Event()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        """Start the writer."""
        self._writer = asyncio.create_task(self._write(), name="engine-lane")

    async def stop(self) -> None:
        """Commit what waits, then end."""
        self._closing = True
        self._arrived.set()
        if self._writer is not None:
            await self._writer
        await self._disconnect()

    def submit(self, checkpoint: Checkpoint) -> None:
        """Queue a checkpoint; its ``settle`` is called. Raises EngineFull, and DiskFull, for a run that begins."""
        if checkpoint.new is not None:
            self._ledger.guard.ensure()
            if len(self._waiting) >= WAITING:
                raise EngineFull("More runs are started than can be committed. Send it again in a second.")
        self._waiting.append(checkpoint)
        self._arrived.set()

    async def _write(self) -> None:
        while True:
            while self._waiting:
                await self._commit(self._group())
            if self._closing:
                return
            self._arrived.clear()
            await self._arrived.wait()

    def _group(self) -> list[Checkpoint]:
        group: list[Checkpoint] = []
        deeds = 0
        while self._waiting and len(group) < GROUP and deeds < GROUP_DEEDS:
            taken = self._waiting.popleft()
            deeds += len(taken.deeds)
            group.append(taken)
        group.sort(key=lambda each: each.key.run_id.int)
        return group

    async def _commit(self, group: list[Checkpoint]) -> None:
        try:
            applied = await self._apply(group, await self._sealed(group))
        except Exception as error:
            if problem := error if isinstance(error, Problem) else problem_of(error):
                self._settle(group, problem)
            else:
                await self._split(group, error)
            return
        self._committed([each for each in group if each.key.run_id in applied])
        asyncio.get_running_loop().call_soon(self._tell, group, applied)

    async def _sealed(self, group: list[Checkpoint]) -> Sealed:
        return [await self._ledger.sealed(each.key.workspace_id, each.deeds) if each.deeds else [] for each in group]

    async def _split(self, group: list[Checkpoint], error: Exception) -> None:
        """Find the run that can't be written, or whose values the database refuses; its group is not to suffer."""
        if len(group) == 1:
            log.error("checkpoint_refused", run=str(group[0].key.run_id), exc_info=error)
            refused = Invalid("The database can't store a value of this run.", code="unstorable")
            self._settle(group, refused if isinstance(error, _REFUSED) else error)
            return
        half = len(group) // 2
        await self._commit(group[:half])
        await self._commit(group[half:])

    def _tell(self, group: list[Checkpoint], applied: set[uuid.UUID]) -> None:
        for each in group:
            self._settle([each], each.key.run_id in applied)

    def _settle(self, group: list[Checkpoint], outcome: "bool | BaseException") -> None:
        for each in group:
            settle, each.settle = each.settle, _settled  # or a run and its checkpoint would hold each other
            try:
                settle(outcome)
            except Exception as error:  # one run that fails must not keep the others of its group waiting
                log.error("settling_failed", exc_info=error)

    async def _apply(self, group: list[Checkpoint], sealed: Sealed) -> set[uuid.UUID]:
        """Commit a group, and find out what became of it when the connection is lost; return the runs it changed."""
        lost = False
        deadline = asyncio.get_running_loop().time() + RECONNECT_SECONDS
        while True:
            try:
                connection = await self._connected()
                if lost:
                    known = await self._look_up(connection, group)
                    if known:
                        return known
                return await writing.commit(connection, group, sealed)
            except _AGAIN:
                if asyncio.get_running_loop().time() > deadline:
                    raise
            except LOST:
                await self._disconnect()
                lost = True
                if asyncio.get_running_loop().time() > deadline:
                    raise DatabaseUnavailable("The database is not available; try again in a moment.") from None
                await asyncio.sleep(0.05)

    async def _look_up(
        self, connection: "asyncpg.Connection[asyncpg.Record]", group: list[Checkpoint]
    ) -> set[uuid.UUID]:
        """Return the runs a lost commit changed, none when it did not happen: a group commits whole or not at all."""
        workspaces = list({each.key.workspace_id for each in group})
        found = await connection.fetch(queries.LOOK_UP, workspaces, [each.key.run_id for each in group])
        rows = {as_uuid(row["id"]): (row["epoch"], row["seq"]) for row in found}
        return {
            each.key.run_id
            for each in group
            if each.key.run_id in rows and (each.new is not None or rows[each.key.run_id] == (each.epoch, each.seq + 1))
        }

    async def _connected(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._dsn, "provenance checkpoints")
        return self._connection

    async def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(*AWAY):
                async with asyncio.timeout(1):
                    await self._connection.close()
            self._connection = None


def _settled(_: "bool | BaseException") -> None:
    raise AssertionError("a checkpoint is settled once")


async def connect(dsn: str, name: str) -> "asyncpg.Connection[asyncpg.Record]":
    """Open a connection of the engine's own.

    Whole-table reads are off because plans of a long session are kept: one made while a table was nearly empty
    would go on reading all of it.
    """
    settings = {**SESSION_SETTINGS, "application_name": name, "enable_seqscan": "off", "lock_timeout": "2000"}
    return await asyncpg.connect(dsn, server_settings=settings, timeout=RECONNECT_SECONDS, command_timeout=30)
