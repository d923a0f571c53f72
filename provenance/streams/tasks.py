"""What the worker does for the streams: look for something to go whenever a ledger grew, and every second."""

import asyncio
import contextlib
import uuid
from typing import Any

import structlog

from provenance.core.egress import Egress
from provenance.core.errors import Unavailable
from provenance.ledger.service import Ledger
from provenance.streams.delivering import LEASE_SECONDS, Deliveries

LOOK_SECONDS = 1.0
TICK_SECONDS = 0.1
"""Least time between two looks, whatever grows."""
AWAY_SECONDS = 5.0

log: Any = structlog.get_logger("streams")


async def run(ledger: Ledger, stop: asyncio.Event, *, lease_seconds: float = LEASE_SECONDS) -> None:
    """Deliver until ``stop`` is set. Several workers share the streams: each is in one worker's hand at a time."""
    egress = Egress(ledger.settings.egress_allow)
    deliveries = Deliveries(ledger, egress, lease_seconds=lease_seconds)
    grew = asyncio.Event()

    def heard(_workspace_id: uuid.UUID | None = None) -> None:
        grew.set()

    hints = asyncio.create_task(ledger.hints.follow(heard, heard), name="streams-hints")
    try:
        while not stop.is_set():
            grew.clear()
            deliveries.ended.clear()
            seconds = await _look(deliveries)
            await _first_of(stop.wait(), seconds=TICK_SECONDS)
            await _first_of(stop.wait(), grew.wait(), deliveries.ended.wait(), seconds=seconds)
    finally:
        hints.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await hints
        await deliveries.stop()
        await egress.close()


async def _look(deliveries: Deliveries) -> float:
    """Take what is due in hand; return how many seconds to wait for the next look at most."""
    try:
        await deliveries.take()
    except Unavailable:
        return AWAY_SECONDS
    except Exception as error:
        log.error("streams_failed", error=type(error).__name__)
        return AWAY_SECONDS
    return LOOK_SECONDS


async def _first_of(*waits: Any, seconds: float) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
