"""Routes of bridges: the rules by which messages go over to NATS JetStream and come from it."""

from typing import Annotated

from fastapi import APIRouter, Response

from provenance.bus.bridges import service
from provenance.bus.bridges.schemas import (
    Bridge,
    BridgeDeadLetters,
    BridgeDeleted,
    BridgeInput,
    BridgeRedriven,
    BridgeReplay,
    Bridges,
)
from provenance.bus.dependencies import RunningBus
from provenance.core.actor import Actor, Role, Scope
from provenance.core.cursors import DEFAULT_LIMIT
from provenance.core.preconditions import IfMatch, set_etag
from provenance.core.routing import Cursor, Db, Limit, Route, require
from provenance.ledger.dependencies import RunningLedger

router = APIRouter(route_class=Route, tags=["bus"])

Reader = Annotated[Actor, require(Scope.BUS_READ, Role.VIEWER)]
DeadReader = Annotated[Actor, require(Scope.BUS_READ, Role.EDITOR)]
Writer = Annotated[Actor, require(Scope.BUS_WRITE, Role.EDITOR)]


@router.get("/api/bus/bridges", operation_id="bridges.list")
async def list_bridges(actor: Reader, db: Db) -> Bridges:
    """The workspace's bridges to NATS and how each is doing."""
    async with db.read(actor) as tx:
        return await service.list_all(tx)


@router.post("/api/bus/bridges", operation_id="bridges.create", status_code=201)
async def create(body: BridgeInput, actor: Writer, db: Db, response: Response) -> Bridge:
    """Make a bridge; a worker connects within a second or two."""
    async with db.write(actor) as tx:
        made, revision = await service.create(tx, body)
    set_etag(response, revision)
    return made


@router.get("/api/bus/bridges/{bridge_id}", operation_id="bridges.get")
async def get(bridge_id: str, actor: Reader, db: Db, response: Response) -> Bridge:
    """A bridge: whether it is connected, how much is to go, why it failed the last time."""
    async with db.read(actor) as tx:
        found, revision = await service.get(tx, bridge_id)
    set_etag(response, revision)
    return found


@router.put("/api/bus/bridges/{bridge_id}", operation_id="bridges.replace")
async def replace(
    bridge_id: str, body: BridgeInput, actor: Writer, db: Db, if_match: IfMatch, response: Response
) -> Bridge:
    """Make a bridge what is asked for, paused or active among it; how far it is stays."""
    async with db.write(actor) as tx:
        found, revision = await service.replace(tx, bridge_id, body, if_match)
    set_etag(response, revision)
    return found


@router.delete("/api/bus/bridges/{bridge_id}", operation_id="bridges.delete")
async def delete(bridge_id: str, actor: Writer, db: Db) -> BridgeDeleted:
    """Delete a bridge with its dead letters; the durable consumer at the servers stays."""
    async with db.write(actor) as tx:
        return await service.delete(tx, bridge_id)


@router.post("/api/bus/bridges/{bridge_id}/replay", operation_id="bridges.replay")
async def replay(bridge_id: str, body: BridgeReplay, actor: Writer, db: Db) -> Bridge:
    """Send again from a number of the ledger on, or pass by what lies before it."""
    async with db.write(actor) as tx:
        return await service.replay(tx, bridge_id, body)


@router.get("/api/bus/bridges/{bridge_id}/dead-letters", operation_id="bridges.dead_letters")
async def dead_letters(
    bridge_id: str,
    actor: DeadReader,
    db: Db,
    ledger: RunningLedger,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> BridgeDeadLetters:
    """What could not go over, newest first, and why."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.dead_letters(tx, keys, bridge_id, limit=limit, cursor=cursor)


@router.post("/api/bus/bridges/{bridge_id}/dead-letters/{dead_letter_id}/redrive", operation_id="bridges.redrive")
async def redrive(bridge_id: str, dead_letter_id: str, actor: Writer, db: Db, bus: RunningBus) -> BridgeRedriven:
    """Publish a dead letter by the rule and the schemas of now."""
    async with db.write(actor) as tx:
        found = await service.redrive(tx, bus.allowed, bridge_id, dead_letter_id)
    bus.grew(actor.workspace_id)
    return found
