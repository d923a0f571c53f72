"""Routes of the datastores themselves (spec/automation.md, rows 90 to 94)."""

from typing import Annotated

from fastapi import APIRouter, Query

from provenance.core.actor import Actor, Role, Scope
from provenance.core.routing import Db, Route, require
from provenance.datastores import service
from provenance.datastores.dependencies import RunningDatastores
from provenance.datastores.schemas import Asked, Datastore, DatastoreCreate, Datastores, DatastoreUpdate, Deleted
from provenance.identity.access.dependencies import person

router = APIRouter(route_class=Route, tags=["datastores"])

Reader = Annotated[Actor, require(Scope.DATA_READ, Role.VIEWER)]
Writer = Annotated[Actor, require(Scope.DATA_WRITE, Role.EDITOR)]


@router.get("/datastores", operation_id="datastores.list")
async def list_datastores(
    asked: Annotated[Asked, Query()], actor: Reader, db: Db, running: RunningDatastores
) -> Datastores:
    """Datastores, newest first."""
    keys = await running.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.page(tx, keys, asked, running.most)


@router.post("/datastores", operation_id="datastores.create", status_code=201)
async def create(body: DatastoreCreate, actor: Writer, db: Db, running: RunningDatastores) -> Datastore:
    """Make a datastore."""
    async with db.write(actor) as tx:
        return await service.create(tx, body, running.most)


@router.get("/datastores/{datastore_id}", operation_id="datastores.get")
async def get(datastore_id: str, actor: Reader, db: Db, running: RunningDatastores) -> Datastore:
    """A datastore, with how many objects and bytes are in it."""
    async with db.read(actor) as tx:
        return await service.get(tx, datastore_id, running.most)


@router.patch("/datastores/{datastore_id}", operation_id="datastores.update")
async def update(
    datastore_id: str, body: DatastoreUpdate, actor: Writer, db: Db, running: RunningDatastores
) -> Datastore:
    """Change a datastore; what is left out stays, null takes a limit away."""
    async with db.write(actor) as tx:
        return await service.update(tx, datastore_id, body, running.most)


@router.delete("/datastores/{datastore_id}", operation_id="datastores.delete")
async def delete(
    datastore_id: str,
    actor: Annotated[Actor, person(Role.ADMIN)],
    db: Db,
    force: Annotated[bool, Query(description="Delete the objects in it, too.")] = False,
) -> Deleted:
    """Delete a datastore that is empty and that nothing works with."""
    async with db.write(actor) as tx:
        return await service.delete(tx, datastore_id, force=force)
