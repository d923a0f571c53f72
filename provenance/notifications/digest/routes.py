"""Routes of the audit digest (spec/automation.md, rows 51 and 52)."""

from typing import Annotated

from fastapi import APIRouter

from provenance.core.actor import Actor, Role
from provenance.core.routing import Db, Route
from provenance.identity.access.dependencies import person
from provenance.ledger.dependencies import RunningLedger
from provenance.notifications.digest import service
from provenance.notifications.digest.schemas import Digest, DigestAsked

router = APIRouter(route_class=Route, tags=["workspace"])


@router.get("/workspace/audit-digest", operation_id="audit_digest.get")
async def get(actor: Annotated[Actor, person(Role.EDITOR)], db: Db, ledger: RunningLedger) -> Digest:
    """The audit by mail: to whom, how often, when it went out last and goes out next."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.get(tx, keys)


@router.put("/workspace/audit-digest", operation_id="audit_digest.update")
async def update(
    asked: DigestAsked, actor: Annotated[Actor, person(Role.ADMIN)], db: Db, ledger: RunningLedger
) -> Digest:
    """Set the audit digest up; switched on, it begins with what happens from now on."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.write(actor) as tx:
        return await service.update(tx, keys, asked)
