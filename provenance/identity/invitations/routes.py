"""The route of the invited."""

from fastapi import APIRouter, Response

from provenance.core.routing import Route
from provenance.identity.invitations import service
from provenance.identity.invitations.schemas import Acceptance
from provenance.identity.running import RunningIdentity
from provenance.identity.sessions import cookies
from provenance.identity.sessions.dependencies import Calling
from provenance.identity.sessions.schemas import REFUSED, SignedIn

router = APIRouter(route_class=Route, tags=["auth"])


@router.post("/auth/accept-invite", operation_id="auth.accept_invite", responses=REFUSED)
async def accept_invite(body: Acceptance, identity: RunningIdentity, caller: Calling, response: Response) -> SignedIn:
    """Join the workspace of an invitation: set a password, or prove the account one has already; signs in."""
    started = await service.accept_invite(identity, caller, body)
    cookies.hand_over(response, started, caller)
    return started.answer
