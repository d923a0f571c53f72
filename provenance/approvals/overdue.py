"""What the clock does with approvals: a decision that is overdue is told, and what its step says happens then."""

import uuid
from typing import Any

from sqlalchemy import Row

from provenance.approvals import queries
from provenance.approvals.asking import approve_by_rule, end, reject_by_rule
from provenance.approvals.schemas import ApprovalEvent, OnBreach, Risk, Status
from provenance.approvals.settling import record
from provenance.core.clock import iso_millis
from provenance.core.db import WriteTx
from provenance.core.keyring import WorkspaceKeys
from provenance.engine import service as engine_service
from provenance.engine.errors import AlreadyResolved
from provenance.engine.service import Hints

NEVER_BY_DELAY = frozenset({Risk.HIGH, Risk.CRITICAL})


async def breach(tx: WriteTx, keys: WorkspaceKeys, hints: Hints, approval_id: uuid.UUID) -> None:
    """Tell that a decision is overdue and do what follows; nothing when it was decided meanwhile."""
    seen = await queries.one(tx, approval_id)
    if seen is None:
        return
    try:
        await engine_service.hold_run(tx, seen.token)
    except AlreadyResolved:
        await _nobody_waits(tx, approval_id)
        return
    row = await queries.lock(tx, approval_id)
    if row.status != Status.PENDING or row.breached_at is not None or row.due_at > tx.now:
        return
    row = await queries.change(tx, approval_id, breached_at=tx.now)
    data = {"dueAt": iso_millis(row.due_at), "onBreach": row.on_breach, "assignees": list(row.assignees)}
    record(tx, ApprovalEvent.SLA_BREACH, row, data)
    await _follow(tx, keys, hints, row)


async def _follow(tx: WriteTx, keys: WorkspaceKeys, hints: Hints, row: Row[Any]) -> None:
    """Do what the step says for an overdue decision."""
    if row.on_breach == OnBreach.ESCALATE:
        await escalate(tx, row)
    elif row.on_breach == OnBreach.REJECT:
        await reject_by_rule(tx, keys, row, "sla:reject")
        engine_service.wake(tx, hints)
    elif row.on_breach == OnBreach.APPROVE and Risk(row.risk) not in NEVER_BY_DELAY and not row.passkey:
        await approve_by_rule(tx, keys, row, "sla:approve")
        engine_service.wake(tx, hints)


async def escalate(tx: WriteTx, row: Row[Any]) -> Row[Any]:
    """Ask those besides to whom the step escalates; the statement names them from the start."""
    wanted = list(dict.fromkeys([*row.assignees, *row.escalate_to]))
    if wanted == list(row.assignees):
        return row
    row = await queries.change(tx, row.id, assignees=wanted)
    record(tx, ApprovalEvent.ESCALATED, row, {"to": list(row.escalate_to), "assignees": wanted})
    return row


async def _nobody_waits(tx: WriteTx, approval_id: uuid.UUID) -> None:
    """Cancel a request whose run has ended without taking it back."""
    row = await queries.lock(tx, approval_id)
    if row.status == Status.PENDING:
        await end(tx, row, Status.CANCELLED)
