"""The settling of one worker: what became of many deliveries, of whatever workspaces, shares one transaction."""

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

import structlog

from provenance.bus.deliveries.schemas import Result
from provenance.bus.deliveries.settling import apply
from provenance.bus.session import Session
from provenance.core.actor import Kind
from provenance.core.clock import now_ns
from provenance.core.errors import Unavailable
from provenance.ledger.appending import APPEND, arguments
from provenance.ledger.service import Deed, Ledger

GROUP = 500
SOON = 32
"""Results that are stored without waiting for more."""
GATHER_SECONDS = 0.005
AWAY_SECONDS = 0.5
_SYSTEM = ("system", Kind.SYSTEM.value)

log: Any = structlog.get_logger("bus.deliveries")


class Settler:
    """Stores results in the order in which they came. What can't be stored is done again when its lease runs out."""

    def __init__(self, ledger: Ledger, session: Session, settled: Callable[[], None]) -> None:
        """Take the ledger, the connection to store on, and whom to tell when something was settled."""
        self._ledger = ledger
        self._session = session
        self._settled = settled
        self._waiting: deque[Result] = deque()
        self._arrived = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to store."""
        self._task = asyncio.create_task(self._run(), name="bus-settler")

    async def stop(self) -> None:
        """Store what waits, then end."""
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            await self._task

    def add(self, result: Result) -> None:
        """Take a result in."""
        self._waiting.append(result)
        self._arrived.set()

    async def _run(self) -> None:
        while True:
            while self._waiting:
                if len(self._waiting) < SOON and not self._closing:
                    await asyncio.sleep(GATHER_SECONDS)
                await self._store([self._waiting.popleft() for _ in range(min(GROUP, len(self._waiting)))])
            if self._closing:
                return
            self._arrived.clear()
            await self._arrived.wait()

    async def _store(self, results: list[Result]) -> None:
        try:
            deeds = await self._commit(results)
        except Unavailable:
            log.warning("database_away")
            if not self._closing:
                self._waiting.extendleft(reversed(results))
                with contextlib.suppress(TimeoutError):
                    await asyncio.sleep(AWAY_SECONDS)
            return
        except Exception as error:
            await self._split(results, error)
            return
        self._tell(deeds)

    async def _commit(self, results: list[Result]) -> list[Deed]:
        """Store results, and append what the ledger is told of them: last, for that takes the locks of workspaces."""
        async with self._session.transaction() as connection:
            deeds = await apply(connection, now_ns(), _SYSTEM, results)
            entries = []
            for workspace_id in sorted({_workspace_of(each) for each in deeds}):
                mine = [each for each in deeds if _workspace_of(each) == workspace_id]
                entries += await self._ledger.sealed(workspace_id, mine)
            if entries:
                await connection.fetch(APPEND, *arguments(entries))
        return deeds

    async def _split(self, results: list[Result], error: Exception) -> None:
        """Find the result that can't be stored; the others of its group are not to suffer."""
        if len(results) == 1:
            log.error("settling_failed", error=type(error).__name__)
            return
        half = len(results) // 2
        await self._store(results[:half])
        await self._store(results[half:])

    def _tell(self, deeds: list[Deed]) -> None:
        for workspace_id in {_workspace_of(each) for each in deeds}:
            self._ledger.wakeups.grew(workspace_id)
        self._settled()


def _workspace_of(deed: Deed) -> uuid.UUID:
    assert deed.fact.workspace_id is not None
    return deed.fact.workspace_id
