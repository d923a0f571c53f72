"""Routes of the connections (spec/automation.md, rows 35 to 41, and the end of row 40)."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse

from provenance.connections import authorizing, pages, service
from provenance.connections.dependencies import RunningConnections
from provenance.connections.schemas import (
    Asked,
    Authorization,
    AuthorizeAsked,
    Connection,
    ConnectionCreate,
    Connections,
    ConnectionUpdate,
    Deleted,
    Tested,
)
from provenance.core.actor import Actor, Role, Scope
from provenance.core.routing import Db, Incoming, Route, require
from provenance.identity.access.dependencies import person

router = APIRouter(route_class=Route, tags=["connections"])

Reader = Annotated[Actor, require(Scope.CONNECTIONS_READ, Role.VIEWER)]
Writer = Annotated[Actor, require(Scope.CONNECTIONS_WRITE, Role.EDITOR)]
Text = Annotated[str | None, Query(max_length=4096, pattern=r"^[\x20-\x7e]*$")]
_PAGES: dict[int | str, dict[str, Any]] = {
    200: {"description": "A page for the person.", "content": {"text/html": {}}},
    302: {"description": "The browser goes on to redirectUri."},
}


@router.get("/connections", operation_id="connections.list")
async def list_connections(
    asked: Annotated[Asked, Query()], actor: Reader, db: Db, running: RunningConnections
) -> Connections:
    """Connections, newest first, without their credentials."""
    keys = await running.ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.page(tx, keys, asked)


@router.post("/connections", operation_id="connections.create", status_code=201)
async def create(body: ConnectionCreate, actor: Writer, db: Db, running: RunningConnections) -> Connection:
    """Make a connection; one that a provider has to authorise is pending until then."""
    keys = await running.ledger.keyring.of(actor.workspace_id)
    async with db.write(actor) as tx:
        return await service.create(tx, keys, body)


@router.get("/connections/{connection_id}", operation_id="connections.get")
async def get(connection_id: str, actor: Reader, db: Db) -> Connection:
    """A connection without its credential."""
    async with db.read(actor) as tx:
        return await service.get(tx, connection_id)


@router.patch("/connections/{connection_id}", operation_id="connections.update")
async def update(
    connection_id: str, body: ConnectionUpdate, actor: Writer, db: Db, running: RunningConnections
) -> Connection:
    """Change a connection's name, config or credential; pause it, or use it again."""
    keys = await running.ledger.keyring.of(actor.workspace_id)
    async with db.write(actor) as tx:
        return await service.update(tx, keys, connection_id, body)


@router.delete("/connections/{connection_id}", operation_id="connections.delete")
async def delete(connection_id: str, actor: Writer, running: RunningConnections) -> Deleted:
    """Delete a connection that nothing works with; its provider is asked to forget what it gave out."""
    return await authorizing.delete(running, actor, connection_id)


@router.post("/connections/{connection_id}/authorize", operation_id="connections.authorize")
async def authorize(
    connection_id: str,
    body: AuthorizeAsked,
    actor: Annotated[Actor, person(Role.EDITOR)],
    running: RunningConnections,
    exchange: Incoming,
    response: Response,
) -> Authorization:
    """Where to send the person, so that the provider authorises the connection."""
    begun = await authorizing.authorize(running, actor, connection_id, body)
    pages.remember(response, begun.state, authorizing.STATE_SECONDS, secure=exchange.scheme == "https")
    return begun


@router.post("/connections/{connection_id}/test", operation_id="connections.test")
async def test(connection_id: str, actor: Writer, running: RunningConnections) -> Tested:
    """Try a connection with a call that changes nothing; a failure sets it to error, a success ends one."""
    return await running.test(actor, connection_id)


@router.get("/oauth/callback", operation_id="connections.callback", response_class=Response, responses=_PAGES)
async def callback(running: RunningConnections, exchange: Incoming, state: Text = None, code: Text = None) -> Response:
    """Take the browser back from a provider; one that did not begin the authorisation is asked first."""
    if not authorizing.began_here(state, pages.cookie_of(exchange)):
        begun = await authorizing.under_way(running, state)
        return pages.ask(begun.row.name, begun.row.integration)
    return _on(*await authorizing.finish(running, state, code))


@router.post("/oauth/callback", operation_id="connections.confirm", response_class=Response, responses=_PAGES)
async def confirm(running: RunningConnections, state: Text = None, code: Text = None) -> Response:
    """Finish an authorisation that was begun in another browser, after its person said so."""
    return _on(*await authorizing.finish(running, state, code))


def _on(return_to: str | None, row: Any) -> Response:
    return pages.done(row.name) if return_to is None else RedirectResponse(return_to, 302)
