"""Routes of the grants (spec/automation.md, rows 84 to 87 and 4.15)."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from provenance.approvals.grants import deciding, service
from provenance.approvals.grants.schemas import Grant, GrantCreate, GrantDecision, GrantFilters, GrantMade, Grants
from provenance.core.actor import Actor, Role
from provenance.core.routing import Db, Route
from provenance.identity.access.dependencies import person
from provenance.identity.running import RunningIdentity
from provenance.ledger.dependencies import RunningLedger

router = APIRouter(route_class=Route, tags=["delegated-grants"])

Person = Annotated[Actor, person(Role.VIEWER)]
Admin = Annotated[Actor, person(Role.ADMIN)]
Token = Annotated[str | None, Query(max_length=200, description="Of the link; who is signed in needs none.")]
PAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {}}, "model": Grant}}
BODY = {
    "requestBody": {
        "content": {"application/json": {"schema": GrantDecision.model_json_schema(by_alias=True)}},
        "required": False,
    }
}


@router.get("/delegated-grants", operation_id="grants.list")
async def list_grants(asked: Annotated[GrantFilters, Query()], actor: Person, db: Db, ledger: RunningLedger) -> Grants:
    """Grants, newest first."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.page(tx, keys, asked)


@router.post("/delegated-grants", operation_id="grants.create", status_code=201)
async def create(body: GrantCreate, actor: Admin, db: Db, identity: RunningIdentity) -> GrantMade:
    """Make a grant; it counts once the person it names has confirmed it."""
    async with db.write(actor) as tx:
        return await service.create(tx, identity, body)


@router.delete("/delegated-grants/{grant_id}", operation_id="grants.revoke")
async def revoke(grant_id: str, actor: Person, db: Db) -> Grant:
    """End a grant; who gave it, who was given it and administrators may."""
    async with db.write(actor) as tx:
        return await service.revoke(tx, grant_id)


@router.get("/delegated-grants/{grant_id}/approve", operation_id="grants.approve_page", responses=PAGE)
async def approve_page(grant_id: str, request: Request, token: Token = None) -> Response:
    """What a mailed link opens: the grant and a button to confirm it. Changes nothing."""
    return await deciding.show(request, grant_id, "approve", token)


@router.post("/delegated-grants/{grant_id}/approve", operation_id="grants.approve", responses=PAGE, openapi_extra=BODY)
async def approve(grant_id: str, request: Request, token: Token = None) -> Response:
    """Confirm a grant, signed in as who it names or by the link's token; it counts from now on."""
    return await deciding.decide(request, grant_id, "approve", token)


@router.get("/delegated-grants/{grant_id}/deny", operation_id="grants.deny_page", responses=PAGE)
async def deny_page(grant_id: str, request: Request, token: Token = None) -> Response:
    """What a mailed link opens: the grant and a button to deny it. Changes nothing."""
    return await deciding.show(request, grant_id, "deny", token)


@router.post("/delegated-grants/{grant_id}/deny", operation_id="grants.deny", responses=PAGE, openapi_extra=BODY)
async def deny(grant_id: str, request: Request, token: Token = None) -> Response:
    """Deny a grant, signed in as who it names or by the link's token."""
    return await deciding.decide(request, grant_id, "deny", token)
