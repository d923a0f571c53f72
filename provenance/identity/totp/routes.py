"""Routes of one-time codes."""

from typing import Annotated

from fastapi import APIRouter, Response

from provenance.core.actor import Actor
from provenance.core.routing import Db, Route
from provenance.identity.access.dependencies import person
from provenance.identity.running import RunningIdentity
from provenance.identity.sessions.schemas import REFUSED
from provenance.identity.totp import service
from provenance.identity.totp.dependencies import Guesser
from provenance.identity.totp.schemas import Code, Disabled, Enrolment, RecoveryCodes

router = APIRouter(route_class=Route, tags=["totp"])

Fresh = Annotated[Actor, person(fresh=True)]
_NO_STORE = "no-store"


@router.post("/auth/totp/enrol", operation_id="totp.enrol", responses=REFUSED)
async def enrol(actor: Fresh, db: Db, identity: RunningIdentity, response: Response) -> Enrolment:
    """Make the secret of an authenticator app; nothing is asked for before it is confirmed."""
    response.headers["cache-control"] = _NO_STORE
    async with db.write(actor) as tx:
        return await service.enrol(tx, identity)


@router.post("/auth/totp/confirm", operation_id="totp.confirm", responses=REFUSED)
async def confirm(body: Code, actor: Guesser, db: Db, identity: RunningIdentity, response: Response) -> RecoveryCodes:
    """Switch one-time codes on with the first code of the app; answers the recovery codes, once."""
    response.headers["cache-control"] = _NO_STORE
    async with db.write(actor) as tx:
        return RecoveryCodes(recovery_codes=await service.confirm(tx, identity, body.otp.get_secret_value()))


@router.post("/auth/totp/recovery-codes", operation_id="totp.renew", responses=REFUSED)
async def renew(actor: Fresh, db: Db, identity: RunningIdentity, response: Response) -> RecoveryCodes:
    """Replace the recovery codes; the ones before stop working."""
    response.headers["cache-control"] = _NO_STORE
    async with db.write(actor) as tx:
        return RecoveryCodes(recovery_codes=await service.renew_recovery_codes(tx, identity))


@router.post("/auth/totp/disable", operation_id="totp.disable", responses=REFUSED)
async def disable(body: Code, actor: Guesser, db: Db, identity: RunningIdentity) -> Disabled:
    """Switch one-time codes off, with one of them or a recovery code."""
    async with db.write(actor) as tx:
        await service.disable(tx, identity, body.otp.get_secret_value())
    return Disabled(enabled=False)
