"""What the routes of approvals are handed besides the actor and the transaction."""

from typing import Annotated

from fastapi import Depends, Request

from provenance.approvals.deciding import Desk
from provenance.core.routing import Incoming
from provenance.engine.service import Hints
from provenance.identity.passkeys.dependencies import ThisSite
from provenance.identity.running import RunningIdentity
from provenance.ledger.dependencies import RunningLedger


async def hints_of(request: Request) -> Hints:
    """Return what tells the workers that a run may go on."""
    found: Hints = request.app.state.engine
    return found


RunningEngine = Annotated[Hints, Depends(hints_of)]


async def desk_of(
    exchange: Incoming, ledger: RunningLedger, engine: RunningEngine, identity: RunningIdentity, site: ThisSite
) -> Desk:
    """Return what the decision of a signed-in person is made with."""
    assert exchange.actor is not None, "the route lets people only pass"
    return Desk(await ledger.keyring.of(exchange.actor.workspace_id), engine, identity, site)


OpenDesk = Annotated[Desk, Depends(desk_of)]
