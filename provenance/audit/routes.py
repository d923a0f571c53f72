"""Routes of the audit (spec/automation.md, rows 88 and 89, and the checks of 4.15)."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from provenance.audit import reading
from provenance.audit import service as audit
from provenance.audit.reading import View
from provenance.audit.schemas import (
    AuditEvent,
    Event,
    Events,
    ExportAsked,
    Filters,
    RangeAsked,
    RangeVerification,
    Verification,
)
from provenance.core.actor import Actor, Role, Scope
from provenance.core.cursors import DEFAULT_LIMIT, MAX_LIMIT
from provenance.core.routing import Db, Route, require
from provenance.ledger.dependencies import RunningLedger

router = APIRouter(route_class=Route, tags=["audit"])

Auditor = Annotated[Actor, require(Scope.AUDIT_READ, Role.EDITOR)]


async def view_of(request: Request, actor: Auditor, ledger: RunningLedger) -> View:
    """Return what it takes to read the caller's workspace."""
    return View(ledger.catalogues, await ledger.keyring.of(actor.workspace_id), request.app.state.tombstones)


Viewed = Annotated[View, Depends(view_of)]

_TYPES = {"json": "application/json", "ndjson": "application/x-ndjson", "csv": "text/csv"}


class Asked(Filters):
    """The query of a page of events."""

    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: Annotated[str | None, Query(max_length=512, description="nextCursor of the page before.")] = None
    format: Literal["json", "ndjson", "csv"] = "json"

    @property
    def filters(self) -> Filters:
        """The filters alone, to which a cursor is bound."""
        return Filters.model_validate(self.model_dump(by_alias=True, exclude={"limit", "cursor", "format"}))


@router.get(
    "/audit",
    operation_id="audit.list",
    response_model=Events,
    responses={200: {"content": {"application/x-ndjson": {}, "text/csv": {}}, "headers": {"x-next-cursor": {}}}},
)
async def list_events(asked: Annotated[Asked, Query()], actor: Auditor, db: Db, view: Viewed) -> Events | Response:
    """The platform's own record, newest first; as ndjson or csv the next cursor stands in x-next-cursor."""
    async with db.read(actor) as tx:
        found = await reading.page(tx, view, asked.filters, limit=asked.limit, cursor=asked.cursor)
    if asked.format == "json":
        return found
    body = reading.as_csv(found.items, header=True) if asked.format == "csv" else reading.as_ndjson(found.items)
    headers = {"x-next-cursor": found.next_cursor} if found.next_cursor else {}
    return Response(body, media_type=_TYPES[asked.format], headers=headers)


@router.post("/audit/verify-range", operation_id="audit.verify_range", response_model=RangeVerification)
async def verify_range(asked: RangeAsked, actor: Auditor, db: Db, ledger: RunningLedger) -> RangeVerification:
    """Check that every row between two sequence numbers is what was recorded and signed."""
    async with db.read(actor) as tx:
        return await reading.verify_range(tx, ledger.catalogues, asked)


@router.post(
    "/audit/export",
    operation_id="audit.export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}, "text/csv": {}}}},
)
async def export(asked: ExportAsked, actor: Auditor, db: Db, view: Viewed) -> StreamingResponse:
    """Every event that fits the filters, as a stream; the export itself is recorded before it begins."""
    filters = asked.filters
    async with db.write(actor) as tx:
        data = {"format": asked.format, "filters": filters.model_dump(by_alias=True, mode="json", exclude_none=True)}
        audit.record(tx, AuditEvent.EXPORTED, "audit", data, risk=audit.Risk.MEDIUM)

    async def body() -> AsyncIterator[bytes]:
        first = True
        async for events in reading.everything(db, actor, view, filters):
            yield reading.as_csv(events, header=first) if asked.format == "csv" else reading.as_ndjson(events)
            first = False

    name = f'attachment; filename="audit.{asked.format}"'
    return StreamingResponse(body(), media_type=_TYPES[asked.format], headers={"content-disposition": name})


@router.get("/audit/{event_id}", operation_id="audit.get", response_model=Event)
async def get(event_id: str, actor: Auditor, db: Db, view: Viewed) -> Event:
    """One event with its MAC."""
    async with db.read(actor) as tx:
        return await reading.event(tx, view, event_id)


@router.get("/audit/{event_id}/verify", operation_id="audit.verify", response_model=Verification)
async def verify(event_id: str, actor: Auditor, db: Db, view: Viewed) -> Verification:
    """Check one event: its MAC anew, its leaf, and that the signed log holds it."""
    async with db.read(actor) as tx:
        return await reading.verify(tx, view, event_id)
