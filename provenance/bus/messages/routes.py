"""Routes of messages (spec/automation.md, rows 114 to 116)."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from provenance.bus.access import Publisher
from provenance.bus.dependencies import RunningBus
from provenance.bus.messages import service
from provenance.bus.messages.bodies import SentMany, SentOne, described
from provenance.bus.messages.schemas import (
    Asked,
    MessageDetail,
    MessagePublish,
    Messages,
    MessagesPublish,
    Published,
    PublishedMany,
    Topics,
)
from provenance.core.actor import Actor, Role, Scope
from provenance.core.cursors import DEFAULT_LIMIT
from provenance.core.routing import Cursor, Db, Incoming, Limit, Route, require
from provenance.ledger.dependencies import RunningLedger

router = APIRouter(route_class=Route, tags=["bus"])

Reader = Annotated[Actor, require(Scope.BUS_READ, Role.EDITOR)]


@router.post(
    "/bus/messages",
    operation_id="messages.publish",
    status_code=201,
    response_model=Published,
    openapi_extra=described(MessagePublish),
)
async def publish(actor: Publisher, bus: RunningBus, exchange: Incoming, sent: SentOne) -> Published:
    """Publish a message, or a CloudEvent; it is stored with its deliveries when the answer comes."""
    found = await service.publish(bus, actor, exchange, [sent], many=False)
    return found.items[0]


@router.post(
    "/bus/messages/batch",
    operation_id="messages.publish_batch",
    status_code=201,
    response_model=PublishedMany,
    openapi_extra=described(MessagesPublish),
)
async def publish_batch(actor: Publisher, bus: RunningBus, exchange: Incoming, sent: SentMany) -> PublishedMany:
    """Publish up to 500 messages, or a batch of CloudEvents, in one transaction: all or none."""
    return await service.publish(bus, actor, exchange, sent, many=True)


@router.get("/bus/messages", operation_id="messages.list")
async def list_messages(asked: Annotated[Asked, Query()], actor: Reader, db: Db, ledger: RunningLedger) -> Messages:
    """Messages of the workspace, newest first."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.page(tx, keys, asked)


@router.get("/bus/messages/{msg_id}", operation_id="messages.get")
async def get(msg_id: str, actor: Reader, db: Db) -> MessageDetail:
    """A message with its deliveries and what became of each attempt."""
    async with db.read(actor) as tx:
        return await service.get(tx, msg_id)


@router.get("/bus/messages/{msg_id}/payload", operation_id="messages.payload", response_model=Any)
async def payload(msg_id: str, actor: Reader, db: Db) -> Response:
    """A message's payload as it was published: where payloadRef leads."""
    async with db.read(actor) as tx:
        return Response(await service.payload(tx, msg_id), media_type="application/json")


@router.get("/bus/topics", operation_id="messages.topics")
async def topics(
    actor: Annotated[Actor, require(Scope.BUS_READ, Role.VIEWER)],
    db: Db,
    ledger: RunningLedger,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Topics:
    """The topics that there are messages of, in their order."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.topics(tx, keys, limit=limit, cursor=cursor)
