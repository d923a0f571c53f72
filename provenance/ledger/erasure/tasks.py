"""What the worker does for erasure: the jobs, the clean-up after them, retention once a day; one leader at a time."""

import asyncio
import contextlib
import time
from typing import Any

import asyncpg
import structlog

from provenance.core.clock import NANOS, now_ns, until
from provenance.core.db import AWAY, SESSION_SETTINGS, asyncpg_dsn
from provenance.core.errors import Unavailable
from provenance.ledger.erasure import queries, working
from provenance.ledger.erasure.cleaning import StillSeen
from provenance.ledger.erasure.retention import queries as policies
from provenance.ledger.erasure.schemas import Status
from provenance.ledger.service import Ledger

POLL_SECONDS = 1.0
AWAY_SECONDS = 5.0
HELD_SECONDS = 60.0
RETENTION_SECONDS = 600.0
RETENTION_EVERY = 86_400 * NANOS
_LEADER_LOCK = 7_300_000_005

log: Any = structlog.get_logger("ledger.erasure")


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Work on erasures until ``stop`` is set. Of several workers one does it; another takes over when it is gone."""
    while not stop.is_set():
        try:
            await _lead(ledger, stop)
        except (Unavailable, StillSeen, *AWAY) as error:
            log.warning("erasure_waits", error=str(error), retry_seconds=AWAY_SECONDS)
        except Exception:
            log.exception("erasure_failed")
        await until(stop, AWAY_SECONDS)


async def _lead(ledger: Ledger, stop: asyncio.Event) -> None:
    """Hold the leader's lock and work; returns at once when another worker holds it."""
    settings = {**SESSION_SETTINGS, "application_name": "provenance erasure leader"}
    dsn = asyncpg_dsn(ledger.db.url)
    leader = await asyncpg.connect(dsn, server_settings=settings, timeout=5, command_timeout=5)
    try:
        if not await leader.fetchval("SELECT pg_try_advisory_lock($1)", _LEADER_LOCK):
            return
        round_ = _Rounds(ledger, stop)
        while not stop.is_set() and not leader.is_closed():
            await round_.work()
            await until(stop, POLL_SECONDS)
    finally:
        with contextlib.suppress(*AWAY):
            await leader.close(timeout=1)


class _Rounds:
    """What a leader remembers between its rounds: when it last looked at holds and at policies."""

    def __init__(self, ledger: Ledger, stop: asyncio.Event) -> None:
        self._ledger = ledger
        self._stop = stop
        self._looked: dict[str, float] = {}

    async def work(self) -> None:
        if self._due("retention", RETENTION_SECONDS):
            await retain_all(self._ledger)
        await work(self._ledger, self._stop, held=self._due("held", HELD_SECONDS))

    def _due(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now - self._looked.get(what, float("-inf")) < seconds:
            return False
        self._looked[what] = now
        return True


async def work(ledger: Ledger, stop: asyncio.Event, *, held: bool = True) -> None:
    """Do every erasure that waits (``held``: those that a hold stopped too), clean up, certify."""
    waiting = await queries.unfinished(ledger.db)
    for workspace_id, erasure_id, status in waiting:
        if status == Status.ERASING or (held and status == Status.HELD):
            await working.erase(ledger, workspace_id, erasure_id, stop)
    if not waiting:
        return
    done = [(each[0], each[1]) for each in await queries.unfinished(ledger.db) if each[2] == Status.CLEANING]
    if done and not stop.is_set():
        await working.finish(ledger, done)


async def retain_all(ledger: Ledger) -> None:
    """Begin what retention has to do in every workspace that was not looked at for a day."""
    async with ledger.db.housekeeping() as tx:
        due = await policies.due(tx, now_ns() - RETENTION_EVERY)
    for workspace_id in due:
        await working.retain(ledger, workspace_id)
