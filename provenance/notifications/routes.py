"""Routes of notification settings (spec/automation.md, rows 49 and 50)."""

from typing import Annotated

from fastapi import APIRouter

from provenance.core.actor import Actor, Role
from provenance.core.routing import Db, Route
from provenance.identity.access.dependencies import person
from provenance.ledger.dependencies import RunningLedger
from provenance.notifications import service
from provenance.notifications.dependencies import SlackWay
from provenance.notifications.schemas import SettingsAsked, SettingsShown

router = APIRouter(route_class=Route, tags=["workspace"])


@router.get("/workspace/notifications", operation_id="notifications.get")
async def get(actor: Annotated[Actor, person(Role.EDITOR)], db: Db, ledger: RunningLedger) -> SettingsShown:
    """Which events are told to whom, on which channels."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.get(tx, keys)


@router.put("/workspace/notifications", operation_id="notifications.update")
async def update(
    asked: SettingsAsked, actor: Annotated[Actor, person(Role.ADMIN)], db: Db, ledger: RunningLedger, slack: SlackWay
) -> SettingsShown:
    """Replace the notification settings; the webhook's secret stays where it is left out."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.write(actor) as tx:
        return await service.update(tx, keys, slack, asked)
