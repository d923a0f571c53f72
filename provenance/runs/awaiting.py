"""Callers who wait for the end of a run: one reader for each workspace asks about all of theirs at once."""

import asyncio
import contextlib
import uuid
from typing import Any

import structlog

from provenance.core.clock import until
from provenance.core.db import Database
from provenance.engine.schemas import RunKey
from provenance.runs import queries

log: Any = structlog.get_logger("runs")

POLL_SECONDS = 1.0


class _Waiting:
    """Who waits in one workspace, and the task that reads for them."""

    def __init__(self) -> None:
        self.ring = asyncio.Event()
        self.ends: dict[uuid.UUID, list[asyncio.Future[Any]]] = {}
        self.reader: asyncio.Task[None] | None = None

    def leave(self, run_id: uuid.UUID, end: "asyncio.Future[Any]") -> None:
        """Wait no longer: it came, its time is over, or whoever waited went away."""
        others = [each for each in self.ends.pop(run_id, ()) if each is not end]
        if others:
            self.ends[run_id] = others
        if not self.ends:
            self.ring.set()


class Ends:
    """The ends that callers of this process wait for."""

    def __init__(self, db: Database) -> None:
        """Take the database."""
        self._db = db
        self._waiting: dict[uuid.UUID, _Waiting] = {}

    async def of(self, key: RunKey, seconds: float) -> Any:
        """Return a run's row once it has ended, or as it stands after so many seconds."""
        waiting = self._waiting.setdefault(key.workspace_id, _Waiting())
        end: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        waiting.ends.setdefault(key.run_id, []).append(end)
        waiting.ring.set()
        if waiting.reader is None:
            waiting.reader = asyncio.create_task(self._read(key.workspace_id, waiting), name="runs-ends")
        with contextlib.suppress(TimeoutError):
            try:
                async with asyncio.timeout(seconds):
                    return await end
            finally:
                waiting.leave(key.run_id, end)
        async with self._db.housekeeping(key.workspace_id) as tx:
            row = await queries.one(tx, key.run_id)
        assert row is not None, "the run was begun by this very request"
        return row

    def grew(self, workspace_id: uuid.UUID) -> None:
        """Look at a workspace: a run of it may have ended."""
        if workspace_id in self._waiting:
            self._waiting[workspace_id].ring.set()

    def unsure(self) -> None:
        """Look at all of them: a hint may have been lost."""
        for waiting in self._waiting.values():
            waiting.ring.set()

    async def stop(self) -> None:
        """End the readers, and whoever still waits."""
        for waiting in self._waiting.values():
            for end in [each for ends in waiting.ends.values() for each in ends]:
                end.cancel()
        readers = [waiting.reader for waiting in self._waiting.values() if waiting.reader is not None]
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)

    async def _read(self, workspace_id: uuid.UUID, waiting: _Waiting) -> None:
        """Read until nobody waits any more: at each hint, and every second for one that was lost."""
        while waiting.ends:
            waiting.ring.clear()
            try:
                rows = await queries.ended_among(self._db, workspace_id, list(waiting.ends))
            except Exception as error:  # the database is away; whoever waits hears so when their time is over
                log.warning("ends_unread", error=type(error).__name__)
                rows = []
            for row in rows:
                for end in waiting.ends.pop(row.id, ()):
                    if not end.done():
                        end.set_result(row)
            if waiting.ends:
                await until(waiting.ring, POLL_SECONDS)
        del self._waiting[workspace_id]
