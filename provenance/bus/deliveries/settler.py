"""The settling of one worker: what became of many deliveries shares one transaction for each workspace."""

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

import structlog

from provenance.bus.deliveries.schemas import Result
from provenance.bus.deliveries.settling import settle
from provenance.core.errors import Unavailable
from provenance.ledger.service import Ledger

GROUP = 250
AWAY_SECONDS = 0.5

log: Any = structlog.get_logger("bus.deliveries")


class Settler:
    """Stores results in the order in which they came. What can't be stored is done again when its lease runs out."""

    def __init__(self, ledger: Ledger, settled: Callable[[uuid.UUID], None]) -> None:
        """Take the ledger, and whom to tell of a workspace that had something settled."""
        self._ledger = ledger
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
                group = [self._waiting.popleft() for _ in range(min(GROUP, len(self._waiting)))]
                for workspace_id in dict.fromkeys(each.claimed.workspace_id for each in group):
                    mine = [each for each in group if each.claimed.workspace_id == workspace_id]
                    await self._store(workspace_id, mine)
            if self._closing:
                return
            self._arrived.clear()
            await self._arrived.wait()

    async def _store(self, workspace_id: uuid.UUID, results: list[Result]) -> None:
        try:
            async with self._ledger.db.housekeeping(workspace_id) as tx:
                await settle(tx, results)
        except Unavailable:
            log.warning("database_away")
            if not self._closing:
                self._waiting.extendleft(reversed(results))
                with contextlib.suppress(TimeoutError):
                    await asyncio.sleep(AWAY_SECONDS)
            return
        except Exception as error:
            log.error("settling_failed", error=type(error).__name__)
            return
        self._settled(workspace_id)
