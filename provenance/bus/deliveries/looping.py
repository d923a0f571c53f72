"""A worker's loop over one kind of target: it looks whenever something was published or settled, and every second."""

import asyncio
import contextlib
import time
import uuid
from typing import Any

import structlog

from provenance.bus.deliveries.contract import Sender
from provenance.bus.deliveries.working import Deliverer
from provenance.bus.running import CHANNEL
from provenance.core.errors import Unavailable
from provenance.ledger.service import Ledger

LOOK_SECONDS = 1.0
AWAY_SECONDS = 2.0
TICK_SECONDS = 0.01
"""Least time between two looks, whatever happens: what comes within it is taken together."""

log: Any = structlog.get_logger("bus.deliveries")


async def deliver(ledger: Ledger, kind: str, send: Sender, stop: asyncio.Event) -> None:
    """Deliver to the targets of a kind until ``stop`` is set. Several workers share the work."""
    deliverer = Deliverer(ledger, kind, send)
    deliverer.start()

    def heard(_workspace_id: uuid.UUID | None = None) -> None:
        deliverer.ended.set()

    hints = asyncio.create_task(ledger.hints.follow(heard, heard, CHANNEL), name=f"bus-{kind}-hints")
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            deliverer.ended.clear()
            looked = time.monotonic()
            seconds = await _look(deliverer)
            ringing = asyncio.create_task(deliverer.ended.wait())
            await asyncio.wait({stopping, ringing}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            ringing.cancel()
            await asyncio.sleep(max(0.0, looked + TICK_SECONDS - time.monotonic()))
    finally:
        stopping.cancel()
        hints.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await hints
        await deliverer.stop()


async def _look(deliverer: Deliverer) -> float:
    """Take what is due in hand; return how many seconds to wait for the next look at most."""
    try:
        await deliverer.take()
    except Unavailable:
        return AWAY_SECONDS
    except Exception as error:
        log.error("deliveries_failed", exc_info=error)
        return AWAY_SECONDS
    return LOOK_SECONDS
