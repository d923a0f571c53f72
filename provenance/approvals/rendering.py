"""Approvals as they read on the wire."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row

from provenance.approvals.binding import Statement
from provenance.approvals.differing import MISSING, Difference, differences
from provenance.approvals.schemas import (
    COMMENT_PREFIX,
    Approval,
    Approver,
    Change,
    CommentShown,
    Decision,
    Escalation,
    EvidenceItem,
    OnBreach,
    Risk,
    Status,
    Summary,
)
from provenance.approvals.settling import wire_id
from provenance.core.clock import iso_millis
from provenance.core.ids import encode


def moment(ns: int | None) -> str | None:
    """Write a moment that may not have come."""
    return None if ns is None else iso_millis(ns)


def _members(row: Row[Any]) -> dict[str, Any]:
    escalates = row.on_breach == OnBreach.ESCALATE
    return {
        "approval_id": wire_id(row.id),
        "workspace_id": encode("ws", row.workspace_id),
        "run_id": encode("run", row.run_id),
        "step_id": row.step_id,
        "step_key": row.step_key,
        "workflow_id": encode("wf", row.workflow_id),
        "workflow_name": row.workflow_name,
        "workflow_version": row.version,
        "environment": row.environment,
        "title": row.title,
        "action": row.action,
        "summary": row.summary,
        "risk": Risk(row.risk),
        "status": Status(row.status),
        "assignees": [Approver.parse(each) for each in row.assignees],
        "required_approvals": row.required,
        "require_passkey": row.passkey,
        "payload_revision": row.payload_revision,
        "sla_minutes": row.sla_minutes,
        "due_at": iso_millis(row.due_at),
        "expires_at": moment(row.expires_at),
        "breached_at": moment(row.breached_at),
        "on_breach": OnBreach(row.on_breach),
        "escalation": Escalation(to=[Approver.parse(each) for each in row.escalate_to], after_minutes=row.sla_minutes)
        if escalates
        else None,
        "started_by": row.started_by,
        "requested_at": iso_millis(row.requested_at),
        "updated_at": iso_millis(row.updated_at),
        "decided_at": moment(row.decided_at),
        "approved_by": row.decided_by if row.status == Status.APPROVED else None,
        "rejected_by": row.decided_by if row.status == Status.REJECTED else None,
        "via_grant_id": None if row.via_grant_id is None else encode("grant", row.via_grant_id),
    }


def listed(row: Row[Any]) -> Summary:
    """Return an approval as lists show it."""
    return Summary(**_members(row))


def whole(
    row: Row[Any],
    statement: Statement,
    original: str,
    decisions: Iterable[Row[Any]],
    comments: Sequence[Row[Any]],
) -> Approval:
    """Return an approval with everything; ``original`` is the payload as it was proposed, in JSON."""
    payload, first = msgspec.json.decode(row.payload), msgspec.json.decode(original)
    return Approval(
        **_members(row),
        payload=payload,
        payload_schema=None if row.payload_schema is None else msgspec.json.decode(row.payload_schema),
        original_payload=first,
        payload_diff=[change_of(each) for each in differences(first, payload)],
        evidence=[_fact(each) for each in msgspec.json.decode(row.evidence)],
        decisions=[decision(each, row.payload_revision) for each in decisions],
        comments=[comment(each) for each in comments],
        statement=statement.text,
        digest=statement.digest,
    )


def change_of(found: Difference) -> Change:
    """Return a difference; a value that is not there is left out."""
    sides = {"before": found.before, "after": found.after}
    return Change(path=found.path, **{name: value for name, value in sides.items() if value is not MISSING})


def decision(row: Row[Any], revision: int) -> Decision:
    """Return a decision; one on an older state than ``revision`` is void."""
    return Decision(
        decision=row.decision,
        by=row.decided_by,
        at=iso_millis(row.at),
        comment=row.comment,
        rule=row.rule,
        payload_revision=row.revision,
        void=row.revision != revision,
        signature=row.signature,
    )


def comment(row: Row[Any]) -> CommentShown:
    """Return a remark."""
    return CommentShown(
        comment_id=encode(COMMENT_PREFIX, row.id),
        author=row.author,
        text=row.text,
        created_at=iso_millis(row.created_at),
    )


def _fact(found: dict[str, Any]) -> EvidenceItem:
    label = found.get("label")
    shown = label if isinstance(label, str) else msgspec.json.encode(label).decode()
    return EvidenceItem(label=shown, value=found.get("value"), tone=found.get("tone"))
