"""Routes of dead letters, of delivering again, and of the figures (spec/automation.md, row 125 and 4.15)."""

from typing import Annotated

from fastapi import APIRouter, Query

from provenance.bus.deliveries import service
from provenance.bus.deliveries.schemas import (
    DeadLetterAsked,
    DeadLetters,
    Metrics,
    MetricsAsked,
    Redrive,
    Redriven,
    Replay,
    Replayed,
)
from provenance.bus.dependencies import RunningBus
from provenance.core.actor import Actor, Role, Scope
from provenance.core.routing import Db, Route, require
from provenance.ledger.dependencies import RunningLedger

router = APIRouter(route_class=Route, tags=["bus"])

Reader = Annotated[Actor, require(Scope.BUS_READ, Role.EDITOR)]
Writer = Annotated[Actor, require(Scope.BUS_WRITE, Role.EDITOR)]


@router.get("/bus/dead-letters", operation_id="dead_letters.list")
async def list_dead_letters(
    asked: Annotated[DeadLetterAsked, Query()], actor: Reader, db: Db, ledger: RunningLedger
) -> DeadLetters:
    """Messages that were given up, newest first, and what their targets said."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.dead_letters(tx, keys, asked)


@router.post("/bus/dead-letters/{msg_id}/redrive", operation_id="dead_letters.redrive")
async def redrive(msg_id: str, body: Redrive, actor: Writer, db: Db, bus: RunningBus) -> Redriven:
    """Try a message again that was given up, with all its attempts."""
    async with db.write(actor) as tx:
        found = await service.redrive(tx, msg_id, body.subscription_id)
    bus.grew(actor.workspace_id)
    return found


@router.post("/bus/subscriptions/{subscription_id}/replay", operation_id="subscriptions.replay")
async def replay(
    subscription_id: str, body: Replay, actor: Writer, db: Db, ledger: RunningLedger, bus: RunningBus
) -> Replayed:
    """Deliver messages again from a number of the ledger on, a thousand at a time."""
    async with db.write(actor) as tx:
        catalogue = await ledger.catalogues.within(tx)
        found = await service.replay(tx, catalogue, subscription_id, body.from_number)
    bus.grew(actor.workspace_id)
    return found


@router.get("/bus/metrics", operation_id="bus.metrics")
async def metrics(
    asked: Annotated[MetricsAsked, Query()],
    actor: Annotated[Actor, require(Scope.BUS_READ, Role.VIEWER)],
    db: Db,
    ledger: RunningLedger,
) -> Metrics:
    """The bus in figures, of the messages published in a time."""
    async with db.read(actor) as tx:
        return await service.metrics(tx, await ledger.catalogues.within(tx), asked)
