"""What becomes of a request that waits for somebody who is no member any more: it goes to the others, or to all."""

import uuid

from provenance.approvals import asking, queries
from provenance.approvals.overdue import escalate
from provenance.approvals.schemas import ApprovalEvent, Risk, Status
from provenance.approvals.settling import record, statement_of
from provenance.core.db import WriteTx
from provenance.engine import service as engine_service
from provenance.engine.errors import AlreadyResolved
from provenance.workspace import service as workspaces

AT_ONCE = 200


async def reassign(tx: WriteTx, user_id: str) -> int:
    """Take somebody off every pending request; one that then names nobody goes to the defaults. Returns how many."""
    done = 0
    after: tuple[uuid.UUID, uuid.UUID] | None = None
    while found := await queries.pending_assigned_to(tx, f"user:{user_id}", after, AT_ONCE):
        for each in found:
            done += await _reassign(tx, each.id, each.token, f"user:{user_id}")
        after = found[-1].run_id, found[-1].id
    return done


async def _reassign(tx: WriteTx, approval_id: uuid.UUID, token: str, gone: str) -> bool:
    try:
        await engine_service.hold_run(tx, token)
    except AlreadyResolved:
        return False
    row = await queries.lock(tx, approval_id)
    if row.status != Status.PENDING or gone not in row.assignees:
        return False
    others = [each for each in row.assignees if each != gone]
    if not others:
        defaults = (await workspaces.approval_rules(tx)).default_approvers
        others = [each for each in defaults if each != gone] or list(asking.NOBODY_NAMED)
    voided = [each.decided_by for each in await queries.decisions(tx, row.id, row.payload_revision)]
    row = await queries.change(tx, row.id, assignees=others, payload_revision=row.payload_revision + 1)
    await queries.insert_revision(tx, row)
    statement = await statement_of(tx, row)
    data = {"gone": [gone], "assignees": others, "voided": voided, "statementDigest": statement.digest}
    record(tx, ApprovalEvent.REASSIGNED, row, data, risk="high")
    if Risk(row.risk) is Risk.CRITICAL:
        await escalate(tx, row)
    return True
