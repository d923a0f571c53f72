"""Every statement on the API keys of a workspace; what a key's look-up asks is in `identity.queries`."""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import or_, select, tuple_, update

from provenance.core.clock import NANOS
from provenance.core.db import ReadTx, WriteTx
from provenance.identity.tables import api_keys

STAMP_SECONDS = 60


async def page(tx: ReadTx, *, limit: int, after: tuple[int, str] | None) -> list[Any]:
    """Return keys of the workspace, newest first, from after a key on (its time of making and its id)."""
    mine = select(api_keys).where(api_keys.c.workspace_id == tx.workspace_id)
    if after is not None:
        mine = mine.where(tuple_(api_keys.c.created_at, api_keys.c.id) < after)
    newest = mine.order_by(api_keys.c.created_at.desc(), api_keys.c.id.desc()).limit(limit)
    return list((await tx.execute(newest)).all())


async def row_of(tx: ReadTx, key_id: str) -> Any:
    """Return a key of the workspace, or None."""
    mine = select(api_keys).where(api_keys.c.workspace_id == tx.workspace_id, api_keys.c.id == key_id)
    return (await tx.execute(mine)).first()


async def revoke(tx: WriteTx, key_id: str) -> bool:
    """Revoke a key of the workspace; tell whether it was valid."""
    mine = update(api_keys).where(api_keys.c.workspace_id == tx.workspace_id, api_keys.c.id == key_id)
    return (await tx.execute(mine.where(api_keys.c.revoked_at.is_(None)).values(revoked_at=tx.now))).rowcount == 1


async def revoke_made_by(tx: WriteTx, created_by: str) -> list[str]:
    """Revoke every key of the workspace that somebody made; return the ids of those that were valid."""
    valid = (api_keys.c.workspace_id == tx.workspace_id, api_keys.c.revoked_at.is_(None))
    made = update(api_keys).where(*valid, api_keys.c.created_by == created_by).values(revoked_at=tx.now)
    return sorted((await tx.execute(made.returning(api_keys.c.id))).scalars())


async def stamp_used(tx: WriteTx, used: Mapping[tuple[uuid.UUID, str], int]) -> None:
    """Note when keys, by workspace and id, came last; one that was stamped within a minute stays as it is."""
    for (workspace_id, key_id), at in sorted(used.items()):  # one order of locks
        stale = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at <= at - STAMP_SECONDS * NANOS)
        mine = update(api_keys).where(api_keys.c.workspace_id == workspace_id, api_keys.c.id == key_id, stale)
        await tx.execute(mine.values(last_used_at=at))
