"""Routes of the approvals (spec/automation.md, rows 78 to 83)."""

from typing import Annotated

from fastapi import APIRouter, Query

from provenance.approvals import deciding, service
from provenance.approvals.dependencies import OpenDesk
from provenance.approvals.schemas import (
    Approval,
    Approvals,
    ApprovalUpdate,
    Approve,
    Approved,
    ApprovedWithGrant,
    Asked,
    Challenge,
    CommentCreate,
    CommentShown,
    Reject,
    Rejected,
    StillPending,
)
from provenance.core.actor import Actor, Role, Scope
from provenance.core.routing import Db, Route, require
from provenance.identity.access.dependencies import person
from provenance.identity.passkeys.dependencies import ThisSite
from provenance.ledger.dependencies import RunningLedger

router = APIRouter(route_class=Route, tags=["approvals"])

Reader = Annotated[Actor, require(Scope.APPROVALS_READ, Role.VIEWER)]
Person = Annotated[Actor, person(Role.VIEWER)]


@router.get("/approvals", operation_id="approvals.list")
async def list_approvals(asked: Annotated[Asked, Query()], actor: Reader, db: Db, ledger: RunningLedger) -> Approvals:
    """What people are asked, newest first."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.page(tx, keys, asked.filters, limit=asked.limit, cursor=asked.cursor)


@router.get("/approvals/{approval_id}", operation_id="approvals.get")
async def get(approval_id: str, actor: Reader, db: Db) -> Approval:
    """An approval with its payload, evidence and comments, and the statement that a decision signs."""
    async with db.read(actor) as tx:
        return await service.get(tx, approval_id)


@router.patch("/approvals/{approval_id}", operation_id="approvals.update")
async def update(approval_id: str, body: ApprovalUpdate, actor: Person, db: Db) -> Approval:
    """Change the payload, the assignees or the time allowed; the first two void the decisions made so far."""
    async with db.write(actor) as tx:
        return await service.update(tx, approval_id, body)


@router.post("/approvals/{approval_id}/approve", operation_id="approvals.approve")
async def approve(
    approval_id: str, body: Approve, actor: Person, db: Db, desk: OpenDesk
) -> ApprovedWithGrant | Approved | StillPending:
    """Approve; where several have to, the answer stays pending until the last of them did."""
    async with db.write(actor) as tx:
        return await deciding.approve(tx, desk, approval_id, body)


@router.post("/approvals/{approval_id}/challenge", operation_id="approvals.challenge")
async def challenge(approval_id: str, actor: Person, db: Db, site: ThisSite) -> Challenge:
    """What a passkey needs to sign this approval as it stands; its answer goes into the body of the decision."""
    async with db.read(actor) as tx:
        return await deciding.challenge(tx, site, approval_id)


@router.post("/approvals/{approval_id}/reject", operation_id="approvals.reject")
async def reject(approval_id: str, body: Reject, actor: Person, db: Db, desk: OpenDesk) -> Rejected:
    """Reject, and say why; one person's no is enough."""
    async with db.write(actor) as tx:
        return await deciding.reject(tx, desk, approval_id, body)


@router.post("/approvals/{approval_id}/comments", operation_id="approvals.comment", status_code=201)
async def comment(approval_id: str, body: CommentCreate, actor: Person, db: Db) -> CommentShown:
    """Add a remark."""
    async with db.write(actor) as tx:
        return await service.comment(tx, approval_id, body)
