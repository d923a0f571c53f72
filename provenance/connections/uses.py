"""Who works with a connection: skills, live workflows. As long as anything does, it can't be deleted."""

import uuid
from collections.abc import Iterable, Sequence

from provenance.connections import queries
from provenance.connections.errors import ConnectionInUse
from provenance.connections.schemas import PREFIX, Connection, ConnectionUse, Row, shown
from provenance.core.db import ReadTx
from provenance.core.ids import decode


async def with_uses(tx: ReadTx, row: Row) -> Connection:
    """Return a connection as it reads on the wire, with what works with it."""
    [connection] = await all_with_uses(tx, [row])
    return connection


async def all_with_uses(tx: ReadTx, rows: Sequence[Row]) -> list[Connection]:
    """Return connections as they read on the wire, each with what works with it."""
    found = await _uses(tx, [row.id for row in rows])
    return [shown(row, tx.workspace_id, found.get(row.id, [])) for row in rows]


async def ensure_none(tx: ReadTx, row: Row) -> None:
    """Refuse to take a connection away from what works with it. Raises ConnectionInUse, which names that."""
    if used_by := (await _uses(tx, [row.id])).get(row.id):
        raise ConnectionInUse.by(f"The connection {row.name}", [(each.kind, each.id) for each in used_by])


async def unknown(tx: ReadTx, connection_ids: Iterable[str]) -> set[str]:
    """Return which of these ids name no connection of the workspace."""
    named = {each: decode(PREFIX, each) for each in connection_ids}
    there = await queries.existing(tx, [each for each in named.values() if each is not None])
    return {name for name, known in named.items() if known not in there}


async def _uses(tx: ReadTx, connection_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[ConnectionUse]]:
    found: dict[uuid.UUID, list[ConnectionUse]] = {}
    for connection_id, kind, referrer in await queries.referrers(tx, connection_ids):
        found.setdefault(connection_id, []).append(ConnectionUse(kind=kind, id=referrer))
    return found
