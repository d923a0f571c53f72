"""Routes of the links in mails: a page that shows an approval and, by its form, the decision."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from provenance.approvals.links import answering
from provenance.approvals.links.schemas import LONGEST_TOKEN, LinkDecision
from provenance.core.routing import Route

router = APIRouter(route_class=Route, tags=["approvals"])

PAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}
_SCHEMA = {"schema": LinkDecision.model_json_schema(by_alias=True)}
BODY = {
    "requestBody": {
        "content": {"application/x-www-form-urlencoded": _SCHEMA, "application/json": _SCHEMA},
        "required": True,
    }
}


@router.get(
    "/approvals/{approval_id}/decide",
    operation_id="links.show",
    response_class=Response,
    responses=PAGE,
)
async def show(
    approval_id: str,
    request: Request,
    token: Annotated[str, Query(max_length=LONGEST_TOKEN, description="Of the mailed link.")] = "",
) -> Response:
    """What a mailed link opens: what is asked, and a form to decide it. Changes nothing."""
    return await answering.show(request, approval_id, token)


@router.post(
    "/approvals/{approval_id}/decide",
    operation_id="links.decide",
    response_class=Response,
    responses=PAGE,
    openapi_extra=BODY,
)
async def decide(approval_id: str, request: Request) -> Response:
    """Approve or reject by the token of a mailed link, which is used up with it."""
    return await answering.decide(request, approval_id)
