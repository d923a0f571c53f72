"""An approval in hand: found, still open, locked behind its run; and a state of it that a decision may be on."""

from typing import Any

import msgspec
from sqlalchemy import Row

from provenance.approvals import policy, queries
from provenance.approvals.differing import differences, told
from provenance.approvals.errors import AlreadyDecided, ApprovalNotFound, NotReviewer, StalePayload
from provenance.approvals.schemas import PREFIX, Status
from provenance.core import ids
from provenance.core.db import ReadTx, WriteTx
from provenance.engine.errors import AlreadyResolved


async def found(tx: ReadTx, approval_id: str) -> Row[Any]:
    """Return an approval. Raises ApprovalNotFound."""
    known = ids.decode(PREFIX, approval_id)
    row = None if known is None else await queries.one(tx, known)
    if row is None:
        raise ApprovalNotFound
    return row


async def held(tx: WriteTx, approval_id: str) -> Row[Any]:
    """Return a pending approval of the actor's to decide, with its run and itself locked, in this order.

    Raises ApprovalNotFound, NotReviewer, AlreadyDecided, AlreadyResolved.
    """
    known = ids.decode(PREFIX, approval_id)
    row = None if known is None else await queries.lock_behind_run(tx, known)
    if row is None:
        raise ApprovalNotFound
    ensure_open(tx, row)
    if not row.goes_on:
        raise AlreadyResolved
    return row


def ensure_open(tx: ReadTx, row: Row[Any]) -> None:
    """Let through who may decide what is not decided yet. Raises NotReviewer and AlreadyDecided."""
    if not policy.may_decide(tx.actor, row.assignees):
        raise NotReviewer
    if row.status != Status.PENDING:
        raise AlreadyDecided(row.status)
    if row.expires_at is not None and row.expires_at <= tx.now:
        raise AlreadyDecided(Status.EXPIRED)


async def ensure_seen(tx: ReadTx, row: Row[Any], seen: int | None) -> None:
    """Refuse a decision on another state than the current one, and say how they differ. Raises StalePayload."""
    if seen is None or seen == row.payload_revision:
        return
    older = await queries.revision(tx, row.id, seen)
    if older is None:
        raise StalePayload(seen, row.payload_revision, ())
    changes = differences(msgspec.json.decode(older), msgspec.json.decode(row.payload))
    raise StalePayload(seen, row.payload_revision, told(changes))
