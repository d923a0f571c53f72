"""Hearing that a ledger grew: LISTEN on a connection of its own (`provenance.ledger.wakeup` notifies)."""

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from typing import Any

import asyncpg
import structlog

from provenance.core.db import AWAY, SESSION_SETTINGS, asyncpg_dsn
from provenance.core.ids import parse_uuid
from provenance.ledger.wakeup import CHANNEL

log: Any = structlog.get_logger("ledger.feed")

RECONNECT_SECONDS = 1.0
PROBE_SECONDS = 15.0


class Hints:
    """Listens for as long as `run` runs, beyond lost connections. Hints get lost: who listens also polls."""

    def __init__(
        self,
        database_url: str,
        grew: Callable[[uuid.UUID], None],
        unsure: Callable[[], None],
        channel: str = CHANNEL,
    ) -> None:
        """Take the database, whom to tell of a workspace that grew, and whom when any of them may have."""
        self._channel = channel
        self._dsn = asyncpg_dsn(database_url)
        self._grew = grew
        self._unsure = unsure

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen()
            except AWAY as error:
                log.debug("listening_lost", error=type(error).__name__)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self) -> None:
        settings = {**SESSION_SETTINGS, "application_name": "provenance feed hints"}
        connection = await asyncpg.connect(self._dsn, server_settings=settings, timeout=5, command_timeout=5)
        try:
            await connection.add_listener(self._channel, self._hear)
            self._unsure()  # what was said before we listened
            while True:
                await asyncio.sleep(PROBE_SECONDS)
                await connection.execute("SELECT 1")  # a connection that died in silence is found out here
        finally:
            with contextlib.suppress(*AWAY):
                await connection.close(timeout=1)

    def _hear(self, _connection: object, _process: int, _channel: str, payload: object) -> None:
        named = [parse_uuid(text) for text in str(payload).split(",")]
        for workspace_id in named:
            if workspace_id is None:
                self._unsure()
            else:
                self._grew(workspace_id)
