"""Every statement on the workspaces."""

import uuid
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import ReadTx, WriteTx
from provenance.workspace.schemas import Workspace
from provenance.workspace.tables import workspaces


async def insert_workspace(tx: WriteTx, **columns: Any) -> bool:
    """Insert the transaction's workspace; tell whether its slug was free."""
    row = insert(workspaces).values(id=tx.workspace_id, created_at=tx.now, **columns)
    return (await tx.execute(row.on_conflict_do_nothing(index_elements=["slug"]))).rowcount == 1


async def row_of(tx: ReadTx) -> Any:
    """Return the row of the transaction's workspace."""
    return (await tx.execute(select(workspaces).where(workspaces.c.id == tx.workspace_id))).one()


async def lock(tx: WriteTx) -> Any:
    """Lock the transaction's workspace against other changes of its settings, members and environments; return it.

    Rows of other tables may still refer to it meanwhile.
    """
    query = select(workspaces).where(workspaces.c.id == tx.workspace_id).with_for_update(key_share=True)
    return (await tx.execute(query)).one()


async def set_columns(tx: WriteTx, **columns: Any) -> None:
    """Change columns of the transaction's workspace, and note by whom and when."""
    changed = {**columns, "updated_at": tx.now, "updated_by": tx.actor.id}
    await tx.execute(update(workspaces).where(workspaces.c.id == tx.workspace_id).values(**changed))


async def set_plan(tx: WriteTx, plan: str) -> None:
    """Change the plan of the transaction's workspace."""
    await tx.execute(update(workspaces).where(workspaces.c.id == tx.workspace_id).values(plan=plan))


async def instance_workspace(tx: ReadTx) -> uuid.UUID | None:
    """Return the id of the workspace that holds the installation's own events."""
    found: uuid.UUID | None = (
        await tx.execute(select(workspaces.c.id).where(workspaces.c.instance))
    ).scalar_one_or_none()
    return found


async def data_retentions(tx: ReadTx) -> list[tuple[uuid.UUID, int]]:
    """Return each workspace with the days for which its runs keep their data."""
    rows = await tx.execute(select(workspaces.c.id, workspaces.c.data_retention_days).order_by(workspaces.c.id))
    return [(row.id, row.data_retention_days) for row in rows]


async def by_slug(tx: ReadTx, slug: str) -> Workspace | None:
    """Return a workspace by its slug."""
    query = select(workspaces.c.id, workspaces.c.slug, workspaces.c.name).where(workspaces.c.slug == slug)
    row = (await tx.execute(query)).first()
    return None if row is None else Workspace(row.id, row.slug, row.name)
