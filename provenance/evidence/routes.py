"""Routes of evidence, and the records of the log as they are sealed."""

from collections.abc import Iterator
from typing import IO, Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from provenance.core.actor import Actor, Role, Scope
from provenance.core.pagination import Page, PageRequest
from provenance.core.routing import Db, Reader, Route, require
from provenance.evidence import sealed, service
from provenance.evidence.schemas import Evidence, EvidenceCreate
from provenance.ledger.dependencies import RunningLedger
from provenance.ledger.interactions.listing_routes import json_answer, page_of

router = APIRouter(route_class=Route, tags=["evidence"])

Auditor = Annotated[Actor, require(Scope.AUDIT_READ, Role.EDITOR)]
_CHUNK = 1 << 18
_ZIP: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The pack.",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_RECORDS = {
    "type": "object",
    "required": ["records"],
    "properties": {
        "records": {
            "type": "array",
            "items": {
                "type": "object",
                "description": "masked: a platform row this caller does not see whole. index: what is searched by.",
                "required": ["content", "envelope", "index", "masked", "number", "salt"],
                "properties": {
                    "content": {"type": ["object", "null"]},
                    "envelope": {"type": "object"},
                    "index": {"type": ["object", "null"]},
                    "masked": {"type": "boolean"},
                    "number": {"type": "integer"},
                    "salt": {"type": ["string", "null"]},
                },
            },
        }
    },
}


@router.post("/api/evidence", operation_id="evidence.create", response_model=Evidence, status_code=201)
async def create(body: EvidenceCreate, response: Response, actor: Auditor, db: Db, ledger: RunningLedger) -> Evidence:
    """Ask for evidence of all records that satisfy a filter; 200 when the very same was asked for before."""
    asked = await service.gather(db, actor, ledger, body)
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.write(actor) as tx:
        found, made = await service.create(tx, keys, asked)
    response.status_code = 201 if made else 200
    return found


@router.get(
    "/api/evidence",
    operation_id="evidence.list",
    response_model=None,
    responses=json_answer("One page, newest first.", page_of({"$ref": "#/components/schemas/Evidence"})),
)
async def list_evidence(actor: Auditor, db: Db, asked: PageRequest) -> Page:
    """Evidence that was asked for, newest first."""
    async with db.read(actor) as tx:
        return await service.page(tx, asked)


@router.get("/api/evidence/{evidence_id}", operation_id="evidence.get", response_model=Evidence)
async def get(evidence_id: str, actor: Auditor, db: Db) -> Evidence:
    """One piece of evidence."""
    async with db.read(actor) as tx:
        return await service.one(tx, evidence_id)


@router.get(
    "/api/evidence/{evidence_id}/download",
    operation_id="evidence.download",
    response_class=Response,
    responses=_ZIP,
)
async def download(evidence_id: str, actor: Auditor, db: Db, ledger: RunningLedger) -> StreamingResponse:
    """The evidence pack, a zip: the same bytes each time, until content of one of its records is erased."""
    file, size = await service.packed(db, actor, ledger, evidence_id)
    headers = {
        "content-disposition": f'attachment; filename="{evidence_id}.zip"',
        "content-length": str(size),
        "cache-control": "no-store",
    }
    return StreamingResponse(_pieces(file), media_type="application/zip", headers=headers)


@router.get(
    "/api/log/records",
    operation_id="log.records",
    response_class=Response,
    responses=json_answer("The records, by their numbers.", _RECORDS),
)
async def records(
    actor: Reader,
    db: Db,
    ledger: RunningLedger,
    first: Annotated[int, Query(alias="from", ge=1, le=2**62, description="The first number.")] = 1,
    limit: Annotated[int, Query(ge=1, le=500, description="Records, 500 by default.")] = 500,
) -> Response:
    """Records as they are sealed: envelope, content and salt; to check contents against the log."""
    async with db.read(actor) as tx:
        found = await sealed.stored(tx, ledger.catalogues, first, limit)
    return Response(found, media_type="application/json", headers={"cache-control": "no-store"})


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_CHUNK):
            yield piece
