"""The verbs of approvals: read, change, approve, reject, comment (spec/automation.md, rows 78 to 83)."""

import uuid
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Row

from provenance.approvals import challenging, policy, queries, rendering
from provenance.approvals.differing import differences, told
from provenance.approvals.errors import (
    AlreadyDecided,
    AlreadyVoted,
    ApprovalNotFound,
    NotReviewer,
    PayloadUnfit,
    SelfApproval,
    StalePayload,
    UnknownAssignee,
)
from provenance.approvals.grants import service as grants
from provenance.approvals.grants.errors import BadGrant
from provenance.approvals.grants.schemas import Ask, GrantMade, GrantWithApproval, Scope
from provenance.approvals.schemas import (
    COMMENT_PREFIX,
    PREFIX,
    Approval,
    ApprovalEvent,
    Approvals,
    ApprovalUpdate,
    Approve,
    Approved,
    ApprovedWithGrant,
    Approver,
    Challenge,
    CommentCreate,
    CommentShown,
    Filters,
    Reject,
    Rejected,
    Risk,
    Status,
    StillPending,
)
from provenance.approvals.settling import evidence_of, record, settle, statement_of, vote, wire_id
from provenance.core import cursors, ids
from provenance.core.actor import Role
from provenance.core.clock import NANOS, iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.json_schemas import schema_of
from provenance.core.keyring import WorkspaceKeys
from provenance.engine import service as engine_service
from provenance.engine.service import Hints
from provenance.identity import queries as people
from provenance.identity.passkeys.schemas import Site
from provenance.identity.schemas import Status as Membership
from provenance.workspace import service as workspaces

if TYPE_CHECKING:  # the worker imports this, and carries no web framework
    from provenance.identity.running import Identity


COMMENTS_SHOWN = 500
_ROLES = {role.name.lower() for role in Role}


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
    return await _detail(tx, await _found(tx, approval_id))


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
    row = await _held(tx, approval_id)
    columns: dict[str, Any] = {}
    if "payload" in asked.model_fields_set:
        columns |= _other_payload(row, asked.payload)
    if asked.assignees is not None:
        columns |= await _other_assignees(tx, row, asked.assignees)
    if columns:
        row = await _next_revision(tx, row, columns)
    if asked.sla_minutes is not None and asked.sla_minutes != row.sla_minutes:
        row = await _other_sla(tx, row, asked.sla_minutes)
    return await _detail(tx, row)


async def _next_revision(tx: WriteTx, row: Row[Any], columns: dict[str, Any]) -> Row[Any]:
    voided = [each.decided_by for each in await queries.decisions(tx, row.id, row.payload_revision)]
    row = await queries.change(tx, row.id, payload_revision=row.payload_revision + 1, **columns)
    await queries.insert_revision(tx, row)
    statement = await statement_of(tx, row)
    data = {"fields": sorted(columns), "voided": voided, "payloadDigest": statement.payload_digest}
    record(tx, ApprovalEvent.PAYLOAD_EDITED, row, data)
    return row


async def _other_sla(tx: WriteTx, row: Row[Any], minutes: int) -> Row[Any]:
    due_at = row.requested_at + minutes * 60 * NANOS
    told_again = None if due_at > tx.now else row.breached_at
    before = row.sla_minutes
    row = await queries.change(tx, row.id, sla_minutes=minutes, due_at=due_at, breached_at=told_again)
    record(tx, ApprovalEvent.UPDATED, row, {"changes": {"slaMinutes": [before, minutes]}})
    return row


def _other_payload(row: Row[Any], payload: Any) -> dict[str, Any]:
    """Return what another payload changes; nothing for the same again. Raises PayloadUnfit."""
    _ensure_fits(row, payload)
    if not differences(msgspec.json.decode(row.payload), payload):
        return {}
    return {"payload": msgspec.json.encode(payload).decode()}


def _ensure_fits(row: Row[Any], payload: Any) -> None:
    if row.payload_schema is None:
        return
    faults = schema_of(msgspec.json.decode(row.payload_schema)).faults(payload, "payload")
    if faults:
        raise PayloadUnfit(faults)


async def _other_assignees(tx: WriteTx, row: Row[Any], asked: list[Approver]) -> dict[str, Any]:
    wanted = list(dict.fromkeys(each.text for each in asked))
    await ensure_assignable(tx, asked)
    return {} if sorted(wanted) == sorted(row.assignees) else {"assignees": wanted}


async def ensure_assignable(tx: ReadTx, asked: list[Approver]) -> None:
    """Refuse an assignee who is no active member, and a role that is none. Raises UnknownAssignee."""
    for number, each in enumerate(asked):
        if each.kind == "role" and each.id not in _ROLES:
            raise UnknownAssignee.at(f"assignees[{number}].id", f"is none of {', '.join(sorted(_ROLES))}")
        if each.kind == "user" and not await is_member(tx, each.id):
            raise UnknownAssignee.at(f"assignees[{number}].id", "is no active member of this workspace")


async def is_member(tx: ReadTx, user_id: str) -> bool:
    """Tell whether a ``user_…`` is an active member of the workspace."""
    person_id = ids.decode("user", user_id)
    return person_id is not None and await people.status_of(tx, person_id) is Membership.ACTIVE


# Deciding


async def challenge(tx: ReadTx, site: Site, approval_id: str) -> Challenge:
    """Return what signs an approval with a passkey. Raises ApprovalNotFound, NotReviewer, AlreadyDecided, NoPasskey."""
    row = await _found(tx, approval_id)
    _ensure_open(tx, row)
    return await challenging.challenge(tx, site, row)


async def approve(
    tx: WriteTx,
    keys: WorkspaceKeys,
    identity: "Identity",
    hints: Hints,
    approval_id: str,
    asked: Approve,
    site: Site | None = None,
) -> Approved | ApprovedWithGrant | StillPending:
    """Approve, with another payload where one is given; below the number asked for others are waited for.

    Raises ApprovalNotFound, NotReviewer, SelfApproval, AlreadyDecided, AlreadyVoted, StalePayload, PayloadUnfit,
    BadGrant, AssertionRefused.
    """
    row = await _held(tx, approval_id)
    if asked.grant is not None:
        _ensure_grantable(row)
    await _ensure_another(tx, row)
    await _ensure_seen(tx, row, asked.payload_revision)
    if "payload" in asked.model_fields_set:
        columns = _other_payload(row, asked.payload)
        row = await _next_revision(tx, row, columns) if columns else row
    _ensure_fits(row, msgspec.json.decode(row.payload))
    await _ensure_first_vote(tx, row)
    data: dict[str, Any] = {"commented": asked.comment is not None}
    if asked.assertion is not None and site is not None:
        data["passkey"] = await challenging.signed(tx, site, row, asked.assertion)
    statement, signed = await vote(tx, keys, row, "approved", comment=asked.comment)
    data |= evidence_of(statement, signed[-1])
    if len(signed) < row.required:
        record(tx, ApprovalEvent.VOTED, row, {**data, "approvals": len(signed), "requiredApprovals": row.required})
        return await _still_pending(tx, row)
    row = await settle(tx, row, "approved", statement, signed)
    record(tx, ApprovalEvent.APPROVED, row, {**data, "approvals": [each.by for each in signed]})
    engine_service.wake(tx, hints)
    shown = {"approval_id": approval_id, "approved_by": tx.actor.id, "approved_at": iso_millis(tx.now)}
    if asked.grant is None:
        return Approved(status="approved", **shown)
    return ApprovedWithGrant(status="approved", **shown, grant=await _grant(tx, identity, row, asked.grant))


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


async def reject(tx: WriteTx, keys: WorkspaceKeys, hints: Hints, approval_id: str, asked: Reject) -> Rejected:
    """Reject; one person's no is enough, and takes back a yes of their own.

    Raises ApprovalNotFound, NotReviewer, AlreadyDecided, StalePayload.
    """
    row = await _held(tx, approval_id)
    await _ensure_seen(tx, row, asked.payload_revision)
    statement, signed = await vote(tx, keys, row, "rejected", comment=asked.comment)
    row = await settle(tx, row, "rejected", statement, signed)
    record(tx, ApprovalEvent.REJECTED, row, evidence_of(statement, signed[-1]))
    engine_service.wake(tx, hints)
    return Rejected(approval_id=approval_id, status="rejected", rejected_by=tx.actor.id, rejected_at=iso_millis(tx.now))


async def comment(tx: WriteTx, approval_id: str, asked: CommentCreate) -> CommentShown:
    """Add a remark; it stays possible after the decision. Raises ApprovalNotFound."""
    row = await _found(tx, approval_id)
    comment_id = ids.new_uuid()
    await queries.insert_comment(tx, row.id, comment_id, asked.text)
    shown = ids.encode(COMMENT_PREFIX, comment_id)
    record(tx, ApprovalEvent.COMMENTED, row, {"commentId": shown}, risk="low")
    return CommentShown(comment_id=shown, author=tx.actor.id, text=asked.text, created_at=iso_millis(tx.now))


async def _still_pending(tx: ReadTx, row: Row[Any]) -> StillPending:
    found = await queries.decisions(tx, row.id, row.payload_revision)
    shown = [rendering.decision(each, row.payload_revision) for each in found]
    return StillPending(approval_id=wire_id(row.id), status="pending", decisions=shown)


async def _found(tx: ReadTx, approval_id: str) -> Row[Any]:
    known = ids.decode(PREFIX, approval_id)
    row = None if known is None else await queries.one(tx, known)
    if row is None:
        raise ApprovalNotFound
    return row


async def _held(tx: WriteTx, approval_id: str) -> Row[Any]:
    """Return a pending approval of the actor's to decide, with its run and itself locked, in this order."""
    seen = await _found(tx, approval_id)
    _ensure_open(tx, seen)
    await engine_service.hold_run(tx, seen.token)
    row = await queries.lock(tx, seen.id)
    _ensure_open(tx, row)
    return row


def _ensure_open(tx: ReadTx, row: Row[Any]) -> None:
    if not policy.may_decide(tx.actor, row.assignees):
        raise NotReviewer
    if row.status != Status.PENDING:
        raise AlreadyDecided(row.status)
    if row.expires_at is not None and row.expires_at <= tx.now:
        raise AlreadyDecided(Status.EXPIRED)


async def _ensure_another(tx: WriteTx, row: Row[Any]) -> None:
    """Refuse who started the run, where the policy wants somebody else."""
    if row.started_by != tx.actor.id:
        return
    self_approval, _ = await workspaces.approval_rules(tx)
    if not policy.starter_may(Risk(row.risk), self_approval=self_approval):
        raise SelfApproval(row.risk)


async def _ensure_seen(tx: ReadTx, row: Row[Any], seen: int | None) -> None:
    """Refuse a decision on another state than the current one, and say how they differ."""
    if seen is None or seen == row.payload_revision:
        return
    older = await queries.revision(tx, row.id, seen)
    if older is None:
        raise StalePayload(seen, row.payload_revision, ())
    found = differences(msgspec.json.decode(older), msgspec.json.decode(row.payload))
    raise StalePayload(seen, row.payload_revision, told(found))


async def _ensure_first_vote(tx: ReadTx, row: Row[Any]) -> None:
    found = await queries.decisions(tx, row.id, row.payload_revision)
    if any(each.decided_by == tx.actor.id for each in found):
        raise AlreadyVoted
