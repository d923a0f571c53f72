"""Routes of erasure (spec/proof.md, 6)."""

from typing import Any

from fastapi import APIRouter, Response

from provenance.core.ids import parse_uuid
from provenance.core.pagination import Page, PageRequest
from provenance.core.routing import Db, Route
from provenance.ledger.dependencies import RunningLedger
from provenance.ledger.erasure import service
from provenance.ledger.erasure.access import Admin
from provenance.ledger.erasure.schemas import Erasure, ErasureCreate, Preview
from provenance.ledger.interactions.listing_routes import json_answer, page_of

router = APIRouter(route_class=Route, tags=["erasures"])

_CREATED: dict[int | str, dict[str, Any]] = {
    200: {"model": Preview, "description": "With preview: what would be erased."},
    202: {"model": Erasure, "description": "Asked for; the worker does it."},
}


@router.get(
    "/api/erasures",
    operation_id="erasures.list",
    response_model=None,
    responses=json_answer("One page, newest first.", page_of({"$ref": "#/components/schemas/Erasure"})),
)
async def list_erasures(actor: Admin, db: Db, page: PageRequest) -> Page:
    """Erasures, what was erased by retention too."""
    async with db.read(actor) as tx:
        return await service.page(tx, page)


@router.post("/api/erasures", operation_id="erasures.create", status_code=202, response_model=None, responses=_CREATED)
async def create(
    body: ErasureCreate, actor: Admin, db: Db, ledger: RunningLedger, response: Response
) -> Preview | Erasure:
    """Destroy the content of a person's or a resource's rows, or of those a filter finds; or count them first."""
    keys = await ledger.keyring.of(actor.workspace_id)
    if body.preview:
        response.status_code = 200
        async with db.read(actor) as tx:
            return await service.preview(tx, ledger.catalogues, keys, body)
    async with db.write(actor) as tx:
        return await service.create(tx, ledger.catalogues, keys, body)


@router.get("/api/erasures/{erasure_id}", operation_id="erasures.get")
async def get(erasure_id: str, actor: Admin, db: Db) -> Erasure:
    """One erasure: how far it is, and where its certificate is."""
    async with db.read(actor) as tx:
        return await service.get(tx, parse_uuid(erasure_id))


@router.get(
    "/api/erasures/{erasure_id}/certificate",
    operation_id="erasures.certificate",
    response_class=Response,
    responses={
        200: {
            "description": "A note signed by the log's key.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
async def certificate(erasure_id: str, actor: Admin, db: Db) -> Response:
    """The signed certificate of a finished erasure: which numbers, when, and what the clean-up could not do."""
    async with db.read(actor) as tx:
        found = await service.certificate(tx, parse_uuid(erasure_id))
    return Response(found, media_type="text/plain", headers={"cache-control": "no-store"})
