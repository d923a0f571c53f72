"""What the worker does for the logs: integrate what grew, one leader at a time."""

import asyncio
import contextlib
import time
import uuid
from typing import Any

import asyncpg
import structlog

from provenance.core.db import AWAY, SESSION_SETTINGS, asyncpg_dsn
from provenance.core.errors import Unavailable
from provenance.ledger.log import queries
from provenance.ledger.log.heads import Heads
from provenance.ledger.log.integrating import Integrator
from provenance.ledger.service import Ledger

LOGS_AT_ONCE = 256
TICK_SECONDS = 0.25
"""A log is integrated at most this often: a round costs as much as a thousand rows in it."""
SWEEP_SECONDS = 60.0
SWEPT = 1_000
AWAY_SECONDS = 2.0
_LEADER_LOCK = 7_300_000_003

log: Any = structlog.get_logger("ledger.log")


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Integrate until ``stop`` is set. Of several workers one does it; another takes over when it is gone."""
    heads = Heads(ledger.settings.data_dir)
    await asyncio.to_thread(heads.load)
    await _Loop(ledger, Integrator(ledger, heads), stop).run()


class _Loop:
    """The integrator's loop: hints and a sweep each minute say which logs are dirty."""

    def __init__(self, ledger: Ledger, integrator: Integrator, stop: asyncio.Event) -> None:
        self._ledger = ledger
        self._integrator = integrator
        self._stop = stop
        self._dirty: dict[uuid.UUID, None] = {}
        self._changed = asyncio.Event()
        self._swept = float("-inf")
        self._leader: asyncpg.Connection[asyncpg.Record] | None = None

    async def run(self) -> None:
        hints = asyncio.create_task(self._ledger.hints.follow(self._grew, self._unsure), name="log-hints")
        try:
            while not self._stop.is_set():
                await self._survive()
        finally:
            hints.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await hints
            await self._resign()

    def _grew(self, workspace_id: uuid.UUID) -> None:
        self._dirty[workspace_id] = None
        self._changed.set()

    def _unsure(self) -> None:
        self._swept = float("-inf")
        self._changed.set()

    async def _survive(self) -> None:
        """Do one round; a failure is logged, for the worker outlives its database."""
        try:
            if not await self._leads():
                await self._pause(AWAY_SECONDS)
                return
            await self._round()
        except (Unavailable, *AWAY) as error:
            log.warning("database_away", error=type(error).__name__, retry_seconds=AWAY_SECONDS)
            self._unsure()
            await self._resign()
            await self._pause(AWAY_SECONDS)
        except Exception:
            log.exception("integration_failed")
            self._unsure()
            await self._pause(AWAY_SECONDS)

    async def _round(self) -> None:
        if time.monotonic() - self._swept >= SWEEP_SECONDS:
            self._swept = time.monotonic()
            await self._sweep()
        self._changed.clear()
        dirty = list(self._dirty)
        batch = dirty[:LOGS_AT_ONCE]
        if not batch:
            await self._pause(SWEEP_SECONDS - (time.monotonic() - self._swept), or_dirty=True)
            return
        started = time.monotonic()
        for each in batch:
            del self._dirty[each]
        more = await self._integrator.integrate(batch)
        self._dirty.update(dict.fromkeys(more))
        # Half of the time at most is spent here, so that the server's posts have the processor. What came in meanwhile
        # waits for the next tick: under load something always does.
        spent = time.monotonic() - started
        behind = bool(more) or len(dirty) > LOGS_AT_ONCE
        await self._pause(0.001 if behind and spent < TICK_SECONDS else max(TICK_SECONDS, spent))

    async def _sweep(self) -> None:
        after: uuid.UUID | None = uuid.UUID(int=0)
        while after is not None and not self._stop.is_set():
            async with self._ledger.db.housekeeping() as tx:
                found, after = await queries.behind(tx, after, SWEPT)
            self._dirty.update(dict.fromkeys(found))

    async def _leads(self) -> bool:
        """Tell whether this process holds the leader's lock; asks for it when nobody does."""
        if self._leader is not None and not self._leader.is_closed():
            return True
        settings = {**SESSION_SETTINGS, "application_name": "provenance log leader"}
        dsn = asyncpg_dsn(self._ledger.db.url)
        connection = await asyncpg.connect(dsn, server_settings=settings, timeout=5, command_timeout=5)
        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LEADER_LOCK):
            self._leader = connection
            return True
        await connection.close(timeout=1)
        return False

    async def _resign(self) -> None:
        if self._leader is not None:
            with contextlib.suppress(*AWAY):
                await self._leader.close(timeout=1)
            self._leader = None

    async def _pause(self, seconds: float, *, or_dirty: bool = False) -> None:
        waits = [asyncio.ensure_future(self._stop.wait())]
        if or_dirty:
            waits.append(asyncio.ensure_future(self._changed.wait()))
        await asyncio.wait(waits, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
