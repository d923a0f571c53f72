"""Routes of sign-on: GET for a browser that is sent along, POST for a program that handles the redirect itself."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse

from provenance.core.routing import Incoming, Route
from provenance.identity.oidc import service
from provenance.identity.oidc.schemas import OidcAnswer, OidcRedirect, OidcStart
from provenance.identity.running import RunningIdentity
from provenance.identity.sessions import cookies
from provenance.identity.sessions.dependencies import Calling
from provenance.identity.sessions.schemas import REFUSED, Mode, SignedIn

router = APIRouter(route_class=Route, tags=["oidc"])

Text = Annotated[str | None, Query(max_length=4096, pattern=r"^[\x20-\x7e]*$")]
_SENT: dict[int | str, dict[str, Any]] = {302: {"description": "The browser is sent along."}}


@router.get("/auth/oidc/login", operation_id="oidc.begin", response_class=RedirectResponse, responses=_SENT | REFUSED)
async def begin(identity: RunningIdentity, caller: Calling) -> Response:
    """Send the browser to the provider; it comes back to /auth/oidc/callback."""
    redirect = await service.start(identity, Mode.BROWSER)
    response = RedirectResponse(redirect.authorization_url, 302)
    cookies.remember_state(response, redirect.state, service.STATE_SECONDS, caller)
    return response


@router.post("/auth/oidc/login", operation_id="oidc.start", responses=REFUSED)
async def start(body: OidcStart, identity: RunningIdentity) -> OidcRedirect:
    """Where to send the person, for a program that handles the redirect itself."""
    return await service.start(identity, body.mode)


@router.get(
    "/auth/oidc/callback", operation_id="oidc.callback", response_class=RedirectResponse, responses=_SENT | REFUSED
)
async def callback(
    identity: RunningIdentity, caller: Calling, exchange: Incoming, code: Text = None, state: Text = None
) -> Response:
    """Take the browser back from the provider: sets the session's cookie and goes on to the console."""
    url, started = await service.finish_in_browser(identity, caller, code, state, cookies.state_of(exchange))
    response = RedirectResponse(url, 302)
    cookies.hand_over_if(response, started, caller)
    return response


@router.post("/auth/oidc/callback", operation_id="oidc.finish", responses=REFUSED)
async def finish(body: OidcAnswer, identity: RunningIdentity, caller: Calling, response: Response) -> SignedIn:
    """Sign in with the code and the state that the provider sent back."""
    started = await service.finish(identity, caller, body.code.get_secret_value(), body.state.get_secret_value())
    cookies.hand_over(response, started, caller)
    return started.answer
