"""Routes of environments (spec/automation.md, rows 47 and 48)."""

from typing import Annotated

from fastapi import APIRouter

from provenance.core.actor import Actor, Role, Scope
from provenance.core.routing import Db, Route, require
from provenance.workspace.environments import service
from provenance.workspace.environments.schemas import Environments, EnvironmentsUpdate

router = APIRouter(route_class=Route, tags=["workspace"])


@router.get("/workspace/environments", operation_id="environments.list")
async def list_environments(
    actor: Annotated[Actor, require(Scope.AUDIT_READ, Role.VIEWER, people_only=True)], db: Db
) -> Environments:
    """The workspace's environments, in their order."""
    async with db.read(actor) as tx:
        return await service.list_environments(tx)


@router.put("/workspace/environments", operation_id="environments.update")
async def update(
    body: EnvironmentsUpdate,
    actor: Annotated[Actor, require(Scope.AUDIT_READ, Role.ADMIN, people_only=True)],
    db: Db,
) -> Environments:
    """Replace the whole list of environments; production stays, and so does one that is in use."""
    async with db.write(actor) as tx:
        return await service.update(tx, body)
