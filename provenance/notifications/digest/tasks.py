"""What the worker does for the digests: every few seconds it sends those that are due."""

import asyncio
from typing import Any

import structlog

from provenance.core.clock import until
from provenance.core.errors import Unavailable
from provenance.ledger.service import Ledger
from provenance.notifications.digest.sending import AT_ONCE, LEASE_SECONDS, Digests
from provenance.notifications.mailing import Courier

LOOK_SECONDS = 5.0

log: Any = structlog.get_logger("notifications.digest")


async def run(ledger: Ledger, stop: asyncio.Event, *, lease_seconds: float = LEASE_SECONDS) -> None:
    """Send until ``stop`` is set. Several workers share the work: a digest is in one worker's hand at a time."""
    courier = Courier(ledger.settings.smtp_url, ledger.settings.mail_from)
    digests = Digests(ledger, courier, lease_seconds=lease_seconds)
    while not stop.is_set():
        seconds = min(LOOK_SECONDS, lease_seconds)
        try:
            seconds = 0.0 if await digests.send_due() == AT_ONCE else seconds
        except Unavailable:
            log.warning("database_away")
        except Exception as error:
            log.error("digests_failed", error=type(error).__name__)
        await until(stop, seconds)
