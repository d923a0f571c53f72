"""Routes of subscriptions (spec/automation.md, rows 117 to 121, and what pull queues need)."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from provenance.bus.access import Puller
from provenance.bus.dependencies import RunningBus
from provenance.bus.subscriptions import pulling, service
from provenance.bus.subscriptions.schemas import (
    Ack,
    Acked,
    Deleted,
    Pull,
    Pulled,
    SecretRotated,
    Subscription,
    SubscriptionInput,
    SubscriptionMade,
    Subscriptions,
)
from provenance.core.actor import Actor, Role, Scope
from provenance.core.cursors import DEFAULT_LIMIT
from provenance.core.preconditions import IfMatch, set_etag
from provenance.core.routing import Cursor, Db, Limit, Route, require
from provenance.ledger.dependencies import RunningLedger

router = APIRouter(route_class=Route, tags=["bus"])

Reader = Annotated[Actor, require(Scope.BUS_READ, Role.VIEWER)]
Writer = Annotated[Actor, require(Scope.BUS_WRITE, Role.EDITOR)]
Chosen = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


@router.get("/bus/subscriptions", operation_id="subscriptions.list")
async def list_subscriptions(
    actor: Reader, db: Db, ledger: RunningLedger, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Subscriptions:
    """The workspace's subscriptions and how each is doing."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.page(tx, keys, limit=limit, cursor=cursor)


@router.post("/bus/subscriptions", operation_id="subscriptions.create", status_code=201)
async def create(
    body: SubscriptionInput, actor: Writer, db: Db, ledger: RunningLedger, response: Response
) -> SubscriptionMade:
    """Make a subscription; its signing secret is in this answer and nowhere else."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.write(actor) as tx:
        made, revision = await service.create(tx, keys, body)
    set_etag(response, revision)
    return made


@router.post(
    "/bus/subscriptions/{subscription_id}",
    operation_id="subscriptions.create_with_id",
    status_code=201,
    include_in_schema=False,
)
async def create_with_id(
    subscription_id: Chosen, body: SubscriptionInput, actor: Writer, db: Db, ledger: RunningLedger, response: Response
) -> SubscriptionMade:
    """Make a subscription with an id of the caller's choice."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.write(actor) as tx:
        made, revision = await service.create(tx, keys, body, subscription_id)
    set_etag(response, revision)
    return made


@router.get("/bus/subscriptions/{subscription_id}", operation_id="subscriptions.get")
async def get(subscription_id: str, actor: Reader, db: Db, ledger: RunningLedger, response: Response) -> Subscription:
    """A subscription without its secrets."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        found, revision = await service.get(tx, keys, subscription_id)
    set_etag(response, revision)
    return found


@router.put("/bus/subscriptions/{subscription_id}", operation_id="subscriptions.replace")
async def replace(
    subscription_id: str,
    body: SubscriptionInput,
    actor: Writer,
    db: Db,
    ledger: RunningLedger,
    bus: RunningBus,
    if_match: IfMatch,
    response: Response,
) -> Subscription:
    """Make a subscription what is asked for; what it signs with stays."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.write(actor) as tx:
        found, revision = await service.replace(tx, keys, subscription_id, body, if_match)
    bus.grew(actor.workspace_id)
    set_etag(response, revision)
    return found


@router.delete("/bus/subscriptions/{subscription_id}", operation_id="subscriptions.delete")
async def delete(subscription_id: str, actor: Writer, db: Db) -> Deleted:
    """Delete a subscription, with what was on its way to it."""
    async with db.write(actor) as tx:
        return await service.delete(tx, subscription_id)


@router.post("/bus/subscriptions/{subscription_id}/rotate-secret", operation_id="subscriptions.rotate_secret")
async def rotate_secret(
    subscription_id: str,
    actor: Writer,
    db: Db,
    ledger: RunningLedger,
    grace_minutes: Annotated[int, Query(alias="graceMinutes", ge=0, le=10_080)] = 1440,
) -> SecretRotated:
    """Make a new signing secret, shown in this answer alone; the one before stays good for a while."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.write(actor) as tx:
        return await service.rotate_secret(tx, keys, subscription_id, grace_minutes)


@router.post("/bus/subscriptions/{subscription_id}/pull", operation_id="subscriptions.pull")
async def pull(subscription_id: str, body: Pull, actor: Puller, bus: RunningBus) -> Pulled:
    """Take messages of a queue in hand; what is not acknowledged within the lease comes again."""
    return await pulling.wait_and_pull(bus, actor, subscription_id, body)


@router.post("/bus/subscriptions/{subscription_id}/ack", operation_id="subscriptions.acknowledge")
async def acknowledge(subscription_id: str, body: Ack, actor: Puller, bus: RunningBus) -> Acked:
    """Acknowledge messages that are done, and give back those that somebody else shall have."""
    return await pulling.acknowledged(bus, actor, subscription_id, body)
