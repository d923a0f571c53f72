"""The epoch of access: a number in the database that rises whenever anybody's power shrinks or changes.

Triggers raise it in the transaction that revokes a key, changes a member, ends a session or erases a person, and
notify: such transactions are few, so that PostgreSQL serialises their commits costs nothing (the ledger's own
never notify). Every process polls the number as well; what it remembered under another number is not used, and
neither is anything when the last answer is over a second old.
"""

import asyncio
import contextlib
import time
from typing import Any

import asyncpg
import structlog

from provenance.core.clock import until
from provenance.core.db import AWAY, SESSION_SETTINGS, asyncpg_dsn

CHANNEL = "provenance_auth"
POLL_SECONDS = 0.4
FRESH_SECONDS = 1.0

log: Any = structlog.get_logger("identity.epoch")


class Epoch:
    """What this process knows of the epoch: its number, and when that was true."""

    def __init__(self, database_url: str) -> None:
        """Take the database; nothing is connected before `start`. Until then the number is 0, never fresh."""
        self._dsn = asyncpg_dsn(database_url)
        self._ring = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.number = 0
        self.asked = float("-inf")

    def start(self) -> None:
        """Start to listen and poll."""
        self._task = asyncio.create_task(self._run(), name="identity-epoch")

    async def stop(self) -> None:
        """Stop; nothing that was remembered is fresh for longer than a second."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except AWAY as error:
                log.warning("epoch_unknown", error=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)

    async def _follow(self) -> None:
        """Poll over one connection until it breaks."""
        connection = await asyncpg.connect(self._dsn, server_settings=SESSION_SETTINGS, timeout=5)
        try:
            await connection.add_listener(CHANNEL, lambda *_: self._ring.set())
            while True:
                self._ring.clear()
                asked = time.monotonic()
                self.number = await connection.fetchval("SELECT epoch FROM auth_epoch", timeout=FRESH_SECONDS)
                self.asked = asked
                await until(self._ring, POLL_SECONDS)
        finally:
            with contextlib.suppress(*AWAY):
                await connection.close(timeout=1)
