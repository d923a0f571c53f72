"""Routes of the self-audit: what it found."""

from typing import Annotated

from fastapi import APIRouter, Query

from provenance.core.routing import Db, Reader, Route
from provenance.ledger.self_audit import service
from provenance.ledger.self_audit.schemas import Incidents

router = APIRouter(route_class=Route, tags=["log"])

Limit = Annotated[int, Query(ge=1, le=500, description="Most findings of one page.")]
CursorText = Annotated[str | None, Query(max_length=200, description="nextCursor of the page before.")]


@router.get("/api/log/incidents", operation_id="self_audit.incidents", response_model=Incidents)
async def incidents(actor: Reader, db: Db, limit: Limit = 50, cursor: CursorText = None) -> Incidents:
    """What the self-audit found that is not as it was signed, newest first."""
    async with db.read(actor) as tx:
        return await service.incidents(tx, limit, cursor)
