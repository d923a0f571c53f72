"""Routes of the inbox and of how somebody wants to be told: each person's own, no key has one."""

from typing import Annotated

from fastapi import APIRouter, Query

from provenance.core.actor import Actor, Role
from provenance.core.routing import Db, Route
from provenance.identity.access.dependencies import person
from provenance.ledger.dependencies import RunningLedger
from provenance.notifications.inbox import service
from provenance.notifications.inbox.schemas import Entry, Inbox, InboxAsked, Preferences, ReadAsked, Unread

router = APIRouter(route_class=Route, tags=["notifications"])

Person = Annotated[Actor, person(Role.VIEWER)]


@router.get("/api/notifications/inbox", operation_id="inbox.list")
async def list_inbox(asked: Annotated[InboxAsked, Query()], actor: Person, db: Db, ledger: RunningLedger) -> Inbox:
    """What I was told in this workspace, newest first, and how much of it I have not read."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.page(tx, keys, asked)


@router.post("/api/notifications/inbox/read", operation_id="inbox.read_all")
async def read_all(body: ReadAsked, actor: Person, db: Db) -> Unread:
    """I have read everything, or everything up to a number."""
    async with db.housekeeping(actor.workspace_id) as tx:
        return await service.read_all(tx, actor, body.up_to)


@router.post("/api/notifications/inbox/{notification_id}/read", operation_id="inbox.read")
async def read(notification_id: str, actor: Person, db: Db) -> Entry:
    """I have read this."""
    async with db.housekeeping(actor.workspace_id) as tx:
        return await service.read(tx, actor, notification_id)


@router.get("/api/notifications/preferences", operation_id="inbox.preferences")
async def preferences(actor: Person, db: Db) -> Preferences:
    """How I want to be told in this workspace."""
    async with db.read(actor) as tx:
        return await service.preferences(tx)


@router.put("/api/notifications/preferences", operation_id="inbox.prefer")
async def prefer(body: Preferences, actor: Person, db: Db) -> Preferences:
    """Say how I want to be told in this workspace: mails about approvals, quiet hours, a digest."""
    async with db.write(actor) as tx:
        return await service.prefer(tx, body)
