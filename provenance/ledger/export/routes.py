"""The route of exports."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from provenance.core.errors import Invalid
from provenance.core.routing import Reader, Route
from provenance.ledger.dependencies import RunningLedger
from provenance.ledger.export import service
from provenance.ledger.export.formats import FORMATS
from provenance.ledger.export.schemas import ExportQuery, FormatName, Proofs
from provenance.ledger.export.service import Asking
from provenance.ledger.interactions.filters import Filters
from provenance.ledger.interactions.listing_routes import Keys, given_once

router = APIRouter(route_class=Route, tags=["export"])

MOST = 2**53 - 1
_FILTERS = {*Filters.model_json_schema(by_alias=True)["properties"], "from", "to"}
_KINDS = sorted({form.media_type.partition(";")[0] for form in FORMATS.values()})
_TEXT: dict[str, Any] = {"type": "string"}
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The records, oldest first, and the manifest at the end.",
        "content": {kind: {"schema": {}} for kind in _KINDS},
        "headers": {
            "x-export-cursor": {"description": "Names this stream, to go on with it when it breaks.", "schema": _TEXT},
            "x-export-count": {"description": "How many records there will be, where that is known.", "schema": _TEXT},
            "x-export-sha256": {"description": "Of a format that is one document: its hash.", "schema": _TEXT},
        },
    }
}


async def export_query(
    request: Request,
    format_: Annotated[FormatName, Query(alias="format", description="How the records are written.")],
    proofs: Annotated[
        Proofs | None,
        Query(
            description="reference: the leaf hash of each record. inline: its whole proof as JSON. "
            "Default reference, for in-toto inline."
        ),
    ] = None,
    limit: Annotated[
        int | None, Query(ge=1, le=MOST, description="At most so many; the manifest's nextCursor goes on after them.")
    ] = None,
    cursor: Annotated[
        str | None,
        Query(
            description="x-export-cursor of a stream that broke, or nextCursor of a manifest: good for the same "
            "format, proofs and filters."
        ),
    ] = None,
    offset: Annotated[
        int, Query(ge=0, le=MOST, description="Bytes of the cursor's stream that arrived; it goes on behind them.")
    ] = 0,
) -> ExportQuery:
    """Read what an export is asked for besides the filters."""
    for name in ("format", "proofs", "offset"):
        if len(set(request.query_params.getlist(name))) > 1:
            raise Invalid.at(name, "is given more than once")
    return ExportQuery(format_, proofs, limit, cursor, offset)


async def filters_sent(request: Request) -> dict[str, list[str]]:
    """Return the filters as they were written, for the manifest."""
    sent = request.query_params
    return {name: sent.getlist(name) for name in sorted(set(sent) & _FILTERS)}


@router.get(
    "/api/export",
    operation_id="export.stream",
    response_class=StreamingResponse,
    responses=_ANSWER,
    dependencies=[Depends(given_once)],
)
async def stream(
    actor: Reader,
    ledger: RunningLedger,
    keys: Keys,
    filters: Annotated[Filters, Query()],
    sent: Annotated[dict[str, list[str]], Depends(filters_sent)],
    query: Annotated[ExportQuery, Depends(export_query)],
) -> StreamingResponse:
    """Interactions that satisfy every filter given, oldest first, with what proves them; streamed."""
    opened = await service.begin(ledger, Asking(actor, keys, filters, sent, query))
    return StreamingResponse(opened.body, media_type=opened.media_type, headers=opened.headers)
