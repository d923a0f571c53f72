"""Routes of passkeys."""

from typing import Annotated

from fastapi import APIRouter, Response

from provenance.core.actor import Actor
from provenance.core.routing import Db, Route
from provenance.identity.access.dependencies import person
from provenance.identity.passkeys import service
from provenance.identity.passkeys.dependencies import ThisSite
from provenance.identity.passkeys.schemas import Assertion, Challenge, Passkey, Passkeys, Registration, Removed, shown
from provenance.identity.running import RunningIdentity
from provenance.identity.sessions import cookies
from provenance.identity.sessions.dependencies import Calling
from provenance.identity.sessions.schemas import REFUSED, SignedIn

router = APIRouter(route_class=Route, tags=["passkeys"])

Person = Annotated[Actor, person()]
Fresh = Annotated[Actor, person(fresh=True)]


@router.post("/auth/passkeys/register/begin", operation_id="passkeys.register_begin", responses=REFUSED)
async def register_begin(actor: Fresh, identity: RunningIdentity, site: ThisSite) -> Challenge:
    """Begin to make a passkey: what `navigator.credentials.create()` takes."""
    return await service.register_begin(identity, actor, site)


@router.post("/auth/passkeys/register/finish", operation_id="passkeys.register_finish", responses=REFUSED)
async def register_finish(
    body: Registration, actor: Fresh, db: Db, identity: RunningIdentity, site: ThisSite
) -> Passkey:
    """Register the passkey that the browser made."""
    async with db.write(actor) as tx:
        return shown(await service.register_finish(tx, identity, site, body))


@router.post("/auth/passkeys/authenticate/begin", operation_id="passkeys.authenticate_begin", responses=REFUSED)
async def authenticate_begin(identity: RunningIdentity, site: ThisSite) -> Challenge:
    """Begin to sign in with a passkey: what `navigator.credentials.get()` takes; no account is named."""
    return await service.authenticate_begin(identity, site)


@router.post("/auth/passkeys/authenticate/finish", operation_id="passkeys.authenticate_finish", responses=REFUSED)
async def authenticate_finish(
    body: Assertion, identity: RunningIdentity, caller: Calling, site: ThisSite, response: Response
) -> SignedIn:
    """Sign in with the passkey that the browser used."""
    started = await service.authenticate_finish(identity, caller, site, body)
    cookies.hand_over(response, started, caller)
    return started.answer


@router.get("/auth/passkeys", operation_id="passkeys.list")
async def list_passkeys(actor: Person, db: Db) -> Passkeys:
    """The passkeys of one's own account."""
    async with db.read(actor) as tx:
        return await service.list_passkeys(tx)


@router.delete("/auth/passkeys/{passkey_id}", operation_id="passkeys.remove", responses=REFUSED)
async def remove(passkey_id: str, actor: Fresh, db: Db) -> Removed:
    """Remove a passkey of one's own account."""
    async with db.write(actor) as tx:
        await service.remove(tx, passkey_id)
    return Removed(passkey_id=passkey_id, removed=True)
