"""Telling other processes that a ledger grew: a hint, debounced, never inside a ledger transaction.

PostgreSQL serialises transactions that notify, so each process notifies on a connection of its own, at once when
idle and then at most every 20 ms, with the workspaces that have new rows. A lost hint costs a poll interval.
"""

import asyncio
import contextlib
import uuid
from typing import Any

import asyncpg
import structlog

from provenance.core.clock import until
from provenance.core.db import AWAY, SESSION_SETTINGS, asyncpg_dsn

CHANNEL = "provenance_ledger"
PAUSE_SECONDS = 0.02
REST_SECONDS = 20.0
"""After this long without a hint the connection is closed: its server process holds 1.5 MB, and a hint that has to
have it made again is 5 ms later."""
_PAYLOAD_IDS = 200  # a payload has at most 8,000 bytes; an id takes 37

log: Any = structlog.get_logger("ledger.wakeup")


class Wakeups:
    """Sends hints of this process."""

    def __init__(self, database_url: str, channel: str = CHANNEL, *, pause: float = PAUSE_SECONDS) -> None:
        """Take the database, the channel, and how many seconds lie between two hints at least.

        Nothing is connected before the first hint.
        """
        self._channel = channel
        self._pause = pause
        self._dsn = asyncpg_dsn(database_url)
        self._dirty: set[uuid.UUID] = set()
        self._ring = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    def start(self) -> None:
        """Start sending."""
        self._task = asyncio.create_task(self._run(), name="ledger-wakeups")

    async def stop(self) -> None:
        """Stop; hints not sent yet are dropped, every waiter polls."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._connection is not None:
            with contextlib.suppress(*AWAY):
                await self._connection.close(timeout=1)

    def grew(self, workspace_id: uuid.UUID) -> None:
        """Note that a workspace has new rows."""
        self._dirty.add(workspace_id)
        self._ring.set()

    async def _run(self) -> None:
        while True:
            await until(self._ring, REST_SECONDS)
            if not self._ring.is_set():
                self._let_go()
                await self._ring.wait()
            self._ring.clear()
            dirty = [self._dirty.pop() for _ in range(min(_PAYLOAD_IDS, len(self._dirty)))]
            if self._dirty:
                self._ring.set()
            try:
                await self._send(",".join(str(workspace_id) for workspace_id in dirty))
            except AWAY as error:
                log.debug("hint_lost", error=str(error))
                self._connection = None
            await asyncio.sleep(self._pause)

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.terminate()  # waits for nothing, so no hint waits for it
            self._connection = None

    async def _send(self, payload: str) -> None:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._dsn, server_settings=SESSION_SETTINGS, timeout=5)
        await self._connection.execute("SELECT pg_notify($1, $2)", self._channel, payload)
