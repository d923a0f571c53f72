"""Throwing away messages whose time is over (spec/automation.md, 12: bus messages by TTL)."""

from provenance.bus.inbound import queries as inbound
from provenance.bus.messages import queries as messages
from provenance.core.clock import NANOS
from provenance.core.db import Database

READABLE_NS = 24 * 3600 * NANOS
"""How long a message can still be read after it ran out."""
DEAD_NS = 14 * 24 * 3600 * NANOS
"""How long a dead letter waits to be redriven."""
CHUNK = 1_000


async def forget_old(db: Database) -> bool:
    """Throw away a thousand messages whose time is over, and marks of arrivals; tell whether there may be more."""
    async with db.housekeeping() as tx:
        gone = await messages.forget_old(tx, tx.now - READABLE_NS, tx.now - DEAD_NS, CHUNK)
        await inbound.forget_old(tx, tx.now - READABLE_NS)
    return gone == CHUNK
