"""What happens when a notifiable event is recorded: it is noted with its channels, and told when it is due."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from provenance.core.clock import until
from provenance.core.db import ReadTx, WriteTx
from provenance.core.egress import Egress
from provenance.core.errors import Unavailable
from provenance.ledger.feed import Row, on_batch
from provenance.ledger.service import Ledger
from provenance.notifications import queries, service
from provenance.notifications.mailing import Courier
from provenance.notifications.schemas import NotifiableEvent
from provenance.notifications.sending import Notifier
from provenance.notifications.slack import Slack

LOOK_SECONDS = 1.0
AWAY_SECONDS = 5.0

log: Any = structlog.get_logger("notifications")


def _listener(event: str) -> Callable[[WriteTx, list[Row]], Awaitable[None]]:
    async def note(tx: WriteTx, rows: list[Row]) -> None:
        await service.note(tx, rows, event)

    note.__qualname__ = f"note.{event}"  # its cursor's name
    return note


def _told(event: str) -> Callable[[ReadTx], Awaitable[bool]]:
    async def told(tx: ReadTx) -> bool:
        return await queries.any_rule(tx, event)

    return told


for _event in NotifiableEvent:
    on_batch(_event.value, start="now", wanted=_told(_event.value))(_listener(_event.value))


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
