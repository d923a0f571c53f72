"""What every change of an approval has in common: its statement, its record, the end of its wait."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row

from provenance.approvals import queries
from provenance.approvals.binding import (
    KEY_ID,
    Choice,
    Place,
    Proof,
    Signed,
    Statement,
    payload_digest,
    sign,
)
from provenance.approvals.schemas import PREFIX, ApprovalEvent, Status
from provenance.audit.service import words_of
from provenance.core.clock import iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import encode
from provenance.core.keyring import WorkspaceKeys
from provenance.engine import service as engine
from provenance.ledger.service import Fact
from provenance.ledger.service import record as record_fact

CHOSEN: Mapping[Choice, Status] = {"approved": Status.APPROVED, "rejected": Status.REJECTED}


def wire_id(approval_id: uuid.UUID) -> str:
    """Return an approval's id as the outside knows it."""
    return encode(PREFIX, approval_id)


def place_of(row: Row[Any]) -> Place:
    """Return the step that an approval is about."""
    return Place(
        row.workspace_id, encode("run", row.run_id), row.step_key, row.iteration, row.attempt, row.version_checksum
    )


async def statement_of(tx: ReadTx, row: Row[Any]) -> Statement:
    """Return what a decision on an approval as it stands says yes or no to."""
    first = row.payload if row.payload_revision == 1 else await queries.revision(tx, row.id, 1)
    return Statement(
        workspace_id=str(row.workspace_id),
        approval_id=wire_id(row.id),
        run_id=encode("run", row.run_id),
        step_key=row.step_key,
        iteration=row.iteration,
        attempt=row.attempt,
        workflow_id=encode("wf", row.workflow_id),
        version_checksum=row.version_checksum,
        risk=row.risk,
        payload_digest=payload_digest(msgspec.json.decode(row.payload)),
        payload_revision=row.payload_revision,
        original_digest=payload_digest(msgspec.json.decode(first or "null")),
        policy_revision=row.policy_revision,
        approvers=sorted({*row.assignees, *row.escalate_to}),
        required_approvals=row.required,
        expires_at=None if row.expires_at is None else iso_millis(row.expires_at),
    )


def record(
    tx: WriteTx, event: ApprovalEvent, row: Row[Any], data: Mapping[str, Any], *, risk: str | None = None
) -> None:
    """Record what happened to an approval, in its run's unit of work, below the step that waits."""
    resource_type, action = words_of(event)
    about = {
        "approvalId": wire_id(row.id),
        "runId": encode("run", row.run_id),
        "stepId": row.step_id,
        "workflowId": encode("wf", row.workflow_id),
        "environment": row.environment,
        "approvalRisk": row.risk,
        "payloadRevision": row.payload_revision,
        "assignees": list(row.assignees),
    }
    record_fact(
        tx,
        Fact(
            resource_type=resource_type,
            action=action,
            resource_id=wire_id(row.id),
            data={**about, **data},
            uow_id=str(row.run_id),
            parent_span_id=str(row.span_id),
            risk=risk or row.risk,
            domain="approval",
        ),
    )


async def vote(
    tx: WriteTx,
    keys: WorkspaceKeys,
    row: Row[Any],
    choice: Choice,
    *,
    before: Sequence[Row[Any]],
    comment: str | None = None,
    rule: str | None = None,
) -> tuple[Statement, list[Signed]]:
    """Sign and keep a decision of whoever acts; return the statement and the decisions on it of the same kind.

    ``before`` are the decisions on this state that there were; ``rule`` names what the system follows where it decides.
    """
    statement, by = await statement_of(tx, row), tx.acting[0]
    mine = sign(keys, statement.digest, choice, by=by, at=tx.now, comment=comment, rule=rule)
    kept = {"decision": choice, "comment": comment, "rule": rule, "at": tx.now, "signature": mine.signature}
    await queries.put_decision(tx, row, decided_by=by, **kept)
    others = [signed_of(each) for each in before if each.decision == choice and each.decided_by != by]
    return statement, [*others, mine]


def signed_of(row: Row[Any]) -> Signed:
    """Return a stored decision."""
    return Signed(row.decision, row.decided_by, iso_millis(row.at), row.comment, row.rule, row.signature)


async def settle(
    tx: WriteTx,
    row: Row[Any],
    choice: Choice,
    statement: Statement,
    decisions: Sequence[Signed],
    *,
    via_grant_id: uuid.UUID | None = None,
) -> Row[Any]:
    """End an approval's wait with a decision and its proof; the run's lock must be held. Raises AlreadyResolved."""
    last = decisions[-1]
    proof = Proof(KEY_ID, statement, list(decisions))
    outcome: dict[str, Any] = {
        "decision": choice,
        "payload": msgspec.json.decode(row.payload),
        "decidedBy": last.by,
        "decidedAt": last.at,
        "comment": last.comment,
        "edited": statement.payload_digest != statement.original_digest,
        "approvalId": statement.approval_id,
        "proof": msgspec.to_builtins(proof),
    }
    await engine.resolve(tx, row.token, outcome)
    columns = {"decided_at": tx.now, "decided_by": last.by, "via_grant_id": via_grant_id}
    return await queries.change(tx, row.id, status=CHOSEN[choice].value, **columns)


def evidence_of(statement: Statement, signed: Signed) -> dict[str, Any]:
    """Return what the record of a decision says, so that it can be checked against the ledger alone."""
    return {
        "statementDigest": statement.digest,
        "payloadDigest": statement.payload_digest,
        "policyRevision": statement.policy_revision,
        "signature": signed.signature,
    }
