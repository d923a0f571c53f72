"""The side of runs: make a request in the transaction that parks a run, take it back, check what was decided."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Row

from provenance.approvals import policy, queries
from provenance.approvals.grants import using as grants
from provenance.approvals.schemas import ApprovalEvent, OnBreach, Question, Risk, Status
from provenance.approvals.settling import decisions_before, record, settle, vote, wire_id
from provenance.core.clock import NANOS
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import encode, new_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.notifications.inbox import service as inbox
from provenance.workspace.schemas import ApprovalRules

MINUTE_NS = 60 * NANOS
TITLE, TEXT = 500, 10_000
NOBODY_NAMED = ("group:approvers", "role:admin")


async def request(tx: WriteTx, keys: WorkspaceKeys, question: Question) -> None:
    """Ask people, or have the policy approve: the wait is open in this transaction, and the run's lock held."""
    rules, any_grant = await queries.rules(tx)
    row = await queries.insert_approval(tx, new_uuid(), **_columns(tx, question, rules))
    in_force = await grants.covering(tx, row) if any_grant else []
    if in_force:
        row = await _with_substitutes(tx, row, in_force)
    if Risk(row.risk) is Risk.LOW and not (question.insists or question.asks.get("requirePasskey")):
        await approve_by_rule(tx, keys, row, "risk:low")
        return
    grant_id = await grants.passing(tx, row, in_force, self_approval=rules.self_approval)
    if grant_id is not None:
        await approve_by_rule(tx, keys, row, f"grant:{encode('grant', grant_id)}", via_grant_id=grant_id)
        return
    asked = {"assignees": list(row.assignees), "requiredApprovals": row.required, "title": row.title}
    record(tx, ApprovalEvent.REQUESTED, row, asked)


async def _with_substitutes(tx: WriteTx, row: Row[Any], in_force: Sequence[Row[Any]]) -> Row[Any]:
    """Ask those besides whom grants let decide on behalf of somebody who is asked."""
    others = [each for each in await grants.substitutes(tx, row, in_force) if each not in row.assignees]
    return await queries.change(tx, row.id, assignees=[*row.assignees, *others]) if others else row


async def approve_by_rule(
    tx: WriteTx, keys: WorkspaceKeys, row: Row[Any], rule: str, *, via_grant_id: uuid.UUID | None = None
) -> None:
    """Approve in the system's name, by a rule or grant that the record and the signature name."""
    given = await vote(tx, keys, row, "approved", before=await decisions_before(tx, row), rule=rule)
    await settle(tx, row, given, via_grant_id=via_grant_id)
    via = {} if via_grant_id is None else {"viaGrantId": encode("grant", via_grant_id)}
    record(tx, ApprovalEvent.AUTO_APPROVED, row, {"rule": rule, **via, **given.evidence})


async def reject_by_rule(tx: WriteTx, keys: WorkspaceKeys, row: Row[Any], rule: str) -> None:
    """Reject in the system's name, by a rule that the record and the signature name."""
    given = await vote(tx, keys, row, "rejected", before=await decisions_before(tx, row), rule=rule)
    await settle(tx, row, given)
    record(tx, ApprovalEvent.REJECTED, row, {"rule": rule, **given.evidence})


def _columns(tx: ReadTx, question: Question, rules: ApprovalRules) -> dict[str, Any]:
    asks = question.asks
    risk = Risk(asks["risk"])
    sla = policy.sla_minutes(risk, asks.get("slaMinutes"))
    expires, schema = asks.get("expiresMinutes"), asks.get("payloadSchema")
    place = msgspec.structs.asdict(question)
    return {
        **{name: place[name] for name in place if name not in ("asks", "insists")},
        "title": _text(asks["title"], TITLE) or "",
        "action": _text(asks.get("action"), TEXT),
        "summary": _text(asks.get("summary"), TEXT),
        "risk": risk.value,
        "assignees": assignee_texts(asks.get("assignees") or ()) or list(rules.default_approvers or NOBODY_NAMED),
        "required": policy.reviewers(risk, asks.get("requiredApprovals")),
        "policy_revision": policy.policy_revision(rules),
        "passkey": policy.needs_passkey(risk, asks.get("requirePasskey"), rules.passkey_from),
        "payload": _json(asks.get("payload")),
        "payload_revision": 1,
        "payload_schema": None if schema is None else _json(schema),
        "evidence": _json(list(asks.get("evidence") or ())),
        "sla_minutes": sla,
        "due_at": tx.now + sla * MINUTE_NS,
        "expires_at": None if expires is None else tx.now + expires * MINUTE_NS,
        "on_breach": OnBreach(asks.get("onBreach") or OnBreach.NOTIFY).value,
        "escalate_to": assignee_texts(asks.get("escalateTo") or ()),
    }


def assignee_texts(named: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return assignees as they are stored, ``kind:id`` each, none twice."""
    return list(dict.fromkeys(f"{each['kind']}:{each['id']}" for each in named))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _text(value: Any, most: int) -> str | None:
    """Return what a template gave as a text; one that was a single expression may have given anything."""
    if value is None:
        return None
    text = value if isinstance(value, str) else _json(value)
    return text.replace("\0", "�")[:most]


async def withdraw(tx: WriteTx, run_id: uuid.UUID, token: str, why: Literal["cancelled", "expired"]) -> bool:
    """End a request whose run does not wait for it any more; False when one that expired was decided meanwhile."""
    row = await queries.lock_of_wait(tx, token, run_id)
    if row is None:
        return True
    if row.status != Status.PENDING:
        return why == "cancelled"
    await end(tx, row, Status(why))
    return True


async def cancel_run(tx: WriteTx, run_id: uuid.UUID) -> None:
    """Cancel everything that a run still asks; the run's lock must be held."""
    for row in await queries.lock_pending_of_run(tx, run_id):
        await end(tx, row, Status.CANCELLED)


async def end(tx: WriteTx, row: Row[Any], status: Status) -> None:
    """End a locked request that is not decided any more."""
    row = await queries.change(tx, row.id, status=status.value, decided_at=tx.now)
    event = ApprovalEvent.EXPIRED if status is Status.EXPIRED else ApprovalEvent.CANCELLED
    record(tx, event, row, {}, risk="low" if status is Status.CANCELLED else None)


async def forget_run(tx: WriteTx, run_id: uuid.UUID) -> None:
    """Remove the approvals of a run whose data is removed; what they recorded stays."""
    await queries.remove_of_run(tx, run_id)
    await inbox.forget_unit(tx, run_id)


async def ids_of_run(tx: ReadTx, run_id: uuid.UUID) -> dict[tuple[str, int], str]:
    """Return the newest approval of each step and item of a run."""
    return {place: wire_id(found) for place, found in (await queries.ids_of_run(tx, run_id)).items()}


async def pending_of_runs(tx: ReadTx, run_ids: list[uuid.UUID]) -> dict[tuple[uuid.UUID, str, int], str]:
    """Return what runs wait for, by run, step and item."""
    return {place: wire_id(found) for place, found in (await queries.pending_of_runs(tx, run_ids)).items()}
