"""Routes of templates (spec/automation.md, rows 42 and 43)."""

from typing import Annotated

from fastapi import APIRouter, Query

from provenance.core.actor import Actor, Role
from provenance.core.cursors import DEFAULT_LIMIT
from provenance.core.routing import Cursor, Limit, Route, require_any_key
from provenance.ledger.dependencies import RunningLedger
from provenance.workflows.templates import service
from provenance.workflows.templates.schemas import Category, Template, Templates

router = APIRouter(route_class=Route, tags=["templates"])

Anybody = Annotated[Actor, require_any_key(Role.VIEWER)]


@router.get("/templates", operation_id="templates.list")
async def list_templates(
    actor: Anybody,
    ledger: RunningLedger,
    category: Annotated[Category | None, Query()] = None,
    q: Annotated[str | None, Query(max_length=200)] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Templates:
    """Workflows to begin with, by name."""
    keys = await ledger.keyring.of(actor.workspace_id)
    return service.page(keys, category=category, q=q, limit=limit, cursor=cursor)


@router.get("/templates/{template_id}", operation_id="templates.get")
async def get(template_id: str, actor: Anybody) -> Template:
    """A template with its definition."""
    return service.find(template_id)
