"""When keys were last used: read from what the process remembers anyway, stored together, off the way of requests."""

import asyncio
import contextlib
import time
from typing import Any

import structlog

from provenance.core.clock import NANOS, now_ns
from provenance.core.db import Database
from provenance.core.errors import Problem
from provenance.identity.access.memory import Memory
from provenance.identity.api_keys import queries

PAUSE_SECONDS = 30.0

log: Any = structlog.get_logger("identity.api_keys")


class LastUsed:
    """Stores now and then which keys came since."""

    def __init__(self, db: Database, memory: Memory) -> None:
        """Take the database and what the process remembers of keys; nothing runs before `start`."""
        self._db, self._memory = db, memory
        self._stored_until = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to store."""
        self._task = asyncio.create_task(self._run(), name="identity-last-used")

    async def stop(self) -> None:
        """Store what is left; stop. A database that is away keeps nobody waiting."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            with contextlib.suppress(Problem):
                await self.flush()

    async def flush(self) -> None:
        """Store when each key came last that came since the time before. Raises Unavailable."""
        moment, now = time.monotonic(), now_ns()
        used = {
            (actor.workspace_id, actor.id.removeprefix("key_")): now - int((moment - at) * NANOS)
            for actor, at in self._memory.used_since(self._stored_until)
        }
        if used:
            async with self._db.housekeeping() as tx:
                await queries.stamp_used(tx, used)
        self._stored_until = moment

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(PAUSE_SECONDS)
            try:
                await self.flush()
            except Problem as problem:
                log.warning("last_used_not_stored", code=problem.code)
            except Exception:
                log.exception("last_used_not_stored")
