"""Decisions on approvals: challenge, approve, reject (spec/automation.md, rows 81 and 82 and 4.15)."""

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import Row

from provenance.approvals import challenging, holding, policy, queries, rendering, revising
from provenance.approvals.errors import AlreadyVoted, PasskeyNeeded, SelfApproval
from provenance.approvals.grants import service as grants
from provenance.approvals.grants.errors import BadGrant
from provenance.approvals.grants.schemas import Ask, GrantMade, GrantWithApproval, Scope
from provenance.approvals.schemas import (
    ApprovalEvent,
    Approve,
    Approved,
    ApprovedWithGrant,
    Challenge,
    Reject,
    Rejected,
    Risk,
    StillPending,
)
from provenance.approvals.settling import decisions_before, keep, record, settle, vote, wire_id
from provenance.core import ids
from provenance.core.clock import iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.keyring import WorkspaceKeys
from provenance.engine import service as engine_service
from provenance.engine.service import Hints
from provenance.identity.passkeys.schemas import Site
from provenance.workspace import service as workspaces

if TYPE_CHECKING:  # the worker imports this, and carries no web framework
    from provenance.identity.running import Identity


class Desk(NamedTuple):
    """What a decision is made with: the workspace's keys, what wakes runs, and where grants are mailed from.

    ``site`` is what passkeys are bound to; ``link`` the id of the mailed link that somebody decides by, instead of a
    sign-in.
    """

    keys: WorkspaceKeys
    hints: Hints
    identity: "Identity"
    site: Site | None = None
    link: str | None = None

    @property
    def way(self) -> dict[str, str]:
        """What the record says of how a decision came; nothing of one by a sign-in."""
        return {} if self.link is None else {"origin": "mail link", "linkId": self.link}


async def challenge(tx: ReadTx, site: Site, approval_id: str) -> Challenge:
    """Return what signs an approval with a passkey. Raises ApprovalNotFound, NotReviewer, AlreadyDecided, NoPasskey."""
    row = await holding.found(tx, approval_id)
    holding.ensure_open(tx, row)
    return await challenging.challenge(tx, site, row)


async def approve(
    tx: WriteTx, desk: Desk, approval_id: str, asked: Approve
) -> Approved | ApprovedWithGrant | StillPending:
    """Approve, with another payload where one is given; below the number asked for others are waited for.

    Raises ApprovalNotFound, NotReviewer, SelfApproval, AlreadyDecided, AlreadyVoted, StalePayload, PayloadUnfit,
    BadGrant, PasskeyNeeded, AssertionRefused.
    """
    row = await holding.held(tx, approval_id)
    if asked.grant is not None:
        _ensure_grantable(row)
    await ensure_another(tx, row)
    await holding.ensure_seen(tx, row, asked.payload_revision)
    if "payload" in asked.model_fields_set:
        columns = revising.other_payload(row, asked.payload)
        row = await revising.next_revision(tx, row, columns) if columns else row
    revising.ensure_fits(row, msgspec.json.decode(row.payload))
    before = await _ensure_first_vote(tx, row)
    data: dict[str, Any] = {"commented": asked.comment is not None, **desk.way}
    data |= await _passkey(tx, desk, row, asked.assertion)
    given = await vote(tx, desk.keys, row, "approved", before=before, comment=asked.comment)
    data |= given.evidence
    signed = given.signed
    if len(signed) < row.required:
        await keep(tx, row, given)
        record(tx, ApprovalEvent.VOTED, row, {**data, "approvals": len(signed), "requiredApprovals": row.required})
        return await _still_pending(tx, row)
    await settle(tx, row, given)
    record(tx, ApprovalEvent.APPROVED, row, {**data, "approvals": [each.by for each in signed]})
    engine_service.wake(tx, desk.hints)
    shown = {"approval_id": approval_id, "approved_by": tx.actor.id, "approved_at": iso_millis(tx.now)}
    if asked.grant is None:
        return Approved(status="approved", **shown)
    return ApprovedWithGrant(status="approved", **shown, grant=await _grant(tx, desk.identity, row, asked.grant))


async def reject(tx: WriteTx, desk: Desk, approval_id: str, asked: Reject) -> Rejected:
    """Reject; one person's no is enough, and takes back a yes of their own.

    Raises ApprovalNotFound, NotReviewer, AlreadyDecided, StalePayload, PasskeyNeeded, AssertionRefused.
    """
    row = await holding.held(tx, approval_id)
    await holding.ensure_seen(tx, row, asked.payload_revision)
    data = desk.way | await _passkey(tx, desk, row, asked.assertion)
    given = await vote(tx, desk.keys, row, "rejected", before=await decisions_before(tx, row), comment=asked.comment)
    await settle(tx, row, given)
    record(tx, ApprovalEvent.REJECTED, row, {**data, **given.evidence})
    engine_service.wake(tx, desk.hints)
    return Rejected(approval_id=approval_id, status="rejected", rejected_by=tx.actor.id, rejected_at=iso_millis(tx.now))


async def _passkey(tx: WriteTx, desk: Desk, row: Row[Any], assertion: dict[str, Any] | None) -> dict[str, Any]:
    """Return what the record keeps of a passkey's answer. Raises PasskeyNeeded and AssertionRefused."""
    if assertion is not None and desk.site is not None:
        return {"passkey": await challenging.signed(tx, desk.site, row, assertion)}
    if row.passkey:
        raise PasskeyNeeded
    return {}


def _ensure_grantable(row: Row[Any]) -> None:
    if row.risk == Risk.CRITICAL or row.required > 1:
        raise BadGrant.at("grant", "nothing of critical risk, or that several have to approve, passes by a grant")


async def _grant(tx: WriteTx, identity: "Identity", row: Row[Any], asked: GrantWithApproval) -> GrantMade:
    """Make a grant for requests like an approved one: of its step and action, up to its risk. Raises BadGrant."""
    scope = Scope(
        workflow_ids=[ids.encode("wf", row.workflow_id)],
        step_keys=[row.step_key],
        action=row.action,
        max_risk=row.risk,
        payload_rules=asked.payload_rules,
    )
    ask = Ask(
        kind=asked.grant_kind,
        grantor=tx.actor.id,
        grantee=asked.grantee_user_id,
        scope=scope,
        max_uses=asked.max_uses,
        valid_from=None,
        valid_until=asked.valid_until,
        reason=asked.reason,
        created_from=row.id,
    )
    return await grants.make(tx, identity, ask)


async def _still_pending(tx: ReadTx, row: Row[Any]) -> StillPending:
    found = await queries.decisions(tx, row.id, row.payload_revision)
    shown = [rendering.decision(each, row.payload_revision) for each in found]
    return StillPending(approval_id=wire_id(row.id), status="pending", decisions=shown)


async def ensure_another(tx: ReadTx, row: Row[Any]) -> None:
    """Refuse who started the run, where the policy wants somebody else. Raises SelfApproval."""
    risk = Risk(row.risk)
    if row.started_by != tx.actor.id or policy.starter_may(risk, self_approval=False):
        return
    rules = await workspaces.approval_rules(tx)
    if not policy.starter_may(risk, self_approval=rules.self_approval):
        raise SelfApproval(row.risk)


async def _ensure_first_vote(tx: ReadTx, row: Row[Any]) -> list[Row[Any]]:
    """Return the decisions on an approval as it stands. Raises AlreadyVoted when the actor's is among them."""
    found = await decisions_before(tx, row)
    if any(each.decided_by == tx.actor.id for each in found):
        raise AlreadyVoted
    return found
