"""Routes of legal holds (spec/proof.md, 6)."""

from fastapi import APIRouter

from provenance.core.ids import parse_uuid
from provenance.core.pagination import Page, PageRequest
from provenance.core.routing import Db, Route
from provenance.ledger.dependencies import RunningLedger
from provenance.ledger.erasure.access import Admin
from provenance.ledger.erasure.holds import service
from provenance.ledger.erasure.holds.schemas import HoldCreate, LegalHold
from provenance.ledger.interactions.listing_routes import json_answer, page_of

router = APIRouter(route_class=Route, tags=["legal-holds"])


@router.get(
    "/api/legal-holds",
    operation_id="legal_holds.list",
    response_model=None,
    responses=json_answer("One page, newest first.", page_of({"$ref": "#/components/schemas/LegalHold"})),
)
async def list_holds(actor: Admin, db: Db, ledger: RunningLedger, page: PageRequest) -> Page:
    """Legal holds, those that have ended too."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.page(tx, keys, page)


@router.post("/api/legal-holds", operation_id="legal_holds.create", status_code=201)
async def create(body: HoldCreate, actor: Admin, db: Db, ledger: RunningLedger) -> LegalHold:
    """Set a legal hold: no row that satisfies its filter is erased, by anyone or by retention, until it ends."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.write(actor) as tx:
        return await service.create(tx, ledger.catalogues, keys, body)


@router.delete("/api/legal-holds/{hold_id}", operation_id="legal_holds.delete", status_code=204)
async def delete(hold_id: str, actor: Admin, db: Db) -> None:
    """Lift a legal hold."""
    async with db.write(actor) as tx:
        await service.delete(tx, parse_uuid(hold_id))
