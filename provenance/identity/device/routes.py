"""Routes of device sign-in (the shape of RFC 8628, in JSON)."""

from typing import Annotated

from fastapi import APIRouter, Response

from provenance.core.actor import Actor
from provenance.core.routing import Route
from provenance.identity.access.dependencies import person
from provenance.identity.device import service
from provenance.identity.device.schemas import Decided, DeviceCode, DeviceStart, DeviceToken, UserCode
from provenance.identity.running import RunningIdentity
from provenance.identity.sessions import cookies
from provenance.identity.sessions.dependencies import Calling
from provenance.identity.sessions.schemas import REFUSED, SignedIn

router = APIRouter(route_class=Route, tags=["device"])

Approver = Annotated[Actor, person(fresh=True)]


@router.post("/auth/device/code", operation_id="device.start", responses=REFUSED)
async def start(body: DeviceStart, identity: RunningIdentity, caller: Calling) -> DeviceCode:
    """Begin to sign in a device: it shows the user code, a person approves it in a browser."""
    return await service.start(identity, caller, body.client_name)


@router.post("/auth/device/token", operation_id="device.token", responses=REFUSED)
async def token(body: DeviceToken, identity: RunningIdentity, caller: Calling, response: Response) -> SignedIn:
    """Ask whether the device was approved: `code` says authorization_pending, slow_down, or why never."""
    started = await service.token(identity, body.device_code.get_secret_value())
    cookies.hand_over(response, started, caller)
    return started.answer


@router.post("/auth/device/approve", operation_id="device.approve", responses=REFUSED)
async def approve(body: UserCode, actor: Approver, identity: RunningIdentity) -> Decided:
    """Sign in the device that shows this code, as oneself, in the present workspace."""
    return await service.decide(identity, actor, body.user_code, approve=True)


@router.post("/auth/device/deny", operation_id="device.deny", responses=REFUSED)
async def deny(body: UserCode, actor: Approver, identity: RunningIdentity) -> Decided:
    """Send the device that shows this code away."""
    return await service.decide(identity, actor, body.user_code, approve=False)
