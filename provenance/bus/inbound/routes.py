"""The route that outside systems post to (spec/automation.md, row 130): the signature is the credential."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from provenance.bus.inbound.schemas import Arrived
from provenance.bus.inbound.service import Inbox
from provenance.core.routing import Incoming, Route

router = APIRouter(route_class=Route, tags=["bus"])

SIGNED: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}},
    "security": [{"signature": []}],
}


async def inbox_of(request: Request) -> Inbox:
    """Return the inbox of the running application."""
    found: Inbox = request.app.state.inbox
    return found


@router.post("/bus/inbound/{subscription_id}", operation_id="inbound.take", status_code=201, openapi_extra=SIGNED)
async def take(subscription_id: str, exchange: Incoming, inbox: Annotated[Inbox, Depends(inbox_of)]) -> Arrived:
    """Publish what an outside system posts, if it is signed; a repeat is answered with its first message."""
    return await inbox.take(exchange, subscription_id)
