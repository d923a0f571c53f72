"""The verbs of workspaces."""

import uuid

from provenance.audit import service as audit
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import new_uuid
from provenance.ledger.service import open_ledger
from provenance.workspace import queries
from provenance.workspace.schemas import Workspace, WorkspaceEvent

INSTANCE_SLUG = "instance"


async def create(tx: WriteTx, *, slug: str, name: str) -> Workspace:
    """Make a workspace with an empty ledger; the event goes to the instance workspace, so numbers start at 1."""
    workspace = await _insert(tx, slug=slug, name=name, instance=False)
    audit.record(
        tx,
        WorkspaceEvent.CREATED,
        workspace.wire_id,
        {"slug": slug},
        risk=audit.Risk.MEDIUM,
        workspace_id=await queries.instance_workspace(tx),
    )
    return workspace


async def create_instance(tx: WriteTx) -> Workspace:
    """Make the workspace that holds the installation's own events."""
    return await _insert(tx, slug=INSTANCE_SLUG, name="Installation", instance=True)


async def instance_id(tx: ReadTx) -> uuid.UUID:
    """Return the id of the workspace that holds the installation's own events; the first start makes it."""
    found = await queries.instance_workspace(tx)
    assert found is not None, "the first start comes before anything that asks"
    return found


async def _insert(tx: WriteTx, *, slug: str, name: str, instance: bool) -> Workspace:
    workspace = Workspace(new_uuid(), slug, name)
    inside = tx.inside(workspace.id)
    await queries.insert_workspace(inside, slug=slug, name=name, instance=instance)
    await open_ledger(inside, workspace.wire_id, slug)
    return workspace
