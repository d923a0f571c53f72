"""Routes of versions (spec/automation.md, rows 66 and 67, and 4.15)."""

from typing import Annotated

from fastapi import APIRouter, Path

from provenance.core.actor import Actor, Role, Scope
from provenance.core.cursors import DEFAULT_LIMIT
from provenance.core.routing import Cursor, Db, Limit, Route, require
from provenance.ledger.dependencies import RunningLedger
from provenance.workflows.schemas import Promote, Promoted, Publish, Published, Unpublished, Versions
from provenance.workflows.versions import service

router = APIRouter(route_class=Route, tags=["workflows"])

Reader = Annotated[Actor, require(Scope.WORKFLOWS_READ, Role.VIEWER)]
Editor = Annotated[Actor, require(Scope.WORKFLOWS_WRITE, Role.EDITOR)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.post("/workflows/{workflow_id}/publish", operation_id="workflows.publish")
async def publish(workflow_id: str, body: Publish, actor: Editor, db: Db) -> Published:
    """Make the draft an immutable version and let it go live."""
    async with db.write(actor) as tx:
        return await service.publish(tx, workflow_id, body)


@router.get("/workflows/{workflow_id}/versions", operation_id="workflows.versions")
async def versions(
    workflow_id: str, actor: Reader, db: Db, ledger: RunningLedger, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Versions:
    """The published versions of a workflow, the newest first."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.page(tx, keys, workflow_id, limit=limit, cursor=cursor)


@router.post("/workflows/{workflow_id}/versions/{version}/publish", operation_id="workflows.publish_again")
async def publish_again(workflow_id: str, version: Number, actor: Editor, db: Db) -> Published:
    """Make a version that was published before the live one again."""
    async with db.write(actor) as tx:
        return await service.publish_again(tx, workflow_id, version)


@router.post("/workflows/{workflow_id}/unpublish", operation_id="workflows.unpublish")
async def unpublish(workflow_id: str, actor: Editor, db: Db) -> Unpublished:
    """Take the live version back; runs that began go on."""
    async with db.write(actor) as tx:
        return await service.unpublish(tx, workflow_id)


@router.post("/workflows/{workflow_id}/promote", operation_id="workflows.promote")
async def promote(workflow_id: str, body: Promote, actor: Editor, db: Db) -> Promoted:
    """Publish the live version in another environment."""
    async with db.write(actor) as tx:
        return await service.promote(tx, workflow_id, body)
