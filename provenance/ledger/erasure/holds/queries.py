"""Every statement on legal holds."""

import uuid
from collections.abc import Sequence

from sqlalchemy import ARRAY, BigInteger, and_, any_, delete, func, insert, literal, or_, select

from provenance.core.db import ReadTx, WriteTx
from provenance.ledger.erasure.holds.schemas import Hold
from provenance.ledger.erasure.tables import legal_holds
from provenance.ledger.interactions.conditions import terms
from provenance.ledger.interactions.filters import Criteria
from provenance.ledger.interactions.queries import between
from provenance.ledger.tables import interactions

_HOLD = [legal_holds.c[name] for name in Hold._fields]


async def add(tx: WriteTx, hold: Hold) -> None:
    """Store a hold."""
    await tx.execute(insert(legal_holds).values(workspace_id=tx.workspace_id, **hold._asdict()))


async def remove(tx: WriteTx, hold_id: uuid.UUID) -> bool:
    """Delete a hold; False when there is none."""
    mine = (legal_holds.c.workspace_id == tx.workspace_id, legal_holds.c.id == hold_id)
    return (await tx.execute(delete(legal_holds).where(*mine))).rowcount == 1


async def active(tx: ReadTx) -> list[Hold]:
    """Return the holds that hold now, oldest first."""
    mine = select(*_HOLD).where(
        legal_holds.c.workspace_id == tx.workspace_id,
        or_(legal_holds.c.ends_at.is_(None), legal_holds.c.ends_at > tx.now),
    )
    return [Hold._make(row) for row in await tx.execute(mine.order_by(legal_holds.c.id))]


async def ended_since(tx: ReadTx, moment: int) -> bool:
    """Tell whether a hold ended by itself after a moment."""
    mine = select(legal_holds.c.id).where(
        legal_holds.c.workspace_id == tx.workspace_id,
        legal_holds.c.ends_at > moment,
        legal_holds.c.ends_at <= tx.now,
    )
    return (await tx.execute(mine.limit(1))).first() is not None


async def page(tx: ReadTx, *, limit: int, offset: int) -> list[Hold]:
    """Return holds, newest first."""
    mine = select(*_HOLD).where(legal_holds.c.workspace_id == tx.workspace_id)
    rows = await tx.execute(mine.order_by(legal_holds.c.id.desc()).limit(limit).offset(offset))
    return [Hold._make(row) for row in rows]


async def count(tx: ReadTx) -> int:
    """Count the workspace's holds."""
    mine = select(func.count()).select_from(legal_holds).where(legal_holds.c.workspace_id == tx.workspace_id)
    return int((await tx.execute(mine)).scalar_one())


async def satisfying(tx: ReadTx, what: Criteria, numbers: Sequence[int]) -> list[int]:
    """Return which of these rows satisfy the criteria, but for what is asked by ``where``."""
    conditions = [term.condition for term in terms(tx, what, sees_platform=True)]
    mine = select(interactions.c.number).where(
        interactions.c.workspace_id == tx.workspace_id,
        interactions.c.number == any_(literal(list(numbers), ARRAY(BigInteger))),
        and_(literal(True), *conditions, *between(what.start, what.end)),
    )
    return list((await tx.execute(mine.order_by(interactions.c.number))).scalars())
