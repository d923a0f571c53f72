"""What requests ask of grants: whether one lets them pass, and who else may decide."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row

from provenance.approvals import policy
from provenance.approvals.grants import matching, queries
from provenance.approvals.grants.schemas import GrantKind, PayloadRule
from provenance.audit.schemas import Risk
from provenance.core.actor import Actor
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import decode
from provenance.identity import queries as people
from provenance.identity.schemas import Status


async def passing(
    tx: WriteTx, approval: Row[Any], in_force: Sequence[Row[Any]], *, self_approval: bool
) -> uuid.UUID | None:
    """Return the grant, of those `covering` it, that lets a request pass, with this use counted; None: ask people.

    None covers critical risk, a request that several have to approve or that a passkey has to sign, and the runs of
    who gave it where the policy wants somebody else.
    """
    if approval.risk == Risk.CRITICAL or approval.required > 1 or approval.passkey:
        return None
    alone = not policy.starter_may(Risk(approval.risk), self_approval=self_approval)
    for grant in _of_kind(in_force, GrantKind.ACTION_CLASS):
        if alone and approval.started_by == grant.grantor:
            continue
        if await _has_authority(tx, grant, approval.assignees) and await queries.use(tx, grant.id):
            found: uuid.UUID = grant.id
            return found
    return None


async def substitutes(tx: WriteTx, approval: Row[Any], in_force: Sequence[Row[Any]]) -> list[str]:
    """Return who may decide on others' behalf, as assignees, with this use of their grants counted."""
    if approval.risk == Risk.CRITICAL:
        return []
    found = []
    for grant in _of_kind(in_force, GrantKind.SUBSTITUTE):
        if await _has_authority(tx, grant, approval.assignees) and await queries.use(tx, grant.id):
            found.append(f"user:{grant.grantee}")
    return found


async def covering(tx: ReadTx, approval: Row[Any]) -> list[Row[Any]]:
    """Return the grants in force that cover a request, of both kinds, the oldest first."""
    rows = await queries.in_force(tx, approval.workflow_id, approval.step_key)
    payload = msgspec.json.decode(approval.payload) if rows else None
    return [each for each in rows if _covers(each, approval, payload)]


def _of_kind(grants: Sequence[Row[Any]], kind: GrantKind) -> Iterable[Row[Any]]:
    return (each for each in grants if each.kind == kind)


def _covers(grant: Row[Any], approval: Row[Any], payload: Any) -> bool:
    if not matching.covers_risk(grant.max_risk, approval.risk):
        return False
    if grant.action is not None and grant.action != approval.action:
        return False
    return matching.hold(rules_of(grant), payload)


def rules_of(grant: Row[Any]) -> list[PayloadRule]:
    """Return a grant's conditions on the payload."""
    return [PayloadRule.model_validate(each) for each in msgspec.json.decode(grant.payload_rules)]


async def _has_authority(tx: ReadTx, grant: Row[Any], assignees: Iterable[str]) -> bool:
    """Tell whether who gave a grant could decide themselves now: nobody hands on what they lost."""
    grantor = await acting_member(tx, grant.grantor)
    return grantor is not None and policy.may_decide(grantor, assignees)


async def acting_member(tx: ReadTx, user_id: str) -> Actor | None:
    """Return an active member of the workspace with their role and groups; None when there is none."""
    person_id = decode("user", user_id)
    if person_id is None:
        return None
    places = await people.memberships_of(tx, person_id)
    here = (each for each in places if each.workspace_id == tx.workspace_id and each.status is Status.ACTIVE)
    place = next(here, None)
    return None if place is None else place.actor(person_id)
