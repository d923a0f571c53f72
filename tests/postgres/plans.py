"""How PostgreSQL goes about a statement in a new installation, before it has seen any rows."""

import re

import asyncpg

from provenance.core.db import asyncpg_dsn
from tests.conftest import fresh_database


async def kept_plan(postgres_url: str, sql: str) -> str:
    """Return the plan that a connection keeps, whatever the values."""
    async with fresh_database(postgres_url) as url:
        connection = await asyncpg.connect(asyncpg_dsn(url))
        try:
            await connection.execute(f"SET plan_cache_mode = force_generic_plan; PREPARE kept AS {sql}")
            count = max(map(int, re.findall(r"\$(\d+)", sql)), default=0)
            asked = f"EXECUTE kept({', '.join(['NULL'] * count)})" if count else "EXECUTE kept"
            return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {asked}"))
        finally:
            await connection.close()
