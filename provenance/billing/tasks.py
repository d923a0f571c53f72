"""What the clock does for billing: usage is counted every minute, subscriptions are asked for every five."""

import asyncio
import uuid
from typing import Any

import structlog

from provenance.billing import queries, service
from provenance.billing.paying import Payments
from provenance.core.clock import NANOS, until
from provenance.core.db import Database
from provenance.core.egress import Egress
from provenance.core.errors import Unavailable
from provenance.ledger.service import Ledger

LOOK_SECONDS = 60.0
ASK_NS = 300 * NANOS
AT_ONCE = 200

log: Any = structlog.get_logger("billing")


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Count and ask until ``stop`` is set. Several workers don't get in each other's way."""
    egress = Egress(ledger.settings.egress_allow)
    payments = Payments.of(ledger.settings, egress)
    try:
        while not stop.is_set():
            try:
                await count_all(ledger.db)
                if payments is not None:
                    await ask_all(ledger.db, payments)
            except Unavailable as error:
                log.warning("billing_waits", code=error.code)
            except Exception as error:
                log.error("billing_failed", error=type(error).__name__)
            await until(stop, LOOK_SECONDS)
    finally:
        await egress.close()


async def count_all(db: Database) -> None:
    """Count what every workspace recorded since it was last counted."""
    after, more = uuid.UUID(int=0), True
    while more:
        async with db.housekeeping() as tx:
            found = await queries.behind(tx, after, AT_ONCE)
        for workspace_id in found:
            await service.count(db, workspace_id)
        more = len(found) == AT_ONCE
        after = found[-1] if found else after


async def ask_all(db: Database, payments: Payments) -> None:
    """Ask how the subscriptions stand that were not asked for in the last five minutes."""
    async with db.housekeeping() as tx:
        found = await queries.customers(tx, tx.now - ASK_NS, AT_ONCE)
    for workspace_id in found:
        await service.refresh(db, payments, workspace_id)
