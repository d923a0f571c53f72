"""Routes of schemas (spec/automation.md, rows 126 to 129), and the seed's forms without an id (4.16)."""

from typing import Annotated

from fastapi import APIRouter, Query

from provenance.bus.schemas import service
from provenance.bus.schemas.schemas import BusSchema, BusSchemas, SchemaCreate, SchemaDeleted, SchemaUpdate
from provenance.core.actor import Actor, Role, Scope
from provenance.core.cursors import DEFAULT_LIMIT
from provenance.core.routing import Cursor, Db, Limit, Route, require
from provenance.ledger.dependencies import RunningLedger

router = APIRouter(route_class=Route, tags=["bus"])

Reader = Annotated[Actor, require(Scope.BUS_READ, Role.VIEWER)]
Writer = Annotated[Actor, require(Scope.BUS_WRITE, Role.EDITOR)]
Named = Annotated[str | None, Query(alias="schemaId", max_length=64)]


@router.get("/bus/schemas", operation_id="schemas.list")
async def list_schemas(
    actor: Reader, db: Db, ledger: RunningLedger, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> BusSchemas:
    """The workspace's schemas of payloads, newest first."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.page(tx, keys, limit=limit, cursor=cursor)


@router.post("/bus/schemas", operation_id="schemas.create", status_code=201)
async def create(body: SchemaCreate, actor: Writer, db: Db) -> BusSchema:
    """Make a schema; it holds from the next message on."""
    async with db.write(actor) as tx:
        return await service.create(tx, body)


@router.get("/bus/schemas/{schema_id}", operation_id="schemas.get")
async def get(schema_id: str, actor: Reader, db: Db) -> BusSchema:
    """A schema as it holds now."""
    async with db.read(actor) as tx:
        return await service.get(tx, schema_id)


@router.patch("/bus/schemas/{schema_id}", operation_id="schemas.update")
async def update(schema_id: str, body: SchemaUpdate, actor: Writer, db: Db) -> BusSchema:
    """Change a schema; another JSON Schema is a new version of it."""
    async with db.write(actor) as tx:
        return await service.update(tx, schema_id, body)


@router.delete("/bus/schemas/{schema_id}", operation_id="schemas.delete")
async def delete(schema_id: str, actor: Writer, db: Db) -> SchemaDeleted:
    """Delete a schema with its versions."""
    async with db.write(actor) as tx:
        return await service.delete(tx, schema_id)


@router.patch("/bus/schemas", operation_id="schemas.update_named")
async def update_named(body: SchemaUpdate, actor: Writer, db: Db, schema_id: Named = None) -> BusSchema:
    """Change the schema that the query or the body names."""
    async with db.write(actor) as tx:
        return await service.update(tx, service.named(schema_id, body.schema_id), body)


@router.delete("/bus/schemas", operation_id="schemas.delete_named")
async def delete_named(actor: Writer, db: Db, schema_id: Named = None) -> SchemaDeleted:
    """Delete the schema that the query names."""
    async with db.write(actor) as tx:
        return await service.delete(tx, service.named(schema_id))
