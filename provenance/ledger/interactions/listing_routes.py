"""Routes that list interactions and read one."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from provenance.core.actor import Actor
from provenance.core.db import Database
from provenance.core.door import Exchange, admit
from provenance.core.errors import Invalid
from provenance.core.keyring import WorkspaceKeys
from provenance.core.pagination import PageRequest
from provenance.core.routing import Db, Reader, Route, access_of, spend
from provenance.ledger.completeness import service as completeness
from provenance.ledger.dependencies import RunningLedger
from provenance.ledger.interactions import asking, listing
from provenance.ledger.interactions.asking import Plain
from provenance.ledger.interactions.filters import Filters
from provenance.ledger.interactions.listing import Asked
from provenance.ledger.service import Ledger


class ListRoute(Route):
    """A route whose parameters are read past the framework when there is nothing odd about them (see `asking`)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the framework's handler."""
        framework = super().get_route_handler()
        access = access_of(self.dependant)
        assert access is not None, "lists are for those who may read"

        async def handle(request: Request) -> Response:
            plain = asking.plainly(request.scope["query_string"])
            if plain is None:
                return await framework(request)
            request.scope["route_path"] = self.path_format
            state = request.app.state
            exchange: Exchange = request.scope["exchange"]
            actor = await admit(exchange, access, state.authenticate)
            allowance = spend(request, exchange)
            keys = await workspace_keys(actor, state.ledger)
            response = await _answer(actor, state.db, state.ledger, keys, plain)
            if allowance is not None:
                response.headers.update(allowance.headers)
            return response

        return handle


router = APIRouter(route_class=Route, tags=["interactions"])

_ROW = {"$ref": "#/components/schemas/Interaction"}


def json_answer(description: str, schema: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entry of an answer whose body is written as bytes."""
    return {200: {"description": description, "content": {"application/json": {"schema": schema}}}}


def page_of(items: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI schema of the envelope around a list of ``items``."""
    pagination = {"$ref": "#/components/schemas/Pagination"}
    return {
        "type": "object",
        "properties": {"data": {"type": "array", "items": items}, "pagination": pagination},
        "required": ["data", "pagination"],
    }


_ONCE = sorted((asking.FILTERS | asking.PAGING) - asking.REPEATABLE)


async def given_once(request: Request) -> None:
    """Refuse a parameter that is given twice with different values: one of them would be dropped in silence."""
    for name in _ONCE:
        if len(set(request.query_params.getlist(name))) > 1:
            raise Invalid.at(name, "is given more than once")


Order = Annotated[Literal["asc", "desc"], Query(description="By number; with a date, by createdDate and number.")]
CursorText = Annotated[
    str | None, Query(description="nextCursor of the page before; good for the same filters and order.")
]


async def workspace_keys(actor: Reader, ledger: RunningLedger) -> WorkspaceKeys:
    """Return the workspace's keys, and have its words at hand, before a transaction holds a connection."""
    await ledger.catalogues.of(actor.workspace_id)
    return await ledger.keyring.of(actor.workspace_id)


Keys = Annotated[WorkspaceKeys, Depends(workspace_keys)]


async def list_interactions(
    actor: Reader,
    db: Db,
    ledger: RunningLedger,
    keys: Keys,
    filters: Annotated[Filters, Query()],
    asked: PageRequest,
    order: Order = "desc",
    cursor: CursorText = None,
    proof: Annotated[
        Literal["complete"] | None,
        Query(description="complete: with the completeness answer for the one resourceId, userId or uowId."),
    ] = None,
) -> Response:
    """Interactions that satisfy every filter given, newest first."""
    wanted = Asked(asked.page, asked.limit, asked.offset, order == "desc", cursor)
    if proof is None:
        return await _answer(actor, db, ledger, keys, Plain(filters, wanted))
    async with db.read(actor) as tx:
        complete = await completeness.answer_for(tx, keys, filters)
        body = await listing.page(tx, ledger.catalogues, keys, filters, wanted)
    return Response(body[:-1] + b',"completeness":' + complete + b"}", media_type="application/json")


async def _answer(actor: Actor, db: Database, ledger: Ledger, keys: WorkspaceKeys, plain: Plain) -> Response:
    async with db.read(actor) as tx:
        body = await listing.page(tx, ledger.catalogues, keys, plain.filters, plain.asked)
    return Response(body, media_type="application/json")


router.add_api_route(
    "/api/interactions",
    list_interactions,
    operation_id="interactions.list",
    response_class=Response,
    responses=json_answer("One page, newest first.", page_of(_ROW)),
    dependencies=[Depends(given_once)],
    route_class_override=ListRoute,
)


@router.get(
    "/api/interactions/{interaction_id}",
    operation_id="interactions.get",
    response_class=Response,
    responses=json_answer("The row.", _ROW),
    dependencies=[Depends(workspace_keys)],
)
async def get(interaction_id: str, actor: Reader, db: Db, ledger: RunningLedger) -> Response:
    """One interaction by its id."""
    async with db.read(actor) as tx:
        body = await listing.one(tx, ledger.catalogues, interaction_id)
    return Response(body, media_type="application/json")
