"""Routes of webhook secrets (spec/automation.md, 4.15)."""

from typing import Annotated

from fastapi import APIRouter, Query

from provenance.core.actor import Actor, Role, Scope
from provenance.core.routing import Db, Route, require
from provenance.ledger.dependencies import RunningLedger
from provenance.workflows.schemas import WebhookSecret, WebhookSecretRotate
from provenance.workflows.webhook_secret import service

router = APIRouter(route_class=Route, tags=["workflows"])


@router.post("/workflows/{workflow_id}/webhook-secret/rotate", operation_id="webhook_secret.rotate")
async def rotate(
    workflow_id: str,
    actor: Annotated[Actor, require(Scope.WORKFLOWS_WRITE, Role.EDITOR)],
    db: Db,
    ledger: RunningLedger,
    body: WebhookSecretRotate | None = None,
    grace_minutes: Annotated[int, Query(alias="graceMinutes", ge=0, le=10_080)] = 1440,
) -> WebhookSecret:
    """Make a new webhook secret, or take the sender's; shown in this answer alone. The one before stays a while."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.write(actor) as tx:
        return await service.rotate(tx, keys, workflow_id, grace_minutes, None if body is None else body.secret)
