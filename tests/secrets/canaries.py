"""Planted values, and every place of the database where one could have come to lie."""

import secrets
from base64 import b64encode
from typing import Any

import asyncpg
import msgspec

from provenance.core import ids
from provenance.core.db import asyncpg_dsn
from tests.conftest import Running, Tenant


def canary() -> str:
    """Make a value that occurs nowhere by chance."""
    return "canary" + secrets.token_hex(12)


def forms(value: str) -> list[bytes]:
    """The forms in which a value could lie somewhere: as it is, in hex, in base64 at each offset."""
    raw = value.encode()
    encoded = [b64encode(b"\0" * offset + raw)[4 * bool(offset) : -4] for offset in range(3)]
    return [raw, raw.hex().encode(), *encoded]


def holds(haystack: bytes, value: str) -> bool:
    return any(form in haystack for form in forms(value))


async def tables_with(app: Running, *values: str) -> list[str]:
    """Return the tables of which any row, read raw, holds one of the values."""
    connection = await asyncpg.connect(asyncpg_dsn(app.ledger.db.url))
    try:
        names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        found = []
        for name in sorted(row["tablename"] for row in names):
            rows = await connection.fetch(f'SELECT * FROM "{name}"')
            raw = b"\n".join(_raw(value) for row in rows for value in row.values())
            found += [name] if any(holds(raw, value) for value in values) else []
        return found
    finally:
        await connection.close()


def _raw(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


async def events(app: Running, workspace: Tenant, *types: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the platform's rows of a workspace about these resource types, oldest first: event, id, data."""
    sql = """SELECT lower(r.mnemonic || '.' || a.mnemonic) AS event, i.resource_id, i.content FROM interactions i
             JOIN catalogue r ON r.workspace_id = i.workspace_id AND r.id = i.resource_type_id
             JOIN catalogue a ON a.workspace_id = i.workspace_id AND a.id = i.action_id
             WHERE i.workspace_id = $1 AND i.platform AND r.mnemonic = ANY($2) ORDER BY i.number"""
    wanted = [each.upper() for each in types or ("secret",)]
    async with app.ledger.db.housekeeping() as tx:
        rows = (await tx.driver_sql(sql, (ids.decode("ws", workspace.id), wanted))).all()
    return [(row.event, row.resource_id, msgspec.json.decode(row.content)["interaction"]) for row in rows]
