"""What the worker does for inboxes: it forgets what is old and who left, and mails the digests that are due."""

import asyncio
from typing import Any

import structlog

from provenance.core.clock import until
from provenance.core.db import WriteTx
from provenance.core.errors import Unavailable
from provenance.ledger.feed import Row, on
from provenance.ledger.service import Ledger
from provenance.notifications.inbox import service
from provenance.notifications.inbox.mailing import AT_ONCE, InboxDigests
from provenance.notifications.mailing import Courier

LOOK_SECONDS = 5.0

log: Any = structlog.get_logger("notifications.inbox")


@on("member.removed")
async def member_removed(tx: WriteTx, row: Row) -> None:
    """Forget the inbox of somebody who was removed."""
    await service.forget_person(tx, row.resource_id or "")


@on("member.erased")
async def member_erased(tx: WriteTx, row: Row) -> None:
    """Forget the inbox of somebody who was erased."""
    await service.forget_person(tx, row.resource_id or "")


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Mail digests and forget what is old, until ``stop`` is set."""
    digests = InboxDigests(ledger, Courier(ledger.settings.smtp_url, ledger.settings.mail_from))
    while not stop.is_set():
        await until(stop, 0.0 if await _look(ledger, digests) else LOOK_SECONDS)


async def _look(ledger: Ledger, digests: InboxDigests) -> bool:
    """Do what is due; tell whether there may be more at once."""
    try:
        return await digests.send_due() == AT_ONCE or await service.forget_old(ledger.db)
    except Unavailable:
        log.warning("database_away")
    except Exception as error:
        log.error("inboxes_not_looked_after", error=type(error).__name__)
    return False
