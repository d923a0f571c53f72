"""Every statement on grants."""

import uuid
from typing import Any

from sqlalchemy import Row, any_, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.approvals.grants.schemas import GrantStatus
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


async def in_force(tx: ReadTx, kind: str, workflow_id: uuid.UUID, step_key: str) -> list[Row[Any]]:
    """Return grants of a kind that count now and may cover a step of a workflow, the oldest first."""
    query = select(grants).where(
        grants.c.workspace_id == tx.workspace_id,
        grants.c.status == GrantStatus.ACTIVE.value,
        grants.c.kind == kind,
        grants.c.valid_from <= tx.now,
        grants.c.valid_until > tx.now,
        or_(grants.c.max_uses.is_(None), grants.c.uses < grants.c.max_uses),
        or_(func.cardinality(grants.c.workflow_ids) == 0, literal(workflow_id) == any_(grants.c.workflow_ids)),
        or_(func.cardinality(grants.c.step_keys) == 0, literal(step_key) == any_(grants.c.step_keys)),
    )
    return list((await tx.execute(query.order_by(grants.c.id).limit(MOST_MATCHED))).all())


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
