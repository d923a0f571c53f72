"""Every statement on grants."""

import uuid
from typing import Any

from sqlalchemy import Row, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.approvals.grants.schemas import GrantKind, GrantStatus
from provenance.approvals.grants.tables import approval_grants as grants
from provenance.core.db import ReadTx, WriteTx

MOST_MATCHED = 100
_LIVE = (GrantStatus.PENDING.value, GrantStatus.ACTIVE.value)


def _mine(tx: ReadTx, grant_id: uuid.UUID) -> tuple[Any, ...]:
    return grants.c.workspace_id == tx.workspace_id, grants.c.id == grant_id


async def insert_grant(tx: WriteTx, grant_id: uuid.UUID, **columns: Any) -> Row[Any]:
    """Insert a grant that waits to be confirmed; return its row."""
    made = {"status": GrantStatus.PENDING.value, "created_at": tx.now, "created_by": tx.acting[0]}
    row = insert(grants).values(workspace_id=tx.workspace_id, id=grant_id, **made, **columns)
    return (await tx.execute(row.returning(grants))).one()


async def one(tx: ReadTx, grant_id: uuid.UUID) -> Row[Any] | None:
    """Return a grant."""
    return (await tx.execute(select(grants).where(*_mine(tx, grant_id)))).first()


async def lock(tx: WriteTx, grant_id: uuid.UUID) -> Row[Any] | None:
    """Return a grant and hold its lock until the transaction ends."""
    return (await tx.execute(select(grants).where(*_mine(tx, grant_id)).with_for_update())).first()


async def change(tx: WriteTx, grant_id: uuid.UUID, **columns: Any) -> Row[Any]:
    """Change a grant; return its row."""
    changed = update(grants).where(*_mine(tx, grant_id)).values(**columns)
    return (await tx.execute(changed.returning(grants))).one()


async def page(tx: ReadTx, before: uuid.UUID | None, limit: int, status: GrantStatus | None) -> list[Row[Any]]:
    """Return grants, newest first, below an id."""
    query = select(grants).where(grants.c.workspace_id == tx.workspace_id)
    over = grants.c.status.in_(_LIVE) & (grants.c.valid_until <= tx.now)
    if status is GrantStatus.EXPIRED:
        query = query.where(over)
    elif status is not None:
        query = query.where(grants.c.status == status.value, ~over)
    if before is not None:
        query = query.where(grants.c.id < before)
    return list((await tx.execute(query.order_by(grants.c.id.desc()).limit(limit))).all())


_IN_FORCE = f"""
SELECT {", ".join(f"g.{column.name}" for column in grants.c)}
  FROM unnest($5::text[]) AS asked(kind) CROSS JOIN LATERAL (
    SELECT * FROM approval_grants AS each
     WHERE workspace_id = $1 AND status = 'active' AND each.kind = asked.kind
       AND valid_from <= $2 AND valid_until > $2 AND (max_uses IS NULL OR uses < max_uses)
       AND (cardinality(workflow_ids) = 0 OR $3 = ANY(workflow_ids))
       AND (cardinality(step_keys) = 0 OR $4 = ANY(step_keys))
     ORDER BY id LIMIT {MOST_MATCHED}) AS g
 ORDER BY g.id
"""  # noqa: S608 — names of ours


async def in_force(tx: ReadTx, workflow_id: uuid.UUID, step_key: str) -> list[Row[Any]]:
    """Return grants of each kind that count now and may cover a step of a workflow, the oldest first."""
    kinds = [kind.value for kind in GrantKind]
    found = await tx.driver_sql(_IN_FORCE, (tx.workspace_id, tx.now, workflow_id, step_key, kinds))
    return list(found.all())


async def use(tx: WriteTx, grant_id: uuid.UUID) -> bool:
    """Count a use of a grant; False when it was used up, or ended, meanwhile."""
    left = or_(grants.c.max_uses.is_(None), grants.c.uses < grants.c.max_uses)
    alive = (grants.c.status == GrantStatus.ACTIVE.value, grants.c.valid_until > tx.now, left)
    used = update(grants).where(*_mine(tx, grant_id), *alive).values(uses=grants.c.uses + 1)
    return (await tx.execute(used)).rowcount == 1


async def live_of(tx: ReadTx, user_id: str) -> list[uuid.UUID]:
    """Return the grants that somebody gave or was given and that may still count."""
    query = select(grants.c.id).where(
        grants.c.workspace_id == tx.workspace_id,
        grants.c.status.in_(_LIVE),
        or_(grants.c.grantor == user_id, grants.c.grantee == user_id),
    )
    return list((await tx.execute(query.order_by(grants.c.id))).scalars())
