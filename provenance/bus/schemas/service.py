"""The verbs of schemas."""

import uuid
from typing import Any

import msgspec

from provenance.audit import service as audit
from provenance.bus.envelope import SCHEMA_PREFIX
from provenance.bus.events import BusEvent
from provenance.bus.schemas import queries
from provenance.bus.schemas.compatibility import narrower
from provenance.bus.schemas.errors import (
    BadBusSchema,
    SchemaIdNeeded,
    SchemaIncompatible,
    SchemaNameTaken,
    UnknownSchema,
)
from provenance.bus.schemas.schemas import BusSchema, BusSchemas, SchemaCreate, SchemaDeleted, SchemaUpdate
from provenance.bus.subscriptions.queries import raise_version
from provenance.core import cursors
from provenance.core.clock import iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import decode, encode, new_uuid
from provenance.core.json_schemas import BadSchema, JsonSchema
from provenance.core.keyring import WorkspaceKeys

_LIST = cursors.binding("bus.schemas")


class _Position(msgspec.Struct):
    before: uuid.UUID


async def page(tx: ReadTx, keys: WorkspaceKeys, *, limit: int, cursor: str | None) -> BusSchemas:
    """Return a page of schemas. Raises BadCursor."""
    before = None if cursor is None else cursors.read(keys, _LIST, cursor, _Position).before
    rows = await queries.page(tx, before, limit + 1)
    kept = rows[:limit]
    return BusSchemas(
        items=[_shown(row) for row in kept],
        next_cursor=cursors.write(keys, _LIST, {"before": str(kept[-1].id)}) if len(rows) > limit else None,
    )


async def get(tx: ReadTx, schema_id: str) -> BusSchema:
    """Return a schema. Raises UnknownSchema."""
    return _shown(await _found(tx, schema_id))


async def create(tx: WriteTx, body: SchemaCreate) -> BusSchema:
    """Make a schema, which holds from the next message on. Raises BadBusSchema and SchemaNameTaken."""
    await raise_version(tx)
    _check(body.schema_)
    schema_id = new_uuid()
    values = {
        "id": schema_id,
        "name": body.name,
        "topic_pattern": body.topic_pattern,
        "mode": body.mode,
        "compatibility": body.compatibility,
        "version": 1,
        "schema": body.schema_,
        "created_at": tx.now,
        "created_by": tx.actor.id,
        "updated_at": tx.now,
        "updated_by": tx.actor.id,
    }
    if not await queries.insert_schema(tx, values):
        raise SchemaNameTaken(f"Another schema is called {body.name}.")
    await queries.insert_version(tx, schema_id, 1, body.schema_)
    _record(tx, schema_id, {"change": "created", "name": body.name, "topicPattern": body.topic_pattern, "version": 1})
    return await get(tx, encode(SCHEMA_PREFIX, schema_id))


async def update(tx: WriteTx, schema_id: str, body: SchemaUpdate) -> BusSchema:
    """Change a schema; another schema is a new version. What is the same already leaves no trace.

    Raises UnknownSchema, BadBusSchema, SchemaNameTaken and SchemaIncompatible.
    """
    before = await _found(tx, schema_id, lock=True)
    asked = body.model_dump(exclude_unset=True, exclude={"schema_id", "schema_"}, by_alias=False)
    changes = {name: value for name, value in asked.items() if value is not None and value != getattr(before, name)}
    if "name" in changes and await queries.name_taken(tx, changes["name"], before.id):
        raise SchemaNameTaken(f"Another schema is called {changes['name']}.")
    if body.schema_ is not None and body.schema_ != before.schema:
        _check(body.schema_)
        _ensure_compatible(before, changes.get("compatibility", before.compatibility), body.schema_)
        changes |= {"schema": body.schema_, "version": before.version + 1}
    if changes:
        await raise_version(tx)
        await queries.set_schema(tx, before.id, {**changes, "updated_at": tx.now, "updated_by": tx.actor.id})
        if "schema" in changes:
            await queries.insert_version(tx, before.id, changes["version"], body.schema_)
        told = {name: value for name, value in changes.items() if name != "schema"}
        _record(tx, before.id, {"change": "updated", "name": before.name, **told})
    return await get(tx, schema_id)


async def delete(tx: WriteTx, schema_id: str) -> SchemaDeleted:
    """Delete a schema with its versions; messages keep which one they fitted. Raises UnknownSchema."""
    row = await _found(tx, schema_id, lock=True)
    await raise_version(tx)
    await queries.delete_schema(tx, row.id)
    _record(tx, row.id, {"change": "deleted", "name": row.name})
    return SchemaDeleted(deleted=True)


def named(query: str | None, body: str | None = None) -> str:
    """Return the schema's id that stands in the query or the body. Raises SchemaIdNeeded."""
    found = query or body
    if found is None:
        raise SchemaIdNeeded.at("schemaId", "is needed where the address has no id")
    return found


async def _found(tx: ReadTx, schema_id: str, *, lock: bool = False) -> Any:
    known = decode(SCHEMA_PREFIX, schema_id)
    row = None if known is None else await queries.by_id(tx, known, lock=lock)
    if row is None:
        raise UnknownSchema("This workspace has no bus schema with this id.")
    return row


def _check(schema: dict[str, Any] | bool) -> None:
    try:
        JsonSchema(schema)
    except BadSchema as error:
        raise BadBusSchema.at(f"schema.{error.path}".rstrip("."), error.issue) from None


def _ensure_compatible(before: Any, compatibility: str, schema: dict[str, Any] | bool) -> None:
    if compatibility != "backward":
        return
    place = narrower(before.schema, schema)
    if place is not None:
        raise SchemaIncompatible(f"{place}: may refuse what version {before.version} takes.")


def _record(tx: WriteTx, schema_id: uuid.UUID, data: dict[str, Any]) -> None:
    audit.record(tx, BusEvent.SCHEMA_CHANGED, encode(SCHEMA_PREFIX, schema_id), data, risk=audit.Risk.MEDIUM)


def _shown(row: Any) -> BusSchema:
    return BusSchema(
        schema_id=encode(SCHEMA_PREFIX, row.id),
        name=row.name,
        topic_pattern=row.topic_pattern,
        schema=row.schema,
        version=row.version,
        mode=row.mode,
        compatibility=row.compatibility,
        created_at=iso_millis(row.created_at),
        created_by=row.created_by,
        updated_at=iso_millis(row.updated_at),
        updated_by=row.updated_by,
    )
