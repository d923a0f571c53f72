"""Every statement on the connections."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, exists, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from provenance.connections.schemas import Row
from provenance.connections.tables import connection_authorizations, connection_references, connections
from provenance.core.clock import NANOS
from provenance.core.db import ReadTx, WriteTx

STAMPED_EVERY_NS = 60 * NANOS
_ROW = [connections.c[name] for name in Row._fields]


async def insert_connection(tx: WriteTx, row: Row) -> bool:
    """Insert a connection; False when its name is taken."""
    put = insert_or(connections).values(workspace_id=tx.workspace_id, lease=None, lease_until=None, **row._asdict())
    return (await tx.execute(put.on_conflict_do_nothing())).rowcount == 1


async def by_id(tx: ReadTx, connection_id: uuid.UUID, *, lock: bool = False) -> Row | None:
    """Return a connection."""
    query = select(*_ROW).where(connections.c.workspace_id == tx.workspace_id, connections.c.id == connection_id)
    row = (await tx.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else Row._make(row)


async def existing(tx: ReadTx, connection_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Return which of these connections there are."""
    mine = (connections.c.workspace_id == tx.workspace_id, connections.c.id.in_(connection_ids))
    return set((await tx.execute(select(connections.c.id).where(*mine))).scalars())


async def name_taken(tx: ReadTx, name: str, other_than: uuid.UUID) -> bool:
    """Tell whether another connection has a name."""
    mine = (connections.c.workspace_id == tx.workspace_id, connections.c.name == name, connections.c.id != other_than)
    return bool((await tx.execute(select(exists().where(*mine)))).scalar_one())


async def page(
    tx: ReadTx, *, integration: str | None, status: str | None, before: uuid.UUID | None, limit: int
) -> list[Row]:
    """Return connections, newest first."""
    query = select(*_ROW).where(connections.c.workspace_id == tx.workspace_id)
    if integration is not None:
        query = query.where(connections.c.integration == integration)
    if status is not None:
        query = query.where(connections.c.status == status)
    if before is not None:
        query = query.where(connections.c.id < before)
    return [Row._make(row) for row in await tx.execute(query.order_by(connections.c.id.desc()).limit(limit))]


async def every(tx: ReadTx) -> list[Row]:
    """Return the connections that hold a credential or tokens."""
    held = or_(connections.c.credential_sealed.is_not(None), connections.c.tokens_sealed.is_not(None))
    query = select(*_ROW).where(connections.c.workspace_id == tx.workspace_id, held)
    return [Row._make(row) for row in await tx.execute(query)]


async def stamp_of_credentials(tx: ReadTx) -> tuple[int, int, int]:
    """Return how many connections there are, when the last was changed, and how often tokens were given out."""
    query = select(
        func.count(),
        func.coalesce(func.max(connections.c.updated_at), 0),
        func.coalesce(func.sum(connections.c.tokens_revision), 0),
    ).where(connections.c.workspace_id == tx.workspace_id)
    found: Any = (await tx.execute(query)).one()
    return found[0], found[1], int(found[2])


async def change(tx: WriteTx, connection_id: uuid.UUID, values: Mapping[str, Any]) -> None:
    """Change a connection."""
    mine = (connections.c.workspace_id == tx.workspace_id, connections.c.id == connection_id)
    await tx.execute(update(connections).where(*mine).values(**values))


async def remove(tx: WriteTx, connection_id: uuid.UUID) -> None:
    """Delete a connection."""
    mine = (connections.c.workspace_id == tx.workspace_id, connections.c.id == connection_id)
    await tx.execute(delete(connections).where(*mine))


async def stamp_use(tx: WriteTx, connection_id: uuid.UUID) -> None:
    """Note that a connection was used, at most once a minute, and never wait for another who does."""
    free = (
        select(connections.c.id)
        .where(
            connections.c.workspace_id == tx.workspace_id,
            connections.c.id == connection_id,
            func.coalesce(connections.c.last_used_at, 0) <= tx.now - STAMPED_EVERY_NS,
        )
        .with_for_update(skip_locked=True, key_share=True)
    )
    mine = (connections.c.workspace_id == tx.workspace_id, connections.c.id.in_(free.scalar_subquery()))
    await tx.execute(update(connections).where(*mine).values(last_used_at=tx.now))


async def take_lease(tx: WriteTx, connection_id: uuid.UUID, revision: int, lease: uuid.UUID, until: int) -> bool:
    """Take the right to fetch tokens newer than a revision; False when another has it, or has fetched them."""
    free = update(connections).where(
        connections.c.workspace_id == tx.workspace_id,
        connections.c.id == connection_id,
        connections.c.tokens_revision == revision,
        or_(connections.c.lease.is_(None), connections.c.lease_until <= tx.now),
    )
    return (await tx.execute(free.values(lease=lease, lease_until=until))).rowcount == 1


async def end_lease(tx: WriteTx, connection_id: uuid.UUID, lease: uuid.UUID, values: Mapping[str, Any]) -> bool:
    """Give a lease back with what came of it; False when it was not ours any more, and nothing changed."""
    mine = update(connections).where(
        connections.c.workspace_id == tx.workspace_id,
        connections.c.id == connection_id,
        connections.c.lease == lease,
    )
    return (await tx.execute(mine.values(lease=None, lease_until=None, **values))).rowcount == 1


async def add_authorization(
    tx: WriteTx, digest: bytes, connection_id: uuid.UUID, person: str, sealed: bytes, expires_at: int
) -> None:
    """Store an authorisation under way, and throw away those that ran out."""
    over = (
        connection_authorizations.c.workspace_id == tx.workspace_id,
        connection_authorizations.c.expires_at <= tx.now,
    )
    await tx.execute(delete(connection_authorizations).where(*over))
    values = {"digest": digest, "connection_id": connection_id, "person": person, "sealed": sealed}
    put = insert(connection_authorizations).values(workspace_id=tx.workspace_id, expires_at=expires_at, **values)
    await tx.execute(put)


async def peek_authorization(tx: ReadTx, digest: bytes) -> Any:
    """Return an authorisation under way: connection_id, person, sealed; None when it is over."""
    columns = [connection_authorizations.c[name] for name in ("connection_id", "person", "sealed")]
    query = select(*columns).where(
        connection_authorizations.c.workspace_id == tx.workspace_id,
        connection_authorizations.c.digest == digest,
        connection_authorizations.c.expires_at > tx.now,
    )
    return (await tx.execute(query)).first()


async def use_authorization(tx: WriteTx, digest: bytes) -> bool:
    """Use an authorisation up; False when it is over, or another request just did."""
    mine = delete(connection_authorizations).where(
        connection_authorizations.c.workspace_id == tx.workspace_id,
        connection_authorizations.c.digest == digest,
        connection_authorizations.c.expires_at > tx.now,
    )
    return (await tx.execute(mine)).rowcount == 1


async def refer(tx: WriteTx, connection_ids: Sequence[uuid.UUID], kind: str, referrer: str) -> None:
    """Make these the connections that something works with, and no others."""
    mine = (
        connection_references.c.workspace_id == tx.workspace_id,
        connection_references.c.kind == kind,
        connection_references.c.referrer == referrer,
    )
    gone = connection_references.c.connection_id.not_in(connection_ids)
    await tx.execute(delete(connection_references).where(*mine, gone))
    shared = {"workspace_id": tx.workspace_id, "kind": kind, "referrer": referrer}
    rows = [{**shared, "connection_id": each} for each in connection_ids]
    if rows:
        await tx.execute(insert_or(connection_references).values(rows).on_conflict_do_nothing())


async def referrers(tx: ReadTx, connection_ids: Sequence[uuid.UUID]) -> list[tuple[uuid.UUID, str, str]]:
    """Return what works with these connections: connection, kind, id."""
    columns = [connection_references.c[name] for name in ("connection_id", "kind", "referrer")]
    query = select(*columns).where(
        connection_references.c.workspace_id == tx.workspace_id,
        connection_references.c.connection_id.in_(connection_ids),
    )
    rows = await tx.execute(query.order_by(connection_references.c.kind, connection_references.c.referrer))
    return [tuple(row) for row in rows]
