"""Routes of API keys (spec/automation.md, rows 58 to 60)."""

from typing import Annotated

from fastapi import APIRouter

from provenance.core.actor import Actor, Role
from provenance.core.cursors import DEFAULT_LIMIT
from provenance.core.routing import Cursor, Db, Limit, Route
from provenance.identity.access.dependencies import person
from provenance.identity.api_keys import service
from provenance.identity.api_keys.schemas import ApiKeyCreate, ApiKeyMade, ApiKeyRevoked, ApiKeys
from provenance.identity.running import RunningIdentity
from provenance.ledger.dependencies import RunningLedger

router = APIRouter(route_class=Route, tags=["workspace"])

Admin = Annotated[Actor, person(Role.ADMIN)]


@router.get("/workspace/api-keys", operation_id="api_keys.list")
async def list_keys(
    actor: Admin, db: Db, ledger: RunningLedger, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> ApiKeys:
    """The workspace's API keys, newest first, revoked ones among them."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.page(tx, keys, limit=limit, cursor=cursor)


@router.post("/workspace/api-keys", operation_id="api_keys.create", status_code=201)
async def create(body: ApiKeyCreate, actor: Admin, db: Db) -> ApiKeyMade:
    """Make an API key; the key itself is in this answer and nowhere else."""
    async with db.write(actor) as tx:
        return await service.create(tx, body)


@router.delete("/workspace/api-keys/{key_id}", operation_id="api_keys.revoke")
async def revoke(key_id: str, actor: Admin, db: Db, identity: RunningIdentity) -> ApiKeyRevoked:
    """Revoke an API key, at once and for good."""
    async with db.write(actor) as tx:
        return await service.revoke(tx, identity, key_id)
