"""Routes of sessions: sign in, stay signed in, sign out, and who am I (spec/automation.md, 4.15)."""

from typing import Annotated

from fastapi import APIRouter, Request, Response

from provenance.core.actor import Actor
from provenance.core.routing import Db, Incoming, Route, access_of
from provenance.identity.access.dependencies import person
from provenance.identity.running import RunningIdentity
from provenance.identity.sessions import cookies, service
from provenance.identity.sessions.dependencies import Calling
from provenance.identity.sessions.schemas import REFUSED, Jwks, Login, Me, Refresh, Session, SignedIn, SignedOut

router = APIRouter(route_class=Route, tags=["auth"])

Person = Annotated[Actor, person()]


@router.post("/auth/login", operation_id="auth.login", responses=REFUSED)
async def login(body: Login, identity: RunningIdentity, caller: Calling, response: Response) -> SignedIn:
    """Sign in with e-mail address and password; with mode "browser" the refresh token is set as a cookie."""
    started = await service.login(identity, caller, body)
    cookies.hand_over(response, started, caller)
    return started.answer


@router.post("/auth/refresh", operation_id="auth.refresh", responses=REFUSED)
async def refresh(
    body: Refresh, identity: RunningIdentity, caller: Calling, exchange: Incoming, response: Response
) -> SignedIn:
    """Exchange a refresh token, of the body or of the cookie, for the next tokens; each works once."""
    started = await service.refresh(identity, body.token or cookies.refresh_token_of(exchange))
    cookies.hand_over(response, started, caller)
    return started.answer


@router.post("/auth/logout", operation_id="auth.logout", responses=REFUSED)
async def logout(
    body: Refresh, identity: RunningIdentity, caller: Calling, exchange: Incoming, response: Response
) -> SignedOut:
    """End the session of the refresh token (body or cookie) or of the bearer token; answers the same for none."""
    actor = await identity.authenticate.tokens(exchange.headers)
    await service.logout(identity, body.token or cookies.refresh_token_of(exchange), actor)
    cookies.clear(response, caller)
    return SignedOut(signed_out=True)


@router.get("/auth/jwks.json", operation_id="auth.jwks")
async def jwks(identity: RunningIdentity) -> Jwks:
    """The public keys that access tokens are signed with."""
    await identity.signing.refresh()
    return Jwks(keys=identity.signing.published())


@router.get("/auth/me", operation_id="auth.me")
async def me(actor: Person, db: Db, identity: RunningIdentity) -> Me:
    """The signed-in person's own account."""
    async with db.read(actor) as tx:
        return await service.me(tx, identity)


@router.get("/auth/session", operation_id="auth.session")
async def session(request: Request, actor: Person, db: Db, identity: RunningIdentity) -> Session:
    """Who is signed in, in which workspace, and what they may do there."""
    routes = [route for router in request.app.state.routers for route in router.routes if isinstance(route, Route)]
    rules = {route.operation_id or "": access_of(route.dependant) for route in routes}
    async with db.read(actor) as tx:
        return await service.session(tx, identity, {name: rule for name, rule in rules.items() if rule is not None})
