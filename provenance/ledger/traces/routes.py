"""Routes of traces. An id may hold any character: one that is sent percent-encoded never means a path of ours."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from provenance.core.routing import Db, Reader, Route
from provenance.ledger.dependencies import RunningLedger
from provenance.ledger.interactions.listing_routes import Keys
from provenance.ledger.traces import schemas, service
from provenance.ledger.traces.service import Asked

router = APIRouter(route_class=Route, tags=["traces"])

Limit = Annotated[int, Query(ge=1, le=service.MAX_ROWS, description="Most interactions of one answer.")]
CursorText = Annotated[str | None, Query(description="nextCursor of the answer before.")]


async def asked_for(id: str, limit: Limit = service.MAX_ROWS, cursor: CursorText = None) -> Asked:
    """Read which part of which trace is asked for."""
    return Asked(id, limit, cursor)


Which = Annotated[Asked, Depends(asked_for)]


def _ends_in(request: Request, suffix: str) -> bool:
    """Tell whether the path really ends in a suffix of ours, instead of an id that spells its slash %2F."""
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    return raw.partition(b"?")[0].endswith(suffix.encode())


@router.get(
    "/api/traces/{id:path}/summary",
    operation_id="traces.summary",
    response_class=Response,
    responses=schemas.SUMMARY,
)
async def summary(request: Request, asked: Which, actor: Reader, db: Db, ledger: RunningLedger, keys: Keys) -> Response:
    """What a trace amounts to: counts, duration, origins, users, outcomes."""
    if not _ends_in(request, "/summary"):
        return await get(asked._replace(id=asked.id + "/summary"), actor, db, ledger, keys)
    async with db.read(actor) as tx:
        body = await service.summary(tx, ledger.catalogues, asked.id)
    return Response(body, media_type="application/json")


@router.get(
    "/api/traces/{id:path}/timeline",
    operation_id="traces.timeline",
    response_class=Response,
    responses=schemas.GROUPS,
)
async def timeline(
    request: Request, asked: Which, actor: Reader, db: Db, ledger: RunningLedger, keys: Keys
) -> Response:
    """A trace's interactions, grouped where they overlap in time."""
    if not _ends_in(request, "/timeline"):
        return await get(asked._replace(id=asked.id + "/timeline"), actor, db, ledger, keys)
    async with db.read(actor) as tx:
        body = await service.timeline(tx, ledger.catalogues, keys, asked)
    return Response(body, media_type="application/json")


@router.get("/api/traces/{id:path}", operation_id="traces.get", response_class=Response, responses=schemas.TRACE)
async def get(asked: Which, actor: Reader, db: Db, ledger: RunningLedger, keys: Keys) -> Response:
    """Everything that belongs together with a resource or a unit of work, and how it nests."""
    async with db.read(actor) as tx:
        body = await service.trace(tx, ledger.catalogues, keys, asked)
    return Response(body, media_type="application/json")


@router.get("/api/timeline/{id:path}", operation_id="traces.list", response_class=Response, responses=schemas.ROWS)
async def list_rows(asked: Which, actor: Reader, db: Db, ledger: RunningLedger, keys: Keys) -> Response:
    """A trace's interactions as a list, oldest first."""
    async with db.read(actor) as tx:
        body = await service.rows_of(tx, ledger.catalogues, keys, asked)
    return Response(body, media_type="application/json")
