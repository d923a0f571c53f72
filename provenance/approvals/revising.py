"""Other payloads and assignees: each makes a new state of an approval, on which everybody decides anew."""

from typing import Any

import msgspec
from sqlalchemy import Row

from provenance.approvals import queries
from provenance.approvals.differing import differences
from provenance.approvals.errors import PayloadUnfit, UnknownAssignee
from provenance.approvals.schemas import ApprovalEvent, Approver
from provenance.approvals.settling import record, statement_of
from provenance.core import ids
from provenance.core.actor import Role
from provenance.core.db import ReadTx, WriteTx
from provenance.core.json_schemas import schema_of
from provenance.identity import queries as people
from provenance.identity.schemas import Status as Membership

_ROLES = {role.name.lower() for role in Role}


async def next_revision(tx: WriteTx, row: Row[Any], columns: dict[str, Any]) -> Row[Any]:
    """Change what is decided on; the decisions made so far are void. Returns the row."""
    voided = [each.decided_by for each in await queries.decisions(tx, row.id, row.payload_revision)]
    before = list(row.assignees)
    row = await queries.change(tx, row.id, payload_revision=row.payload_revision + 1, **columns)
    await queries.insert_revision(tx, row)
    statement = await statement_of(tx, row)
    data: dict[str, Any] = {"fields": sorted(columns), "voided": voided, "payloadDigest": statement.payload_digest}
    if gone := [each for each in before if each not in row.assignees]:
        data["gone"] = gone
    record(tx, ApprovalEvent.PAYLOAD_EDITED, row, data)
    return row


def other_payload(row: Row[Any], payload: Any) -> dict[str, Any]:
    """Return what another payload changes; nothing for the same again. Raises PayloadUnfit."""
    ensure_fits(row, payload)
    if not differences(msgspec.json.decode(row.payload), payload):
        return {}
    return {"payload": msgspec.json.encode(payload).decode()}


def ensure_fits(row: Row[Any], payload: Any) -> None:
    """Let a payload through that fits the step's schema. Raises PayloadUnfit."""
    if row.payload_schema is None:
        return
    faults = schema_of(msgspec.json.decode(row.payload_schema)).faults(payload, "payload")
    if faults:
        raise PayloadUnfit(faults)


async def other_assignees(tx: WriteTx, row: Row[Any], asked: list[Approver]) -> dict[str, Any]:
    """Return what other assignees change; nothing for the same again. Raises UnknownAssignee."""
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
