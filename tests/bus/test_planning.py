"""How PostgreSQL goes about the statements on deliveries in a new installation, before it has seen any."""

import re

import asyncpg
import pytest

from provenance.bus.deliveries import claim_queries, queries, settle_queries
from provenance.core.db import asyncpg_dsn
from tests.conftest import fresh_database


async def kept_plan(connection: "asyncpg.Connection[asyncpg.Record]", sql: str) -> str:
    """Return the plan that a connection keeps, whatever the values."""
    await connection.execute(f"SET plan_cache_mode = force_generic_plan; PREPARE kept AS {sql}")
    nulls = ", ".join(["NULL"] * max(map(int, re.findall(r"\$(\d+)", sql))))
    return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE kept({nulls})"))


@pytest.mark.parametrize(
    ("sql", "lookups"),
    [(claim_queries._CLAIM, 2), (queries._INSERT, 1), (settle_queries._BRING_FORWARD, 1)],
    ids=["claim", "insert", "bring forward"],
)
async def test_a_lane_is_looked_up_by_its_own_index(postgres_url: str, sql: str, lookups: int) -> None:
    async with fresh_database(postgres_url) as url:
        connection = await asyncpg.connect(asyncpg_dsn(url))
        try:
            plan = await kept_plan(connection, sql)
        finally:
            await connection.close()
    assert plan.count("using ix_bus_deliveries_lanes") == lookups, plan
    assert "hashed" not in plan, "everything that is open would be read"
    assert "Seq Scan" not in plan, plan
