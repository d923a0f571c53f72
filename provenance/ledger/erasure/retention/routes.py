"""Routes of retention (spec/proof.md, 6)."""

from fastapi import APIRouter

from provenance.core.routing import Db, Route
from provenance.ledger.dependencies import RunningLedger
from provenance.ledger.erasure.access import Admin
from provenance.ledger.erasure.retention import service
from provenance.ledger.erasure.retention.schemas import RetentionPolicies

router = APIRouter(route_class=Route, tags=["retention-policies"])


@router.get("/api/retention-policies", operation_id="retention_policies.get")
async def get(actor: Admin, db: Db, ledger: RunningLedger) -> RetentionPolicies:
    """How long content stays, by resource type and action."""
    async with db.read(actor) as tx:
        return await service.find(tx, ledger.catalogues)


@router.put("/api/retention-policies", operation_id="retention_policies.replace")
async def replace(body: RetentionPolicies, actor: Admin, db: Db, ledger: RunningLedger) -> RetentionPolicies:
    """Say how long content stays, in the place of all that was said before; envelopes stay for ever."""
    async with db.write(actor) as tx:
        return await service.replace(tx, ledger.catalogues, body)
