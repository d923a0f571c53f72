"""What the worker does for letters: it keeps one for everybody who is asked, and sends what is due."""

import asyncio
from typing import Any

import structlog

from provenance.approvals.letters import service
from provenance.approvals.letters.schemas import Occasion
from provenance.approvals.letters.sending import AT_ONCE, Postman
from provenance.approvals.schemas import ApprovalEvent
from provenance.core.clock import until
from provenance.core.db import WriteTx
from provenance.core.errors import Unavailable
from provenance.ledger.feed import Row, on
from provenance.ledger.service import Ledger
from provenance.notifications.mailing import Courier

LOOK_SECONDS = 1.0
AWAY_SECONDS = 5.0

log: Any = structlog.get_logger("approvals.letters")


@on(ApprovalEvent.REQUESTED, start="now")
async def requested(tx: WriteTx, row: Row) -> None:
    """Tell those of whom an approval is asked."""
    await service.tell(tx, row, ApprovalEvent.REQUESTED, Occasion.REQUESTED)


@on(ApprovalEvent.SLA_BREACH, start="now")
async def overdue(tx: WriteTx, row: Row) -> None:
    """Tell those who did not decide in time."""
    await service.tell(tx, row, ApprovalEvent.SLA_BREACH, Occasion.OVERDUE)


@on(ApprovalEvent.ESCALATED, start="now")
async def escalated(tx: WriteTx, row: Row) -> None:
    """Tell those to whom an approval escalated."""
    await service.tell(tx, row, ApprovalEvent.ESCALATED, Occasion.ESCALATED)


@on(ApprovalEvent.PAYLOAD_EDITED, start="now")
async def changed(tx: WriteTx, row: Row) -> None:
    """Tell those who are asked that it is something else by now."""
    await service.tell(tx, row, ApprovalEvent.PAYLOAD_EDITED, Occasion.CHANGED)


@on(ApprovalEvent.REASSIGNED, start="now")
async def reassigned(tx: WriteTx, row: Row) -> None:
    """Tell those who are asked in the place of somebody who left."""
    await service.tell(tx, row, ApprovalEvent.REASSIGNED, Occasion.CHANGED)


for _event in (
    ApprovalEvent.APPROVED,
    ApprovalEvent.REJECTED,
    ApprovalEvent.AUTO_APPROVED,
    ApprovalEvent.CANCELLED,
    ApprovalEvent.EXPIRED,
):

    async def _settled(tx: WriteTx, row: Row) -> None:
        await service.settled(tx, row)

    _settled.__qualname__ = f"settled.{_event}"  # its cursor's name
    on(_event, start="now")(_settled)


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Send what is due until ``stop`` is set. Several workers share the work: a letter is in one's hand at a time."""
    postman = Postman(ledger, Courier(ledger.settings.smtp_url, ledger.settings.mail_from))
    while not stop.is_set():
        await until(stop, await _look(postman))


async def _look(postman: Postman) -> float:
    """Send what is due; return how many seconds to wait for the next look."""
    try:
        return 0.0 if await postman.deliver() == AT_ONCE else LOOK_SECONDS
    except Unavailable:
        log.warning("database_away")
    except Exception as error:
        log.error("letters_not_sent", error=type(error).__name__)
    return AWAY_SECONDS
