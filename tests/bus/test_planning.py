"""How PostgreSQL goes about the statements on deliveries in a new installation, before it has seen any."""

import pytest

from provenance.bus.deliveries import claim_queries, queries, settle_queries
from tests.postgres.plans import kept_plan


@pytest.mark.parametrize(
    ("sql", "lookups"),
    [(claim_queries._CLAIM, 2), (queries._INSERT, 1), (settle_queries._BRING_FORWARD, 1)],
    ids=["claim", "insert", "bring forward"],
)
async def test_a_lane_is_looked_up_by_its_own_index(postgres_url: str, sql: str, lookups: int) -> None:
    plan = await kept_plan(postgres_url, sql)
    assert plan.count("using ix_bus_deliveries_lanes") == lookups, plan
    assert "hashed" not in plan, "everything that is open would be read"
    assert "Seq Scan" not in plan, plan
