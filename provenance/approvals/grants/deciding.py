"""One decision on a grant, by a browser with a link, or by anybody who is signed in: a page or JSON."""

from fastapi import Request, Response

from provenance.approvals.grants import pages, service
from provenance.approvals.grants.schemas import Grant
from provenance.core.actor import Actor
from provenance.core.db import Database
from provenance.core.door import Exchange


async def show(request: Request, grant_id: str, verb: service.Verb, token: str | None) -> Response:
    """Show a grant to who may decide on it; nothing changes, for mail scanners open links. Raises as `decider`."""
    exchange: Exchange = request.scope["exchange"]
    _, grant = await service.decider(request.app.state.db, await _caller(request), grant_id, token)
    return pages.ask(grant, verb) if pages.wants_page(exchange) else _json(grant)


async def decide(request: Request, grant_id: str, verb: service.Verb, token: str | None) -> Response:
    """Decide on a grant. Raises as `decider` and `service.decide`."""
    exchange: Exchange = request.scope["exchange"]
    asked = pages.decision_of(exchange, token)
    db: Database = request.app.state.db
    named, _ = await service.decider(db, await _caller(request), grant_id, asked.token)
    async with db.write(named) as tx:
        grant = await service.decide(tx, grant_id, verb, asked)
    return pages.done(grant) if pages.wants_page(exchange) else _json(grant)


async def _caller(request: Request) -> Actor | None:
    """Return who is signed in, if anybody is."""
    exchange: Exchange = request.scope["exchange"]
    found: Actor | None = await request.app.state.authenticate(exchange.headers)
    return found


def _json(grant: Grant) -> Response:
    return Response(grant.model_dump_json(by_alias=True), media_type="application/json", headers=pages.NO_STORE)
