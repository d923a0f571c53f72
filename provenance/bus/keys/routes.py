"""Routes of bus keys (spec/automation.md, rows 122 to 124), and the seed's form without an id (4.16)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from provenance.bus.keys import service
from provenance.bus.keys.resolving import Credentials
from provenance.bus.keys.schemas import BusKeyCreate, BusKeyMade, BusKeyRevoked, BusKeys
from provenance.core.actor import Actor, Role
from provenance.core.cursors import DEFAULT_LIMIT
from provenance.core.routing import Cursor, Db, Limit, Route
from provenance.identity.access.dependencies import person
from provenance.ledger.dependencies import RunningLedger

router = APIRouter(route_class=Route, tags=["bus"])

Admin = Annotated[Actor, person(Role.ADMIN)]


async def credentials_of(request: Request) -> Credentials:
    """Return what the running application's door asks."""
    found: Credentials = request.app.state.authenticate
    return found


Known = Annotated[Credentials, Depends(credentials_of)]


@router.get("/bus/api-keys", operation_id="keys.list")
async def list_keys(
    actor: Admin, db: Db, ledger: RunningLedger, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> BusKeys:
    """The workspace's bus keys, newest first, revoked ones among them."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.page(tx, keys, limit=limit, cursor=cursor)


@router.post("/bus/api-keys", operation_id="keys.create", status_code=201)
async def create(body: BusKeyCreate, actor: Admin, db: Db) -> BusKeyMade:
    """Make a bus key; the key itself is in this answer and nowhere else."""
    async with db.write(actor) as tx:
        return await service.create(tx, body)


@router.delete("/bus/api-keys/{key_id}", operation_id="keys.revoke")
async def revoke(key_id: str, actor: Admin, db: Db, known: Known) -> BusKeyRevoked:
    """Revoke a bus key, at once and for good."""
    async with db.write(actor) as tx:
        return await service.revoke(tx, known, key_id)


@router.delete("/bus/api-keys", operation_id="keys.revoke_named")
async def revoke_named(
    actor: Admin, db: Db, known: Known, key_id: Annotated[str | None, Query(alias="keyId", max_length=64)] = None
) -> BusKeyRevoked:
    """Revoke the bus key that the query names."""
    async with db.write(actor) as tx:
        return await service.revoke(tx, known, key_id)
