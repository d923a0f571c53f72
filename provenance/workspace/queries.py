"""Every statement on the workspaces."""

import uuid

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import ReadTx, WriteTx
from provenance.workspace.schemas import Workspace
from provenance.workspace.tables import workspaces


async def insert_workspace(tx: WriteTx, *, slug: str, name: str, instance: bool) -> None:
    """Insert the transaction's workspace."""
    await tx.execute(
        insert(workspaces).values(id=tx.workspace_id, slug=slug, name=name, instance=instance, created_at=tx.now)
    )


async def instance_workspace(tx: ReadTx) -> uuid.UUID | None:
    """Return the id of the workspace that holds the installation's own events."""
    found: uuid.UUID | None = (
        await tx.execute(select(workspaces.c.id).where(workspaces.c.instance))
    ).scalar_one_or_none()
    return found


async def by_slug(tx: ReadTx, slug: str) -> Workspace | None:
    """Return a workspace by its slug."""
    query = select(workspaces.c.id, workspaces.c.slug, workspaces.c.name).where(workspaces.c.slug == slug)
    row = (await tx.execute(query)).first()
    return None if row is None else Workspace(row.id, row.slug, row.name)
