"""Routes of passwords."""

from typing import Annotated

from fastapi import APIRouter

from provenance.core.actor import Actor
from provenance.core.routing import Route
from provenance.identity.access.dependencies import person
from provenance.identity.passwords import service
from provenance.identity.passwords.schemas import Done, Forgotten, PasswordChange, PasswordReset
from provenance.identity.running import RunningIdentity
from provenance.identity.sessions.dependencies import Calling
from provenance.identity.sessions.schemas import REFUSED

router = APIRouter(route_class=Route, tags=["auth"])


@router.post("/auth/password/change", operation_id="passwords.change", responses=REFUSED)
async def change(
    body: PasswordChange, actor: Annotated[Actor, person()], identity: RunningIdentity, caller: Calling
) -> Done:
    """Change one's own password; every other session of this person ends."""
    await service.change(identity, caller, actor, body)
    return Done(done=True)


@router.post("/auth/password/forgot", operation_id="passwords.forgot", responses=REFUSED)
async def forgot(body: Forgotten, identity: RunningIdentity, caller: Calling) -> Done:
    """Have a link mailed that sets a new password; the answer is the same for addresses nobody has."""
    await service.forgot(identity, caller, body.email)
    return Done(done=True)


@router.post("/auth/password/reset", operation_id="passwords.reset", responses=REFUSED)
async def reset(body: PasswordReset, identity: RunningIdentity) -> Done:
    """Set a new password with the mailed token, which works once; every session of the person ends."""
    await service.reset(identity, body.token.get_secret_value(), body.password.get_secret_value())
    return Done(done=True)
