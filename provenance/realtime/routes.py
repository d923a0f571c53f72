"""The twin of the WebSocket for simple clients: one GET that goes on for ever."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from provenance.core.actor import Actor, Role
from provenance.core.routing import Incoming, Route, require_any_key
from provenance.realtime import sending
from provenance.realtime.line import Asked
from provenance.realtime.schemas import MOST_CHANNELS

router = APIRouter(route_class=Route, tags=["realtime"])

Listener = Annotated[Actor, require_any_key(Role.VIEWER)]
Names = Annotated[list[str], Query(min_length=1, max_length=MOST_CHANNELS, description="Channels; repeat for several.")]
Filtered = Annotated[str | None, Query(max_length=16_384, description="Of interactions: the list's query string.")]
Sample = Annotated[float | None, Query(gt=0, le=1, description="Of interactions: the share of rows to send.")]
LastSeq = Annotated[int | None, Query(alias="lastSeq", ge=0, le=2**53 - 1, description="Go on after this number.")]
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", pattern=r"^\d{1,16}$")]


@router.get(
    "/events",
    operation_id="realtime.stream",
    response_class=Response,
    responses={200: {"description": "Events as they happen, until the client goes.", "content": {sending.TYPE: {}}}},
)
async def stream(
    request: Request,
    actor: Listener,
    incoming: Incoming,
    channel: Names,
    filter: Filtered = None,
    sample: Sample = None,
    last_seq: LastSeq = None,
    last_event_id: LastEventId = None,
) -> Response:
    """Live updates as server-sent events; each event's id is the number to resume after."""
    after = last_seq if last_event_id is None else int(last_event_id)
    return await sending.begun(request.app.state.realtime, incoming, actor, Asked(channel, filter, sample, after))
