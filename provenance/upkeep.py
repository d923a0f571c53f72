"""What the worker throws away when its time is over: what is kept to tell repeats, buckets that are full again."""

import asyncio
from typing import Any

import structlog

from provenance.core.clock import until
from provenance.core.idempotency import forget_old
from provenance.core.limits import forget_full
from provenance.ledger.service import Ledger
from provenance.runs.webhooks.service import forget_old as forget_old_deliveries

PAUSE_SECONDS = 300.0

log: Any = structlog.get_logger("upkeep")


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Throw away every five minutes, until ``stop`` is set."""
    while not stop.is_set():
        try:
            while await forget_old(ledger.db):
                pass
            while await forget_old_deliveries(ledger.db):
                pass
            await forget_full(ledger.db)
        except Exception as error:
            log.warning("upkeep_failed", error=type(error).__name__)
        await until(stop, PAUSE_SECONDS)
