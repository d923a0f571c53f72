"""Routes of the figures (spec/ledger.md, 4)."""

from fastapi import APIRouter

from provenance.core.routing import Db, Reader, Route
from provenance.ledger.analytics import service
from provenance.ledger.analytics.schemas import AnalyticsAnswer, AnalyticsQuery, Discovery
from provenance.ledger.dependencies import RunningLedger

router = APIRouter(route_class=Route, tags=["analytics"])


@router.post("/api/analytics/query", operation_id="analytics.query")
async def query(body: AnalyticsQuery, actor: Reader, db: Db, ledger: RunningLedger) -> AnalyticsAnswer:
    """Counts, sums and percentiles of interactions, grouped by up to three dimensions."""
    return await service.answer(db, ledger.catalogues, actor, body)


@router.get("/api/analytics/discover", operation_id="analytics.discover")
async def discover(actor: Reader, db: Db) -> Discovery:
    """What figures may be asked for: metrics, dimensions, known fields, and the time the data spans."""
    async with db.read(actor) as tx:
        return await service.discover(tx)
