"""The search for activity, under both of its paths."""

from fastapi import APIRouter, Response

from provenance.core.routing import Db, Reader, Route
from provenance.ledger.activity import service
from provenance.ledger.activity.schemas import USER_UNITS, ActivitySearch
from provenance.ledger.dependencies import RunningLedger
from provenance.ledger.interactions.listing_routes import Keys, json_answer, page_of

router = APIRouter(route_class=Route, tags=["activity"])
_ANSWER = json_answer("One page, grouped by user, then unit of work.", page_of(USER_UNITS))


@router.post("/api/activity/search", operation_id="activity.search", response_class=Response, responses=_ANSWER)
async def search(body: ActivitySearch, actor: Reader, db: Db, ledger: RunningLedger, keys: Keys) -> Response:
    """What was done, by whom, in which unit of work."""
    async with db.read(actor) as tx:
        found = await service.search(tx, ledger.catalogues, keys, body)
    return Response(found, media_type="application/json")


@router.post("/api/activity", operation_id="activity.query", response_class=Response, responses=_ANSWER)
async def query(body: ActivitySearch, actor: Reader, db: Db, ledger: RunningLedger, keys: Keys) -> Response:
    """The same as activity.search."""
    return await search(body, actor, db, ledger, keys)
