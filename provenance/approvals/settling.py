"""What every change of an approval has in common: its statement, its record, the end of its wait."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

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
from provenance.engine.errors import AlreadyResolved
from provenance.ledger.service import Fact
from provenance.ledger.service import record as record_fact

CHOSEN: Mapping[Choice, Status] = {"approved": Status.APPROVED, "rejected": Status.REJECTED}


class Vote(NamedTuple):
    """A decision that is signed and not written yet: on what, and all decisions on it of its kind, itself the last."""

    statement: Statement
    digest: str
    signed: list[Signed]

    @property
    def mine(self) -> Signed:
        """This decision."""
        return self.signed[-1]

    @property
    def evidence(self) -> dict[str, Any]:
        """What the record says of it, so that it can be checked against the ledger alone."""
        return {
            "statementDigest": self.digest,
            "payloadDigest": self.statement.payload_digest,
            "policyRevision": self.statement.policy_revision,
            "signature": self.mine.signature,
        }


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
    digest = original = payload_digest(msgspec.json.decode(row.payload))
    if row.payload_revision != 1:
        original = payload_digest(msgspec.json.decode(await queries.revision(tx, row.id, 1) or "null"))
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
        payload_digest=digest,
        payload_revision=row.payload_revision,
        original_digest=original,
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


async def decisions_before(tx: ReadTx, row: Row[Any]) -> list[Row[Any]]:
    """Return the decisions on a pending approval as it stands; where one suffices it would not be pending."""
    return [] if row.required == 1 else await queries.decisions(tx, row.id, row.payload_revision)


async def vote(
    tx: ReadTx,
    keys: WorkspaceKeys,
    row: Row[Any],
    choice: Choice,
    *,
    before: Sequence[Row[Any]],
    comment: str | None = None,
    rule: str | None = None,
) -> Vote:
    """Sign a decision of whoever acts; `keep` or `settle` writes it.

    ``before`` are the decisions on this state that there were; ``rule`` names what the system follows where it decides.
    """
    statement, by = await statement_of(tx, row), tx.acting[0]
    digest = statement.digest
    mine = sign(keys, digest, choice, by=by, at=tx.now, comment=comment, rule=rule)
    others = [signed_of(each) for each in before if each.decision == choice and each.decided_by != by]
    return Vote(statement, digest, [*others, mine])


def signed_of(row: Row[Any]) -> Signed:
    """Return a stored decision."""
    return Signed(row.decision, row.decided_by, iso_millis(row.at), row.comment, row.rule, row.signature)


async def keep(tx: WriteTx, row: Row[Any], given: Vote) -> None:
    """Write a decision that settles nothing yet: others have to decide, too."""
    await queries.put_decision(tx, row, given.mine)


async def settle(tx: WriteTx, row: Row[Any], given: Vote, *, via_grant_id: uuid.UUID | None = None) -> None:
    """Write a decision and end the approval's wait with it and its proof; the run's lock must be held.

    Raises AlreadyResolved when the wait is not open any more.
    """
    statement, last = given.statement, given.mine
    outcome: dict[str, Any] = {
        "decision": last.decision,
        "payload": msgspec.json.decode(row.payload),
        "decidedBy": last.by,
        "decidedAt": last.at,
        "comment": last.comment,
        "edited": statement.payload_digest != statement.original_digest,
        "approvalId": statement.approval_id,
        "proof": msgspec.to_builtins(Proof(KEY_ID, statement, given.signed)),
    }
    resolving = engine.resolving(tx, row.token, outcome)
    if not await queries.settle(tx, row, last, CHOSEN[last.decision], resolving, via_grant_id):
        raise AlreadyResolved
