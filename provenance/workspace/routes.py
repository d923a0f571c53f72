"""Routes of the workspace that the caller acts in (spec/automation.md, rows 44 and 45)."""

from typing import Annotated

from fastapi import APIRouter

from provenance.core.actor import Actor, Role, Scope
from provenance.core.routing import Db, Route, require, require_any_key
from provenance.workspace import service
from provenance.workspace.dependencies import RunningSettings
from provenance.workspace.schemas import WorkspaceDetails, WorkspaceUpdate

router = APIRouter(route_class=Route, tags=["workspace"])


@router.get("/workspace", operation_id="workspace.get")
async def get(
    actor: Annotated[Actor, require_any_key(Role.VIEWER)], db: Db, settings: RunningSettings
) -> WorkspaceDetails:
    """The workspace that the caller acts in, with its settings."""
    async with db.read(actor) as tx:
        return await service.details(tx, settings)


@router.put("/workspace", operation_id="workspace.update")
async def update(
    body: WorkspaceUpdate,
    actor: Annotated[Actor, require(Scope.AUDIT_READ, Role.ADMIN, people_only=True)],
    db: Db,
    settings: RunningSettings,
) -> WorkspaceDetails:
    """Change the workspace's settings; the slug stays."""
    async with db.write(actor) as tx:
        return await service.update(tx, settings, body)
