"""Every statement on environments."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import ReadTx, WriteTx
from provenance.workspace.environments.tables import environments


async def all_of(tx: ReadTx) -> list[Any]:
    """Return the workspace's environments in their order."""
    mine = select(environments).where(environments.c.workspace_id == tx.workspace_id)
    return list((await tx.execute(mine.order_by(environments.c.position, environments.c.slug))).all())


async def store(tx: WriteTx, slug: str, **columns: Any) -> None:
    """Make an environment, or change the one of this slug."""
    row = insert(environments).values(workspace_id=tx.workspace_id, slug=slug, created_at=tx.now, **columns)
    await tx.execute(row.on_conflict_do_update(index_elements=["workspace_id", "slug"], set_=columns))


async def remove(tx: WriteTx, slugs: Iterable[str]) -> None:
    """Delete environments. Raises IntegrityError when something lives in one."""
    mine = environments.c.workspace_id == tx.workspace_id
    await tx.execute(delete(environments).where(mine, environments.c.slug.in_(sorted(slugs))))
