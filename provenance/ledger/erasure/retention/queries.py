"""Every statement of retention: policies, and the rows that are old enough."""

import uuid
from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, delete, insert, not_, select, update

from provenance.core.db import ReadTx, WriteTx
from provenance.ledger.erasure.retention.schemas import Policy
from provenance.ledger.erasure.tables import retention_policies
from provenance.ledger.tables import interactions

_POLICY = [retention_policies.c[name] for name in Policy._fields]


async def policies(tx: ReadTx) -> list[Policy]:
    """Return the workspace's policies, in the order they were given."""
    mine = select(*_POLICY).where(retention_policies.c.workspace_id == tx.workspace_id)
    return [Policy._make(row) for row in await tx.execute(mine.order_by(retention_policies.c.id))]


async def replace(tx: WriteTx, fresh: Sequence[Policy]) -> None:
    """Put these policies in the place of all."""
    await tx.execute(delete(retention_policies).where(retention_policies.c.workspace_id == tx.workspace_id))
    if fresh:
        values = [{"workspace_id": tx.workspace_id, **policy._asdict()} for policy in fresh]
        await tx.execute(insert(retention_policies), values)


async def look_again(tx: WriteTx) -> None:
    """Let every policy begin anew, soon: rows that were held may be free."""
    mine = update(retention_policies).where(retention_policies.c.workspace_id == tx.workspace_id)
    await tx.execute(mine.values(swept=0, checked_at=0))


async def note_checked(tx: WriteTx) -> None:
    """Note that the policies were applied now."""
    mine = update(retention_policies).where(retention_policies.c.workspace_id == tx.workspace_id)
    await tx.execute(mine.values(checked_at=tx.now))


async def note_swept(tx: WriteTx, policy_id: uuid.UUID, number: int) -> None:
    """Note how far a policy was applied."""
    mine = (retention_policies.c.workspace_id == tx.workspace_id, retention_policies.c.id == policy_id)
    await tx.execute(update(retention_policies).where(*mine).values(swept=number))


_DUE = "SELECT DISTINCT workspace_id FROM retention_policies WHERE checked_at < $1 ORDER BY workspace_id LIMIT 1000"


async def due(tx: ReadTx, before: int) -> list[uuid.UUID]:
    """Return the workspaces whose policies were last applied before a moment, of the whole installation."""
    return [row[0] for row in await tx.driver_sql(_DUE, (before,))]


async def recorded_at(tx: ReadTx, number: int) -> int:
    """Return when a row was recorded."""
    mine = select(interactions.c.recorded_at).where(
        interactions.c.workspace_id == tx.workspace_id, interactions.c.number == number
    )
    return int((await tx.execute(mine)).scalar_one())


async def old(tx: ReadTx, policy: Policy, others: Sequence[Policy], *, upto: int, before: int, limit: int) -> list[int]:
    """Return rows after ``policy.swept`` up to ``upto`` that the policy is for, recorded before a moment."""
    mine = (
        select(interactions.c.number)
        .where(
            interactions.c.workspace_id == tx.workspace_id,
            interactions.c.number > policy.swept,
            interactions.c.number <= upto,
            interactions.c.recorded_at < before,
            interactions.c.content.is_not(None),
            interactions.c.platform.is_(False),
            *_fits(policy),
            *[not_(and_(*_fits(other))) for other in others if other.within(policy)],
        )
        .order_by(interactions.c.number)
        .limit(limit)
    )
    return list((await tx.execute(mine)).scalars())


def _fits(policy: Policy) -> list[ColumnElement[bool]]:
    found = []
    if policy.resource_type_id is not None:
        found.append(interactions.c.resource_type_id == policy.resource_type_id)
    if policy.action_id is not None:
        found.append(interactions.c.action_id == policy.action_id)
    return found
