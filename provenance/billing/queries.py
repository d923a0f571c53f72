"""Every statement of billing: what is counted."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from provenance.core.db import ReadTx
from provenance.datastores.objects.tables import datastore_objects
from provenance.identity.schemas import Status
from provenance.identity.tables import members

Words = tuple[uuid.UUID, uuid.UUID]

_FIRST = """
SELECT number FROM interactions WHERE workspace_id = $1 AND occurred_at >= $2 AND platform
 ORDER BY occurred_at, number LIMIT 1
"""
_COUNT = """
SELECT resource_type_id, action_id, count(*) FROM interactions
 WHERE workspace_id = $1 AND platform AND number >= $2 GROUP BY resource_type_id, action_id
"""
_MODELS = """
SELECT coalesce(sum((data->>'tokensIn')::bigint), 0), coalesce(sum((data->>'tokensOut')::bigint), 0),
       coalesce(sum((data->>'costUsd')::float8), 0)
  FROM (SELECT content::jsonb->'interaction'->'usage' AS data FROM interactions
         WHERE workspace_id = $1 AND platform AND number >= $2 AND resource_type_id = $3 AND action_id = ANY($4::uuid[])
           AND strpos(content, '"usage"') > 0) AS steps
 WHERE jsonb_typeof(data) = 'object'
"""


async def first_since(tx: ReadTx, moment: int) -> int | None:
    """Return the number of the first platform row since a moment; None when there is none."""
    found: int | None = (await tx.driver_sql(_FIRST, (tx.workspace_id, moment))).scalar()
    return found


async def counted(tx: ReadTx, first: int) -> dict[Words, int]:
    """Count the platform rows from a number on, by resource type and action."""
    found: Sequence[Any] = (await tx.driver_sql(_COUNT, (tx.workspace_id, first))).all()
    return {(row[0], row[1]): row[2] for row in found}


async def of_models(tx: ReadTx, first: int, resource_type: uuid.UUID, actions: list[uuid.UUID]) -> tuple[Any, ...]:
    """Sum up tokens in, tokens out and cost of the steps from a number on that say what they used."""
    return tuple((await tx.driver_sql(_MODELS, (tx.workspace_id, first, resource_type, actions))).one())


async def stored_bytes(tx: ReadTx) -> int:
    """Return how many bytes of objects the workspace stores."""
    row = datastore_objects.c
    query = select(func.coalesce(func.sum(row.size_bytes), 0)).where(row.workspace_id == tx.workspace_id)
    return int((await tx.execute(query)).scalar_one())


async def seats(tx: ReadTx) -> int:
    """Count the active members."""
    query = (
        select(func.count())
        .select_from(members)
        .where(members.c.workspace_id == tx.workspace_id, members.c.status == Status.ACTIVE.value)
    )
    return int((await tx.execute(query)).scalar_one())
