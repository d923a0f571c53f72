"""What the worker does for the completeness maps: follow the logs that grew. Any number of workers may."""

import asyncio
import contextlib
import time
import uuid
from typing import Any

import structlog

from provenance.core.clock import now_ns, until
from provenance.core.db import AWAY
from provenance.core.errors import Unavailable
from provenance.ledger.completeness import queries
from provenance.ledger.completeness.errors import RowsMissing
from provenance.ledger.completeness.following import HOUR, Follower, Progress
from provenance.ledger.service import Ledger

TICK_SECONDS = 1.0
"""The map is built a batch at a time: what came in within a second costs little more than a single row."""
REST_TIMES, LONGEST_REST_SECONDS = 15, 3.0
"""How many times as long as a round took the next one waits, and at most: most of a busy map's price is the buckets it
writes anew, and rows that come within one round share them."""
SWEEP_SECONDS = 60.0
SWEPT = 1_000
AWAY_SECONDS = 2.0
_AWAY = (Unavailable, *AWAY)

log: Any = structlog.get_logger("ledger.completeness")


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Follow until ``stop`` is set."""
    await _Loop(ledger, Follower(ledger), stop).run()


class _Loop:
    """The follower's loop: hints and a sweep each minute say whose logs grew."""

    def __init__(self, ledger: Ledger, follower: Follower, stop: asyncio.Event) -> None:
        self._ledger = ledger
        self._follower = follower
        self._stop = stop
        self._dirty: set[uuid.UUID] = set()
        self._swept = float("-inf")

    async def run(self) -> None:
        hints = asyncio.create_task(self._ledger.hints.follow(self._dirty.add, self._unsure), name="map-hints")
        try:
            while not self._stop.is_set():
                started = time.monotonic()
                behind = await self._survive()
                spent = time.monotonic() - started
                # While it catches up some time is left to the other loops of this process.
                await self._pause(spent / 4 if behind else _rest(spent))
        finally:
            hints.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await hints

    def _unsure(self) -> None:
        self._swept = float("-inf")

    async def _survive(self) -> bool:
        """Do one round; a failure is logged, for the worker outlives its database."""
        try:
            return await self._round()
        except _AWAY as error:
            log.warning("database_away", error=type(error).__name__, retry_seconds=AWAY_SECONDS)
            self._unsure()
            await self._pause(AWAY_SECONDS)
            return False

    async def _round(self) -> bool:
        """Make one step of each map that has something to do; whether there is more to be done at once."""
        if time.monotonic() - self._swept >= SWEEP_SECONDS:
            self._swept = time.monotonic()
            await self._sweep()
        batch, unfinished = sorted(self._dirty), dict[uuid.UUID, Progress]()
        self._dirty.clear()
        for workspace_id in batch:
            if self._stop.is_set():
                return False
            progress = await self._step(workspace_id)
            if progress is not Progress.DONE:
                unfinished[workspace_id] = progress
        self._dirty.update(unfinished)
        return Progress.MORE in unfinished.values()

    async def _step(self, workspace_id: uuid.UUID) -> Progress:
        """Make one step; a map that can't be followed holds up no other, and is tried again at the next sweep."""
        try:
            return await self._follower.follow(workspace_id)
        except RowsMissing as missing:
            log.error("rows_missing", workspace=str(workspace_id), reason=str(missing))
        except _AWAY:
            raise
        except Exception:
            log.exception("following_failed", workspace=str(workspace_id))
        return Progress.DONE

    async def _sweep(self) -> None:
        after: uuid.UUID | None = uuid.UUID(int=0)
        while after is not None and not self._stop.is_set():
            async with self._ledger.db.housekeeping() as tx:
                found, after = await queries.behind(tx, after, SWEPT, now_ns() - HOUR)
            self._dirty.update(found)

    async def _pause(self, seconds: float) -> None:
        await until(self._stop, max(0.001, seconds))


def _rest(spent: float) -> float:
    """Return how many seconds to leave a map alone after a round that took so many and caught up."""
    return max(TICK_SECONDS - spent, min(REST_TIMES * spent, LONGEST_REST_SECONDS), spent)
