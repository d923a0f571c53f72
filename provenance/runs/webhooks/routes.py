"""The address that outside systems post to (spec/automation.md, row 131)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from provenance.core.routing import Incoming, Route
from provenance.ledger.interactions.routes import body_of
from provenance.runs.webhooks import service
from provenance.runs.webhooks.schemas import WebhookAccepted
from provenance.runs.webhooks.service import Webhooks

router = APIRouter(route_class=Route, tags=["webhooks"])


async def webhooks_of(request: Request) -> Webhooks:
    """Return the running application's webhooks."""
    found: Webhooks = request.app.state.webhooks
    return found


@router.post(
    "/webhooks/{workflow_id}",
    operation_id="webhooks.receive",
    status_code=201,
    openapi_extra=body_of({"description": "Any JSON; it becomes the input of the run."})
    | {"security": [{"signature": []}]},
)
async def receive(
    workflow_id: str, exchange: Incoming, webhooks: Annotated[Webhooks, Depends(webhooks_of)]
) -> WebhookAccepted:
    """Start a run with this body as its input; the signature over the raw bytes is the only credential."""
    return await service.receive(webhooks, exchange, workflow_id)
