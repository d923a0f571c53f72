"""Telling other processes that something grew: hints, debounced, never inside a ledger transaction.

PostgreSQL serialises transactions that notify, and each of them wakes every process that listens. So a process notifies
on one connection, for all of its channels in one statement, at once when idle and then at most every so often, with
the workspaces that have something new. A lost hint costs a poll interval.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Sequence
from typing import Any

import asyncpg
import structlog

from provenance.core.clock import until
from provenance.core.db import AWAY, SESSION_SETTINGS, asyncpg_dsn

CHANNEL = "provenance_ledger"
PAUSE_SECONDS = 0.024
"""Between two hints of a channel. Twice the pause of runs: so each second hint of theirs takes these with it."""
EARLY = 0.25
"""The part of its pause by which a hint may be early, to go together with another."""
REST_SECONDS = 20.0
"""After this long without a hint the connection is closed: its server process holds 1.5 MB, and a hint that has to
have it made again is 5 ms later."""
_PAYLOAD_IDS = 200  # a payload has at most 8,000 bytes; an id takes 37
_NOTIFY = "SELECT pg_notify(channel, payload) FROM unnest($1::text[], $2::text[]) AS hint(channel, payload)"

log: Any = structlog.get_logger("ledger.wakeup")


class Channel:
    """The hints of one kind, as far as they are not sent yet."""

    def __init__(self, name: str, pause: float, ring: asyncio.Event) -> None:
        """Take the channel's name, how many seconds lie between two hints, and what wakes the sender."""
        self.name = name
        self.pause = pause
        self._ring = ring
        self._dirty: set[uuid.UUID] = set()
        self._next = float("-inf")

    def grew(self, workspace_id: uuid.UUID) -> None:
        """Note that a workspace has something new."""
        if not self._dirty:
            self._ring.set()
        self._dirty.add(workspace_id)

    def wait(self, now: float) -> float | None:
        """Return how many seconds are left until its next hint, None when there is nothing to send."""
        return self._next - now if self._dirty else None

    def take(self, now: float) -> str | None:
        """Return the payload of a hint that may go now, None when there is none."""
        if not self._dirty or self._next - now > EARLY * self.pause:
            return None
        self._next = now + self.pause
        taken = [self._dirty.pop() for _ in range(min(_PAYLOAD_IDS, len(self._dirty)))]
        return ",".join([str(workspace_id) for workspace_id in taken])


class Wakeups:
    """Sends the hints of this process; its own channel tells which ledgers grew."""

    def __init__(self, database_url: str) -> None:
        """Take the database; nothing is connected before the first hint."""
        self._dsn = asyncpg_dsn(database_url)
        self._ring = asyncio.Event()
        self._channels: dict[str, Channel] = {}
        self._task: asyncio.Task[None] | None = None
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self.grew = self.channel(CHANNEL).grew

    def channel(self, name: str, *, pause: float = PAUSE_SECONDS) -> Channel:
        """Return a channel, the same one for all who ask for it; its ``pause`` is the shortest anyone asked for."""
        found = self._channels.setdefault(name, Channel(name, pause, self._ring))
        found.pause = min(found.pause, pause)
        return found

    def start(self) -> None:
        """Start sending, unless it was started."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="ledger-wakeups")

    async def stop(self) -> None:
        """Stop; hints not sent yet are dropped, every waiter polls."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._connection is not None:
            with contextlib.suppress(*AWAY):
                await self._connection.close(timeout=1)

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            self._ring.clear()
            now = clock()
            waits = [wait for each in self._channels.values() if (wait := each.wait(now)) is not None]
            if not waits:
                await until(self._ring, REST_SECONDS)
                if not self._ring.is_set():
                    self._let_go()
                    await self._ring.wait()
            elif min(waits) > 0:
                await until(self._ring, min(waits))
            else:
                hints = [(each.name, hint) for each in self._channels.values() if (hint := each.take(now)) is not None]
                await self._send(hints)

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.terminate()  # waits for nothing, so no hint waits for it
            self._connection = None

    async def _send(self, hints: Sequence[tuple[str, str]]) -> None:
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(self._dsn, server_settings=SESSION_SETTINGS, timeout=5)
            await self._connection.execute(_NOTIFY, *zip(*hints, strict=True))
        except AWAY as error:
            log.debug("hint_lost", error=str(error))
            self._connection = None
