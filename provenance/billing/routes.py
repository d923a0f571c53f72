"""Routes of billing, for administrators alone."""

from typing import Annotated

from fastapi import APIRouter

from provenance.billing import service
from provenance.billing.schemas import BillingSummary, Portal, PortalAsked
from provenance.core.actor import Actor, Role
from provenance.core.routing import Db, Route
from provenance.identity.access.dependencies import person
from provenance.ledger.dependencies import RunningLedger

router = APIRouter(route_class=Route, tags=["billing"])

Admin = Annotated[Actor, person(Role.ADMIN)]


@router.get("/billing/summary", operation_id="billing.summary", response_model=BillingSummary)
async def summary(actor: Admin, db: Db, ledger: RunningLedger) -> BillingSummary:
    """The workspace's plan, and what it used this month."""
    async with db.read(actor) as tx:
        return await service.summary(tx, ledger.catalogues)


@router.post("/billing/portal", operation_id="billing.portal", response_model=Portal)
async def portal(asked: PortalAsked, actor: Admin) -> Portal:
    """The address of the payment portal; 409 on a server that bills nobody."""
    return service.portal(asked)
