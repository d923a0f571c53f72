"""Routes of the discovered fields (spec/ledger.md, 4)."""

from typing import Annotated

from fastapi import APIRouter, Query

from provenance.core.pagination import Page, PageRequest
from provenance.core.routing import Db, Reader, Route
from provenance.ledger.dependencies import RunningLedger
from provenance.ledger.fields import service
from provenance.ledger.fields.schemas import FOUND_FIELD
from provenance.ledger.interactions.listing_routes import json_answer, page_of

router = APIRouter(route_class=Route, tags=["interaction-fields"])

ResourceType = Annotated[
    str | None, Query(alias="resourceType", max_length=64, description="A resource type, by mnemonic or id.")
]
Action = Annotated[str | None, Query(max_length=64, description="An action, by mnemonic or id.")]


@router.get(
    "/api/interaction-fields",
    operation_id="fields.list",
    response_model=None,
    responses=json_answer("One page, by resource type, action and path.", page_of(FOUND_FIELD)),
)
async def list_fields(
    actor: Reader,
    db: Db,
    ledger: RunningLedger,
    page: PageRequest,
    resource_type: ResourceType = None,
    action: Action = None,
) -> Page:
    """JSON paths seen in interactions, with the types of their values and how often they were seen."""
    async with db.read(actor) as tx:
        return await service.find(tx, ledger.catalogues, page, resource_type=resource_type, action=action)
