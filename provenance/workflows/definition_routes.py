"""The route of the definition's JSON Schema: editors complete and check against it while one writes."""

from typing import Any

from fastapi import APIRouter

from provenance.core.routing import Route
from provenance.workflows.definition import definition_schema

router = APIRouter(route_class=Route, tags=["docs"])


@router.get("/docs/workflow-definition.schema.json", operation_id="docs.workflow_definition")
async def workflow_definition() -> dict[str, Any]:
    """The JSON Schema of workflow definitions."""
    return definition_schema()
