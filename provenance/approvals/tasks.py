"""What happens later: overdue decisions are looked for, and who left is taken off what they were asked."""

import asyncio
from typing import Any

import structlog

from provenance.approvals import leaving, overdue, queries
from provenance.approvals.grants import service as grants
from provenance.approvals.links import making as links
from provenance.core.clock import until
from provenance.core.db import WriteTx
from provenance.core.errors import Unavailable
from provenance.engine.running import CHANNEL
from provenance.engine.service import Hints
from provenance.ledger.feed import Row, on
from provenance.ledger.service import Ledger

LOOK_SECONDS = 5.0
AT_ONCE = 200

log: Any = structlog.get_logger("approvals")


@on("member.removed")
async def member_removed(tx: WriteTx, row: Row) -> None:
    """Ask others in the place of somebody who was removed, and end their grants and links."""
    await _left(tx, row.resource_id or "")


@on("member.erased")
async def member_erased(tx: WriteTx, row: Row) -> None:
    """Ask others in the place of somebody who was erased, and end their grants and links."""
    await _left(tx, row.resource_id or "")


async def _left(tx: WriteTx, user_id: str) -> None:
    await leaving.reassign(tx, user_id)
    await grants.revoke_of(tx, user_id)
    await links.end_of(tx, user_id)


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Look every five seconds, until ``stop`` is set. Several workers don't get in each other's way."""
    hints = ledger.wakeups.channel(CHANNEL)
    while not stop.is_set():
        if await _look_safely(ledger, hints) < AT_ONCE:
            await until(stop, LOOK_SECONDS)


async def _look_safely(ledger: Ledger, hints: Hints) -> int:
    try:
        return await look(ledger, hints)
    except Unavailable:
        log.warning("database_away")
    except Exception as error:
        log.error("approvals_not_looked_after", error=type(error).__name__)
    return 0


async def look(ledger: Ledger, hints: Hints) -> int:
    """See to what is overdue, the oldest first; return how much that was."""
    async with ledger.db.housekeeping() as tx:
        found = await queries.overdue(tx, AT_ONCE)
    for each in found:
        keys = await ledger.keyring.of(each.workspace_id)
        async with ledger.db.housekeeping(each.workspace_id) as tx:
            await overdue.breach(tx, keys, hints, each.id)
    return len(found)
