"""Wrapping every data key anew, while servers and workers run: what a rotation of the master key comes down to.

What is sealed stays as it is. Each row changes by itself and only if nobody changed it meanwhile; who reads one before
opens it with the old master key, who reads it after with the new one.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, select, update

from provenance.core.db import Database, WriteTx
from provenance.core.keyring import Stored, context_of, data_keys
from provenance.core.master_keys import Masters, Wrapped


class Rewrapped(NamedTuple):
    """How many data keys there are, and how many were wrapped anew."""

    keys: int
    changed: int


async def rewrap(masters: Masters, db: Database) -> Rewrapped:
    """Wrap every data key by the newest version of the master key that wraps. Raises KeyringError.

    May be repeated, and may be broken off at any moment. Processes that had not noticed the new key when this began
    may have made data keys under the old one meanwhile, so it looks until there are none.
    """
    keys = changed = 0
    while True:
        keys, more = await _round(masters, db)
        changed += more
        if not await _others(masters, db):
            return Rewrapped(keys, changed)


async def count_by_master(db: Database) -> list[tuple[str, int]]:
    """Return how many data keys each master key wraps."""
    query = select(data_keys.c.master_key_id, func.count()).group_by(data_keys.c.master_key_id)
    async with db.housekeeping() as tx:
        rows: Sequence[Any] = (await tx.execute(query.order_by(data_keys.c.master_key_id))).all()
    return [(row[0], row[1]) for row in rows]


async def _round(masters: Masters, db: Database) -> tuple[int, int]:
    async with db.housekeeping() as tx:
        places: Sequence[Any] = (await tx.execute(select(data_keys.c.workspace_id, data_keys.c.generation))).all()
    changed = 0
    for workspace_id, generation in places:
        async with db.housekeeping(workspace_id) as tx:
            row = await _one(tx, generation)
        if row is None:
            continue
        new = await masters.rewrapped(row.key, context_of(workspace_id, generation))
        if new != row.key:
            async with db.housekeeping(workspace_id) as tx:
                changed += await _replace(tx, row, new)
    return len(places), changed


async def _others(masters: Masters, db: Database) -> bool:
    """Tell whether a data key is wrapped by another master key."""
    async with db.housekeeping() as tx:
        other = select(data_keys.c.generation).where(data_keys.c.master_key_id != masters.id).limit(1)
        return (await tx.execute(other)).first() is not None


async def _one(tx: WriteTx, generation: int) -> Stored | None:
    columns = [data_keys.c[name] for name in Stored._fields]
    mine = (data_keys.c.workspace_id == tx.workspace_id, data_keys.c.generation == generation)
    row = (await tx.execute(select(*columns).where(*mine))).first()
    return None if row is None else Stored._make(row)


async def _replace(tx: WriteTx, row: Stored, new: Wrapped) -> int:
    mine = update(data_keys).where(
        data_keys.c.workspace_id == tx.workspace_id,
        data_keys.c.generation == row.generation,
        data_keys.c.wrapped == row.wrapped,
    )
    return (await tx.execute(mine.values(**new._asdict()))).rowcount
