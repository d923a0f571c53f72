"""The verbs of approvals besides decisions: read, change, comment (spec/automation.md, rows 78 to 80 and 83)."""

import uuid
from typing import Any

import msgspec
from sqlalchemy import Row

from provenance.approvals import holding, policy, queries, rendering, revising
from provenance.approvals.schemas import (
    COMMENT_PREFIX,
    Approval,
    ApprovalEvent,
    Approvals,
    ApprovalUpdate,
    CommentCreate,
    CommentShown,
    Filters,
)
from provenance.approvals.settling import record, statement_of
from provenance.core import cursors, ids
from provenance.core.clock import NANOS, iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.keyring import WorkspaceKeys

COMMENTS_SHOWN = 500


class _Below(msgspec.Struct):
    id: uuid.UUID


# Reading


async def page(tx: ReadTx, keys: WorkspaceKeys, filters: Filters, *, limit: int, cursor: str | None) -> Approvals:
    """Return a page of approvals, newest first. Raises BadCursor."""
    mine = policy.assigned_as(tx.actor) if filters.assignee == "me" else None
    bound = cursors.binding("approvals", filters.model_dump(mode="json"), mine)
    before = None if cursor is None else cursors.read(keys, bound, cursor, _Below).id
    workflow_id, run_id = _named("wf", filters.workflow_id), _named("run", filters.run_id)
    rows = await queries.page(
        tx,
        before,
        limit + 1,
        assigned_as=mine,
        status=filters.status and filters.status.value,
        risk=filters.risk and filters.risk.value,
        workflow_id=workflow_id,
        run_id=run_id,
    )
    shown = rows[:limit]
    following = cursors.write(keys, bound, {"id": str(shown[-1].id)}) if len(rows) > limit else None
    return Approvals(items=[rendering.listed(row) for row in shown], next_cursor=following)


def _named(prefix: str, text: str | None) -> uuid.UUID | None:
    """Read an id of a filter; one that is none matches nothing."""
    return None if text is None else ids.decode(prefix, text) or uuid.UUID(int=0)


async def get(tx: ReadTx, approval_id: str) -> Approval:
    """Return an approval with everything. Raises ApprovalNotFound."""
    return await _detail(tx, await holding.found(tx, approval_id))


async def _detail(tx: ReadTx, row: Row[Any]) -> Approval:
    original = await queries.revision(tx, row.id, 1)
    return rendering.whole(
        row,
        await statement_of(tx, row),
        original or row.payload,
        await queries.decisions(tx, row.id),
        await queries.comments(tx, row.id, COMMENTS_SHOWN),
    )


# Changing


async def update(tx: WriteTx, approval_id: str, asked: ApprovalUpdate) -> Approval:
    """Change the payload, the assignees or the time allowed; another payload or assignees void the decisions so far.

    Raises ApprovalNotFound, NotReviewer, AlreadyDecided, PayloadUnfit, UnknownAssignee.
    """
    row = await holding.held(tx, approval_id)
    columns: dict[str, Any] = {}
    if "payload" in asked.model_fields_set:
        columns |= revising.other_payload(row, asked.payload)
    if asked.assignees is not None:
        columns |= await revising.other_assignees(tx, row, asked.assignees)
    if columns:
        row = await revising.next_revision(tx, row, columns)
    if asked.sla_minutes is not None and asked.sla_minutes != row.sla_minutes:
        row = await _other_sla(tx, row, asked.sla_minutes)
    return await _detail(tx, row)


async def _other_sla(tx: WriteTx, row: Row[Any], minutes: int) -> Row[Any]:
    due_at = row.requested_at + minutes * 60 * NANOS
    told_again = None if due_at > tx.now else row.breached_at
    before = row.sla_minutes
    row = await queries.change(tx, row.id, sla_minutes=minutes, due_at=due_at, breached_at=told_again)
    record(tx, ApprovalEvent.UPDATED, row, {"changes": {"slaMinutes": [before, minutes]}})
    return row


async def comment(tx: WriteTx, approval_id: str, asked: CommentCreate) -> CommentShown:
    """Add a remark; it stays possible after the decision. Raises ApprovalNotFound."""
    row = await holding.found(tx, approval_id)
    comment_id = ids.new_uuid()
    await queries.insert_comment(tx, row.id, comment_id, asked.text)
    shown = ids.encode(COMMENT_PREFIX, comment_id)
    record(tx, ApprovalEvent.COMMENTED, row, {"commentId": shown}, risk="low")
    return CommentShown(comment_id=shown, author=tx.actor.id, text=asked.text, created_at=iso_millis(tx.now))
