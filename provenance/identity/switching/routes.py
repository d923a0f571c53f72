"""Routes of a change of workspace (spec/automation.md, row 46 and 4.15)."""

from typing import Annotated

from fastapi import APIRouter, Response

from provenance.core.actor import Actor, Role
from provenance.core.routing import Db, Route
from provenance.identity.access.dependencies import person
from provenance.identity.running import RunningIdentity
from provenance.identity.switching import service
from provenance.identity.switching.schemas import Switch, Switched
from provenance.workspace.dependencies import RunningSettings
from provenance.workspace.schemas import WorkspaceCreate, WorkspaceDetails

router = APIRouter(route_class=Route)


@router.post("/workspace/switch", operation_id="workspace.switch", tags=["workspace"])
async def switch(
    body: Switch, actor: Annotated[Actor, person()], db: Db, identity: RunningIdentity, response: Response
) -> Switched:
    """Go on in another workspace that one belongs to, with a new access token."""
    await identity.signing.refresh()
    response.headers["cache-control"] = "no-store"
    async with db.write(actor, service.wanted(body.workspace_id)) as tx:
        return await service.switch(tx, identity)


@router.post("/workspaces", operation_id="workspaces.create", tags=["workspaces"], status_code=201)
async def create(
    body: WorkspaceCreate, actor: Annotated[Actor, person(Role.ADMIN)], db: Db, settings: RunningSettings
) -> WorkspaceDetails:
    """Make one more workspace; whoever administers one may, and administers the new one too."""
    async with db.write(actor) as tx:
        return await service.create(tx, settings, body)
