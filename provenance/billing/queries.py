"""Every statement of billing: what is counted, and who pays."""

import uuid
from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.dialects.postgresql import insert

from provenance.billing.tables import billing_customers, usage_counted, usage_months
from provenance.core.db import ReadTx, WriteTx

_USED = "CASE WHEN jsonb_typeof(used->'{0}') = 'number' THEN (used->>'{0}')::{1} END"
_COUNT = f"""
SELECT resource_type_id, action_id, month, count(*)::bigint AS times,
       coalesce(sum({_USED.format("tokensIn", "numeric")}), 0)::bigint AS tokens_in,
       coalesce(sum({_USED.format("tokensOut", "numeric")}), 0)::bigint AS tokens_out,
       coalesce(sum({_USED.format("costUsd", "float8")}), 0)::float8 AS model_cost_usd
  FROM (SELECT resource_type_id, action_id,
               date_trunc('month', to_timestamp(occurred_at / 1000000000), 'UTC')::date AS month,
               CASE WHEN strpos(content, '"usage"') > 0 THEN content::jsonb #> '{{interaction,usage}}' END AS used
          FROM interactions WHERE workspace_id = $1 AND platform AND number > $2 AND number <= $3) AS recorded
 GROUP BY resource_type_id, action_id, month
"""  # noqa: S608 — names of ours
_ADD = f"""
INSERT INTO usage_months AS known
       (workspace_id, resource_type_id, action_id, month, times, tokens_in, tokens_out, model_cost_usd)
SELECT $1, counted.* FROM ({_COUNT}) AS counted
    ON CONFLICT (workspace_id, month, resource_type_id, action_id) DO UPDATE
   SET times = known.times + excluded.times, tokens_in = known.tokens_in + excluded.tokens_in,
       tokens_out = known.tokens_out + excluded.tokens_out,
       model_cost_usd = known.model_cost_usd + excluded.model_cost_usd
"""  # noqa: S608 — names of ours
_BEHIND = """
SELECT s.workspace_id FROM ledger_settings AS s LEFT JOIN usage_counted AS c ON c.workspace_id = s.workspace_id
 WHERE s.workspace_id > $1
   AND EXISTS (SELECT 1 FROM interactions AS i WHERE i.workspace_id = s.workspace_id AND i.platform
                                                 AND i.number > coalesce(c.number, 0))
 ORDER BY s.workspace_id LIMIT $2
"""
_NEXT = """
SELECT max(number) FROM (SELECT number FROM interactions WHERE workspace_id = $1 AND platform AND number > $2
                          ORDER BY number LIMIT $3) AS following
"""
_COUNTED = """
SELECT c.number, m.resource_type_id, m.action_id, m.times FROM usage_counted AS c
  LEFT JOIN usage_months AS m ON m.workspace_id = c.workspace_id AND m.month = $2
 WHERE c.workspace_id = $1
"""
_TIMES = """
SELECT resource_type_id, action_id, count(*) FILTER (WHERE occurred_at >= $3) AS times, max(number) AS number
  FROM interactions WHERE workspace_id = $1 AND platform AND number > $2
 GROUP BY resource_type_id, action_id
"""


async def behind(tx: ReadTx, after: uuid.UUID, limit: int) -> list[uuid.UUID]:
    """Return workspaces above one, of all, with interactions that are not counted yet."""
    return [row[0] for row in await tx.driver_sql(_BEHIND, (after, limit))]


async def counted_to(tx: ReadTx, *, lock: bool = False) -> int:
    """Return the number up to which the workspace's interactions are counted."""
    query = select(usage_counted.c.number).where(usage_counted.c.workspace_id == tx.workspace_id)
    return (await tx.execute(query.with_for_update() if lock else query)).scalar_one_or_none() or 0


async def count_on(tx: WriteTx, at_once: int) -> int:
    """Count the next interactions of the platform; return how far it is counted now, 0 when there were none."""
    start = insert(usage_counted).values(workspace_id=tx.workspace_id, number=0).on_conflict_do_nothing()
    await tx.execute(start)
    known = await counted_to(tx, lock=True)
    following: int | None = (await tx.driver_sql(_NEXT, (tx.workspace_id, known, at_once))).scalar()
    if following is None:
        return 0
    await tx.driver_sql(_ADD, (tx.workspace_id, known, following))
    mine = usage_counted.c.workspace_id == tx.workspace_id
    await tx.execute(usage_counted.update().where(mine).values(number=following))
    return following


async def of_month(tx: ReadTx, month: date) -> list[Row[Any]]:
    """Return what is counted of a month, by resource type and action."""
    mine = (usage_months.c.workspace_id == tx.workspace_id, usage_months.c.month == month)
    return list((await tx.execute(select(usage_months).where(*mine))).all())


async def not_counted(tx: ReadTx, after: int) -> Sequence[Row[Any]]:
    """Count what the platform recorded after a number, by resource type, action and month."""
    return (await tx.driver_sql(_COUNT, (tx.workspace_id, after, 2**62))).all()


async def counted_of_month(tx: ReadTx, month: date) -> tuple[int, dict[tuple[uuid.UUID, uuid.UUID], int]]:
    """Return up to which number it is counted, and how often what was recorded of a month, as of one moment."""
    number, times = 0, {}
    for row in await tx.driver_sql(_COUNTED, (tx.workspace_id, month)):
        number = row.number
        if row.times is not None:
            times[uuid.UUID(int=row.resource_type_id.int), uuid.UUID(int=row.action_id.int)] = int(row.times)
    return number, times


async def times_since(tx: ReadTx, after: int, begun: int) -> Sequence[Row[Any]]:
    """Count what the platform recorded after a number, since a moment; with the highest number of each."""
    return (await tx.driver_sql(_TIMES, (tx.workspace_id, after, begun))).all()


async def customer(tx: ReadTx, *, lock: bool = False) -> Row[Any] | None:
    """Return who pays for the workspace, as it is known here; None for nobody."""
    query = select(billing_customers).where(billing_customers.c.workspace_id == tx.workspace_id)
    return (await tx.execute(query.with_for_update() if lock else query)).first()


async def put_customer(tx: WriteTx, name: str) -> None:
    """Note who pays for the workspace; one that is known stays."""
    values = {"workspace_id": tx.workspace_id, "customer": name, "asked_at": 0}
    await tx.execute(insert(billing_customers).values(values).on_conflict_do_nothing())


async def put_standing(tx: WriteTx, **columns: Any) -> None:
    """Keep what the payment provider said of the workspace's subscription."""
    mine = billing_customers.c.workspace_id == tx.workspace_id
    await tx.execute(billing_customers.update().where(mine).values(**columns, asked_at=tx.now))


async def customers(tx: ReadTx, asked_before: int, limit: int) -> list[uuid.UUID]:
    """Return workspaces, of all, whose subscription was last asked for before a moment."""
    query = select(billing_customers.c.workspace_id).where(billing_customers.c.asked_at < asked_before)
    return list((await tx.execute(query.order_by(billing_customers.c.asked_at).limit(limit))).scalars())
