"""What the worker does for bridges: it takes them in hand, and forgets old dead letters."""

import asyncio
import contextlib
import time
from typing import Any

import structlog

from provenance.bus.bridges import queries
from provenance.bus.bridges.working import LEASE_SECONDS, Bridges
from provenance.bus.running import CHANNEL
from provenance.core.clock import NANOS, until
from provenance.core.egress import Egress
from provenance.core.errors import Unavailable
from provenance.ledger.service import Ledger

LOOK_SECONDS = 1.0
AWAY_SECONDS = 5.0
FORGET_SECONDS = 600.0
DEAD_NS = 14 * 24 * 3600 * NANOS
"""How long a dead letter is kept."""

log: Any = structlog.get_logger("bus.bridges")


async def run(ledger: Ledger, stop: asyncio.Event, *, lease_seconds: float = LEASE_SECONDS) -> None:
    """Run bridges until ``stop`` is set. Several workers share them: each is in one worker's hand at a time."""
    egress = Egress(ledger.settings.egress_allow)
    bridges = Bridges(ledger, egress, ledger.wakeups.channel(CHANNEL).grew, lease_seconds=lease_seconds)
    hints = asyncio.create_task(ledger.hints.follow(bridges.ring, bridges.ring), name="bridges-hints")
    forgotten = 0.0
    try:
        while not stop.is_set():
            if time.monotonic() - forgotten > FORGET_SECONDS:
                forgotten = time.monotonic()
                await _forget(ledger)
            await until(stop, await _look(bridges))
    finally:
        hints.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await hints
        await bridges.stop()
        await egress.close()


async def _look(bridges: Bridges) -> float:
    """Take what nobody has in hand; return how many seconds to wait for the next look."""
    try:
        await bridges.take()
    except Unavailable:
        return AWAY_SECONDS
    except Exception as error:
        log.error("bridges_failed", exc_info=error)
        return AWAY_SECONDS
    return LOOK_SECONDS


async def _forget(ledger: Ledger) -> None:
    with contextlib.suppress(Unavailable):
        async with ledger.db.housekeeping() as tx:
            await queries.forget_dead_letters(tx, tx.now - DEAD_NS)
