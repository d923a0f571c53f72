"""Routes of alerts: who automates sets rules up, whoever reads interactions sees who fires."""

from typing import Annotated

from fastapi import APIRouter

from provenance.alerts import previewing, service
from provenance.alerts.schemas import (
    Acknowledge,
    Alert,
    AlertCreate,
    AlertDeleted,
    AlertDetail,
    AlertUpdate,
    Preview,
    PreviewAsked,
    Silence,
)
from provenance.core.actor import Actor, Role, Scope
from provenance.core.pagination import Page, PageRequest
from provenance.core.routing import Db, Reader, Route, require
from provenance.ledger.dependencies import RunningLedger
from provenance.ledger.interactions.listing_routes import json_answer, page_of

router = APIRouter(route_class=Route, tags=["alerts"])

Setter = Annotated[Actor, require(Scope.WORKFLOWS_WRITE, Role.EDITOR)]
"""Not a key that writes interactions: every service has one, and whoever takes it over must not end the alerts."""
Asker = Annotated[Actor, require(Scope.INTERACTIONS_READ, Role.EDITOR)]
_ALERTS = json_answer("One page, newest first.", page_of({"$ref": "#/components/schemas/Alert"}))


@router.get("/api/alerts", operation_id="alerts.list", response_model=None, responses=_ALERTS)
async def list_alerts(actor: Reader, db: Db, asked: PageRequest) -> Page:
    """The workspace's alerts and how each stands, newest first."""
    async with db.read(actor) as tx:
        return await service.page(tx, asked)


@router.post("/api/alerts", operation_id="alerts.create", response_model=Alert, status_code=201)
async def create(body: AlertCreate, actor: Setter, db: Db) -> Alert:
    """Look for something in what is recorded from now on, and tell when it is found."""
    async with db.write(actor) as tx:
        return await service.create(tx, body)


@router.post("/api/alerts/preview", operation_id="alerts.preview", response_model=Preview)
async def preview(body: PreviewAsked, actor: Asker, db: Db, ledger: RunningLedger) -> Preview:
    """What a rule would have found in the last hours; nothing is kept and nobody is told."""
    async with db.read(actor) as tx:
        return await previewing.preview(tx, ledger.catalogues, body)


@router.get("/api/alerts/{alert_id}", operation_id="alerts.get", response_model=AlertDetail)
async def get(alert_id: str, actor: Reader, db: Db) -> AlertDetail:
    """One alert: the rule, what went wrong with it last, and its groups, those that fire first."""
    async with db.read(actor) as tx:
        return await service.get(tx, alert_id)


@router.patch("/api/alerts/{alert_id}", operation_id="alerts.update", response_model=Alert)
async def update(alert_id: str, body: AlertUpdate, actor: Setter, db: Db) -> Alert:
    """Change an alert; one that looks for something else, or is enabled, begins anew."""
    async with db.write(actor) as tx:
        return await service.change(tx, alert_id, body)


@router.delete("/api/alerts/{alert_id}", operation_id="alerts.delete", response_model=AlertDeleted)
async def delete(alert_id: str, actor: Setter, db: Db) -> AlertDeleted:
    """Look for it no more, and forget what was remembered."""
    async with db.write(actor) as tx:
        return await service.delete(tx, alert_id)


@router.post("/api/alerts/{alert_id}/silence", operation_id="alerts.silence", response_model=Alert)
async def silence(alert_id: str, body: Silence, actor: Setter, db: Db) -> Alert:
    """Tell nothing of the alert, or of one group, until a moment; what fires then is told then."""
    async with db.write(actor) as tx:
        return await service.silence(tx, alert_id, body)


@router.post("/api/alerts/{alert_id}/acknowledge", operation_id="alerts.acknowledge", response_model=Alert)
async def acknowledge(alert_id: str, body: Acknowledge, actor: Setter, db: Db) -> Alert:
    """Say that somebody looks into what fires."""
    async with db.write(actor) as tx:
        return await service.acknowledge(tx, alert_id, body)
