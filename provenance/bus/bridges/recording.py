"""How a bridge in hand stands, and what the ledger is told of it: that it fails, and that it is well again."""

from provenance.audit import service as audit
from provenance.bus.bridges import queries
from provenance.bus.bridges.errors import Lost
from provenance.bus.bridges.schemas import PREFIX, Claim
from provenance.bus.events import BusEvent
from provenance.core.clock import NANOS
from provenance.core.db import WriteTx
from provenance.core.ids import encode

FAILING_AFTER = 5
"""Failures in a row after which it is recorded that a bridge is failing."""
LONGEST_BACKOFF_SECONDS = 60.0


async def hold(tx: WriteTx, claim: Claim, **values: object) -> None:
    """Change the state of a bridge in hand. Raises Lost, so that nothing of the transaction is committed."""
    if not await queries.set_held(tx, claim, **values):
        raise Lost


async def failed(tx: WriteTx, claim: Claim, said: str) -> None:
    """Let a bridge go that failed: it is tried again after a while, the longer the more often it failed."""
    found = await queries.held(tx, claim)
    if found is None:
        return
    failures = found[1].failures + 1
    due_at = tx.now + int(backoff(failures) * NANOS)
    released = {"lease": None, "leased_until": 0, "connected": False, "due_at": due_at}
    await queries.set_held(tx, claim, **released, failures=failures, said=said, failed_at=tx.now)
    if failures == FAILING_AFTER:
        data = {"name": found[0].name, "failures": failures, "said": said}
        wire_id = encode(PREFIX, claim.bridge_id)
        audit.record(tx, BusEvent.DELIVERY_FAILED, wire_id, data, risk=audit.Risk.MEDIUM, outcome="failure")


async def recovered(tx: WriteTx, claim: Claim) -> None:
    """Note that a bridge works; record it if it was said that it fails."""
    found = await queries.held(tx, claim)
    if found is None or found[1].failures == 0:
        return
    await queries.set_held(tx, claim, failures=0)
    if found[1].failures >= FAILING_AFTER:
        data = {"name": found[0].name, "failures": found[1].failures}
        audit.record(tx, BusEvent.DELIVERY_RECOVERED, encode(PREFIX, claim.bridge_id), data)


def backoff(failures: int) -> float:
    """Return how many seconds to wait after so many failures in a row: 0.5, 1, 2 … 60."""
    return min(LONGEST_BACKOFF_SECONDS, 0.5 * 2.0 ** min(failures - 1, 16))
