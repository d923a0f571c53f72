"""Hearing that a ledger grew: one connection of a process listens (`provenance.ledger.wakeup` notifies).

Each connection is a process of the database that holds 1.5 MB for as long as it lives, so all who wait in a process
share one. It is not the one that notifies: while that commits, PostgreSQL holds back what is to be heard.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
import structlog

from provenance.core.clock import until
from provenance.core.db import AWAY, SESSION_SETTINGS, asyncpg_dsn
from provenance.core.ids import parse_uuid
from provenance.ledger.wakeup import CHANNEL

log: Any = structlog.get_logger("ledger.feed")

RECONNECT_SECONDS = 1.0
PROBE_SECONDS = 15.0


class _Follower:
    """Who waits for hints on a channel. What goes wrong in one is no matter of the others."""

    def __init__(self, channel: str, grew: Callable[[uuid.UUID], None], unsure: Callable[[], None]) -> None:
        self.channel = channel
        self._grew = grew
        self._unsure = unsure

    def hear(self, named: Sequence[uuid.UUID | None]) -> None:
        """Tell of workspaces that grew; None stands for any."""
        try:
            for workspace_id in named:
                if workspace_id is None:
                    self._unsure()
                else:
                    self._grew(workspace_id)
        except Exception as error:
            log.error("hint_failed", channel=self.channel, exc_info=error)


class Hints:
    """Listens for as long as anybody follows, beyond lost connections. Hints get lost: who follows also polls."""

    def __init__(self, database_url: str) -> None:
        """Take the database; nothing is connected before somebody follows."""
        self._dsn = asyncpg_dsn(database_url)
        self._followers: set[_Follower] = set()
        self._untold: set[_Follower] = set()
        self._ring = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def follow(
        self, grew: Callable[[uuid.UUID], None], unsure: Callable[[], None], channel: str = CHANNEL
    ) -> None:
        """Tell, until cancelled, of each workspace that grew, and when any of them may have: after each beginning."""
        follower = _Follower(channel, grew, unsure)
        self._followers.add(follower)
        self._untold.add(follower)
        self._ring.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="ledger-hints")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._followers.discard(follower)
            if not self._followers:
                await self._end()

    async def _end(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except AWAY as error:
                log.debug("listening_lost", error=type(error).__name__)
            except Exception as error:  # all who follow would be deaf without knowing
                log.error("listening_failed", exc_info=error)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self) -> None:
        settings = {**SESSION_SETTINGS, "application_name": "provenance feed hints"}
        connection = await asyncpg.connect(self._dsn, server_settings=settings, timeout=5, command_timeout=5)
        try:
            connection.add_termination_listener(lambda _: self._ring.set())
            self._untold = set(self._followers)
            while True:
                self._ring.clear()
                await self._take_in(connection)
                await until(self._ring, PROBE_SECONDS)
                await connection.execute("SELECT 1")  # a connection that died in silence is found out here
        finally:
            with contextlib.suppress(*AWAY):
                await connection.close(timeout=1)

    async def _take_in(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Listen for those who came, and tell them of what was said before we did."""
        while self._untold:
            follower = self._untold.pop()
            await connection.add_listener(follower.channel, self._hear)  # asks nothing when the channel is heard
            if follower in self._followers:
                follower.hear([None])

    def _hear(self, _connection: object, _process: int, channel: str, payload: object) -> None:
        named = [parse_uuid(text) for text in str(payload).split(",")]
        for follower in [each for each in self._followers if each.channel == channel]:
            follower.hear(named)
