"""Routes of the secrets (spec/automation.md, rows 99 to 105)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from provenance.core.actor import Actor, Role, Scope
from provenance.core.routing import Db, Route, require
from provenance.identity.access.dependencies import person
from provenance.ledger.dependencies import RunningLedger
from provenance.secrets import service
from provenance.secrets.schemas import (
    Asked,
    Deleted,
    Revealed,
    Rotated,
    SecretCreate,
    SecretDetail,
    SecretReveal,
    SecretRotate,
    Secrets,
    SecretUpdate,
)

router = APIRouter(route_class=Route, tags=["secrets"])

Reader = Annotated[Actor, require(Scope.DATA_READ, Role.EDITOR)]
Writer = Annotated[Actor, require(Scope.DATA_WRITE, Role.EDITOR)]


@router.get("/secrets", operation_id="secrets.list")
async def list_secrets(asked: Annotated[Asked, Query()], actor: Reader, db: Db, ledger: RunningLedger) -> Secrets:
    """Metadata of the secrets, newest first; a value is in no list."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.page(tx, keys, asked)


@router.post("/secrets", operation_id="secrets.create", status_code=201)
async def create(body: SecretCreate, actor: Writer, db: Db, ledger: RunningLedger) -> SecretDetail:
    """Keep a secret; the answer has its metadata alone."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.write(actor) as tx:
        return await service.create(tx, keys, body)


@router.get("/secrets/{secret_id}", operation_id="secrets.get")
async def get(secret_id: str, actor: Reader, db: Db) -> SecretDetail:
    """A secret's metadata and versions, never its value."""
    async with db.read(actor) as tx:
        return await service.get(tx, secret_id)


@router.patch("/secrets/{secret_id}", operation_id="secrets.update")
async def update(secret_id: str, body: SecretUpdate, actor: Writer, db: Db, ledger: RunningLedger) -> SecretDetail:
    """Change a secret's description, tags or rotation; a value makes a new version."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.write(actor) as tx:
        return await service.update(tx, keys, secret_id, body)


@router.delete("/secrets/{secret_id}", operation_id="secrets.delete")
async def delete(secret_id: str, actor: Annotated[Actor, person(Role.ADMIN)], db: Db) -> Deleted:
    """Delete a secret that nothing refers to; its values are destroyed after seven days."""
    async with db.write(actor) as tx:
        return await service.delete(tx, secret_id)


@router.post("/secrets/{secret_id}/rotate", operation_id="secrets.rotate")
async def rotate(secret_id: str, body: SecretRotate, actor: Writer, db: Db, ledger: RunningLedger) -> Rotated:
    """Give a secret its next value, sent or generated; the one before stays good for its grace."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.write(actor) as tx:
        return await service.rotate(tx, keys, secret_id, body)


@router.post("/secrets/{secret_id}/reveal", operation_id="secrets.reveal")
async def reveal(
    secret_id: str,
    body: SecretReveal,
    actor: Annotated[Actor, person(Role.ADMIN, fresh=True)],
    db: Db,
    ledger: RunningLedger,
    response: Response,
) -> Revealed:
    """Show the value to an administrator who signed in a moment ago; who, when and why is recorded."""
    response.headers["cache-control"] = "no-store"
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.write(actor) as tx:
        return await service.reveal(tx, keys, secret_id, body)
