"""What happens when a notifiable event is recorded: it is noted with its channels, and told when it is due."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from provenance.core.clock import until
from provenance.core.db import WriteTx
from provenance.core.egress import Egress
from provenance.core.errors import Unavailable
from provenance.ledger.feed import Row, on
from provenance.ledger.service import Ledger
from provenance.notifications import service
from provenance.notifications.mailing import Courier
from provenance.notifications.schemas import NotifiableEvent
from provenance.notifications.sending import Notifier
from provenance.notifications.slack import Slack

LOOK_SECONDS = 1.0
AWAY_SECONDS = 5.0

log: Any = structlog.get_logger("notifications")


def _listener(event: str) -> Callable[[WriteTx, Row], Awaitable[None]]:
    async def note(tx: WriteTx, row: Row) -> None:
        await service.note(tx, row, event)

    note.__qualname__ = f"note.{event}"  # its cursor's name
    return note


for _event in NotifiableEvent:
    on(_event.value, start="now")(_listener(_event.value))


async def tell(ledger: Ledger, egress: Egress, slack: Slack, stop: asyncio.Event) -> None:
    """Tell what is due until ``stop`` is set. Several workers share the work: a delivery is in one's hand at a time."""
    notifier = Notifier(ledger, egress, Courier(ledger.settings.smtp_url, ledger.settings.mail_from), slack)
    try:
        while not stop.is_set():
            seconds = await _look(notifier)
            await until(stop, seconds)
    finally:
        await notifier.stop()


async def _look(notifier: Notifier) -> float:
    """Take what is due in hand; return how many seconds to wait for the next look."""
    try:
        await notifier.take()
        return LOOK_SECONDS
    except Unavailable:
        return AWAY_SECONDS
    except Exception as error:
        log.error("notifications_failed", error=type(error).__name__)
        return AWAY_SECONDS
