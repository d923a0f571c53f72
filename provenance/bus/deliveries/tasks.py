"""What the worker does for the bus: it posts to webhooks, and throws away what ran out."""

import asyncio
from typing import Any

import structlog

from provenance.bus.deliveries.looping import deliver
from provenance.bus.deliveries.upkeep import forget_old
from provenance.bus.deliveries.webhook import Webhooks
from provenance.core.clock import until
from provenance.core.egress import Egress
from provenance.ledger.service import Ledger

PAUSE_SECONDS = 60.0

log: Any = structlog.get_logger("bus")


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Post and throw away until ``stop`` is set."""
    egress = Egress(ledger.settings.egress_allow)
    webhooks = Webhooks(ledger, egress)
    upkeep = asyncio.create_task(_throw_away(ledger, stop), name="bus-upkeep")
    try:
        await deliver(ledger, "webhook", webhooks, stop)
    finally:
        upkeep.cancel()
        await asyncio.gather(upkeep, return_exceptions=True)
        await webhooks.close()
        await egress.close()


async def _throw_away(ledger: Ledger, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            while await forget_old(ledger.db):
                pass
        except Exception as error:
            log.warning("upkeep_failed", error=type(error).__name__)
        await until(stop, PAUSE_SECONDS)
