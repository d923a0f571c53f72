"""Routes of workflows (spec/automation.md, rows 61 to 65, 68 and 69)."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from provenance.core.actor import Actor, Role, Scope
from provenance.core.cursors import DEFAULT_LIMIT
from provenance.core.routing import Cursor, Db, Limit, Route, require
from provenance.ledger.dependencies import RunningLedger
from provenance.workflows import service
from provenance.workflows.dependencies import BaseUrl, IfMatch, RunsSeen, set_etag
from provenance.workflows.schemas import (
    Draft,
    DraftSave,
    Workflow,
    WorkflowCreate,
    WorkflowDeleted,
    Workflows,
    WorkflowUpdate,
)

router = APIRouter(route_class=Route, tags=["workflows"])

Reader = Annotated[Actor, require(Scope.WORKFLOWS_READ, Role.VIEWER)]
Editor = Annotated[Actor, require(Scope.WORKFLOWS_WRITE, Role.EDITOR)]
DraftReader = Annotated[Actor, require(Scope.WORKFLOWS_READ, Role.EDITOR)]


@router.get("/workflows", operation_id="workflows.list")
async def list_workflows(
    actor: Reader,
    db: Db,
    ledger: RunningLedger,
    runs: RunsSeen,
    status: Annotated[Literal["draft", "deployed"] | None, Query()] = None,
    environment: Annotated[str | None, Query(max_length=63)] = None,
    q: Annotated[str | None, Query(max_length=200, description="Text of the name or the description.")] = None,
    tag: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Workflows:
    """The workspace's workflows, the latest changed first."""
    keys = await ledger.keyring.of(actor.workspace_id)
    filters: service.Filters = {"status": status, "environment": environment, "q": q, "tag": tag}
    async with db.read(actor) as tx:
        return await service.page(tx, keys, runs, filters, limit=limit, cursor=cursor)


@router.post("/workflows", operation_id="workflows.create", status_code=201)
async def create(body: WorkflowCreate, actor: Editor, db: Db, url: BaseUrl, response: Response) -> Workflow:
    """Make a workflow with a draft."""
    async with db.write(actor) as tx:
        made, revision = await service.create(tx, body, url)
    set_etag(response, revision)
    return made


@router.get("/workflows/{workflow_id}", operation_id="workflows.get")
async def get(
    workflow_id: str,
    actor: Reader,
    db: Db,
    runs: RunsSeen,
    url: BaseUrl,
    response: Response,
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> Workflow:
    """A workflow with the definition of its live version, or of another."""
    async with db.read(actor) as tx:
        found, revision = await service.find(tx, runs, workflow_id, version, url)
    set_etag(response, revision)
    return found


@router.put("/workflows/{workflow_id}", operation_id="workflows.update")
async def update(
    workflow_id: str,
    body: WorkflowUpdate,
    actor: Editor,
    db: Db,
    runs: RunsSeen,
    url: BaseUrl,
    if_match: IfMatch,
    response: Response,
) -> Workflow:
    """Change a workflow's metadata; the definition is the draft's."""
    async with db.write(actor) as tx:
        await service.update(tx, workflow_id, body, if_match)
        found, revision = await service.find(tx, runs, workflow_id, None, url)
    set_etag(response, revision)
    return found


@router.delete("/workflows/{workflow_id}", operation_id="workflows.delete")
async def delete(
    workflow_id: str,
    actor: Editor,
    db: Db,
    runs: RunsSeen,
    confirm: Annotated[str | None, Query(max_length=200, description="Its name; needed in production.")] = None,
) -> WorkflowDeleted:
    """Delete a workflow; in production only an administrator may, and names it."""
    async with db.write(actor) as tx:
        return await service.delete(tx, runs, workflow_id, confirm=confirm)


@router.get("/workflows/{workflow_id}/draft", operation_id="workflows.draft")
async def draft(workflow_id: str, actor: DraftReader, db: Db, response: Response) -> Draft:
    """The draft with its problems."""
    async with db.read(actor) as tx:
        found = await service.draft(tx, workflow_id)
    set_etag(response, found.draft_revision)
    return found


@router.put("/workflows/{workflow_id}/draft", operation_id="workflows.save_draft")
async def save_draft(
    workflow_id: str, body: DraftSave, actor: Editor, db: Db, if_match: IfMatch, response: Response
) -> Draft:
    """Keep a draft, valid or not; its problems are answered."""
    async with db.write(actor) as tx:
        found = await service.save_draft(tx, workflow_id, body, if_match)
    set_etag(response, found.draft_revision)
    return found
