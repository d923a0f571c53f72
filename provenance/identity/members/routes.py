"""Routes of members (spec/automation.md, rows 53 to 57)."""

from typing import Annotated

from fastapi import APIRouter

from provenance.core.actor import Actor, Role
from provenance.core.cursors import DEFAULT_LIMIT
from provenance.core.routing import Cursor, Db, Limit, Route
from provenance.identity.access.dependencies import person
from provenance.identity.members import erasing, service
from provenance.identity.members.schemas import (
    Member,
    MemberErase,
    MemberErased,
    MemberInvite,
    MemberInvited,
    MemberRemoved,
    Members,
    MemberUpdate,
)
from provenance.identity.running import RunningIdentity
from provenance.ledger.dependencies import RunningLedger

router = APIRouter(route_class=Route, tags=["workspace"])

Admin = Annotated[Actor, person(Role.ADMIN)]


@router.get("/workspace/members", operation_id="members.list")
async def list_members(
    actor: Annotated[Actor, person(Role.EDITOR)],
    db: Db,
    identity: RunningIdentity,
    ledger: RunningLedger,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Members:
    """The people of the workspace, invited and erased ones among them, the newest person first."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.page(tx, identity, keys, limit=limit, cursor=cursor)


@router.post("/workspace/members", operation_id="members.invite", status_code=201)
async def invite(body: MemberInvite, actor: Admin, db: Db, identity: RunningIdentity) -> MemberInvited:
    """Invite somebody by mail; without a mail server the answer carries the link to pass on."""
    async with db.write(actor) as tx:
        return await service.invite(tx, identity, body)


@router.put("/workspace/members/{user_id}", operation_id="members.update")
async def update(user_id: str, body: MemberUpdate, actor: Admin, db: Db, identity: RunningIdentity) -> Member:
    """Change a member's role and groups."""
    async with db.write(actor) as tx:
        return await service.update(tx, identity, user_id, body)


@router.delete("/workspace/members/{user_id}", operation_id="members.remove")
async def remove(user_id: str, actor: Admin, db: Db, identity: RunningIdentity) -> MemberRemoved:
    """Remove a member from the workspace, or withdraw an invitation; their sessions here end."""
    async with db.write(actor) as tx:
        return await service.remove(tx, identity, user_id)


@router.post("/workspace/members/{user_id}/erase", operation_id="members.erase")
async def erase(user_id: str, body: MemberErase, actor: Admin, db: Db, identity: RunningIdentity) -> MemberErased:
    """Destroy everything that leads to a person; what they did stays provable, under an id that is nobody's."""
    async with db.write(actor) as tx:
        return await erasing.erase(tx, identity, user_id, body)
