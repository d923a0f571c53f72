"""Routes of billing, for administrators alone."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from provenance.billing import service
from provenance.billing.running import Billing
from provenance.billing.schemas import BillingSummary, Portal, PortalAsked
from provenance.core.actor import Actor, Role
from provenance.core.routing import Db, Route
from provenance.identity.access.dependencies import person
from provenance.ledger.dependencies import RunningLedger

router = APIRouter(route_class=Route, tags=["billing"])

Admin = Annotated[Actor, person(Role.ADMIN)]


async def billing_of(request: Request) -> Billing:
    """Return the running application's billing."""
    found: Billing = request.app.state.billing
    return found


RunningBilling = Annotated[Billing, Depends(billing_of)]


@router.get("/billing/summary", operation_id="billing.summary", response_model=BillingSummary)
async def summary(actor: Admin, db: Db, ledger: RunningLedger, billing: RunningBilling) -> BillingSummary:
    """The workspace's plan, and what it used this month."""
    await billing.freshen(actor.workspace_id)
    async with db.read(actor) as tx:
        stored, portal = await billing.stored(tx), billing.payments is not None
        return await service.summary(tx, ledger.settings, ledger.catalogues, stored=stored, portal=portal)


@router.post("/billing/portal", operation_id="billing.portal", response_model=Portal)
async def portal(asked: PortalAsked, actor: Admin, db: Db, billing: RunningBilling, request: Request) -> Portal:
    """The address of the payment portal; 409 on a server that bills nobody."""
    home = billing.public_url or str(request.base_url)
    return await service.portal(db, billing.payments, actor, asked, home)
