"""Every statement that reads traces. Each takes one unit of work at a time out of its index, up to a limit."""

import uuid
from collections.abc import Sequence
from typing import NamedTuple

from provenance.core.db import ReadTx

_LAST = 2**63 - 1


class Visit(NamedTuple):
    """A row that is about the resource: its number, its unit of work, and whether the platform made it."""

    number: int
    uow_id: uuid.UUID
    platform: bool


class Tally(NamedTuple):
    """One line of a summary: a group of rows, of which ``kind`` says what they share."""

    kind: int
    origin_id: uuid.UUID | None
    user_id: str | None
    outcome: str | None
    rows: int
    resources: int
    first: int
    last: int


EVERYTHING, BY_ORIGIN, BY_USER, BY_OUTCOME = 0b111, 0b011, 0b101, 0b110
"""The kinds of a `Tally`: PostgreSQL's GROUPING bits of (origin, user, outcome), 0 for what is grouped by."""


async def unit_exists(tx: ReadTx, uow_id: uuid.UUID) -> bool:
    """Tell whether any row belongs to a unit of work."""
    found = await tx.driver_sql(
        "SELECT 1 FROM interactions WHERE workspace_id = $1 AND uow_id = $2 LIMIT 1", (tx.workspace_id, uow_id)
    )
    return found.first() is not None


async def visits(tx: ReadTx, resource_id: str, *, before: int, limit: int) -> list[Visit]:
    """Return the newest rows about a resource that are older than the number ``before``."""
    found = await tx.driver_sql(
        "SELECT number, uow_id, platform FROM interactions"
        " WHERE workspace_id = $1 AND (resource_id, number) >= ($2::text, 0)"
        " AND (resource_id, number) < ($2::text, $3::bigint)"
        " ORDER BY resource_id DESC, number DESC LIMIT $4",
        (tx.workspace_id, resource_id, before or _LAST, limit),
    )
    return [Visit._make(row) for row in found]


async def visited_since(
    tx: ReadTx, units: Sequence[uuid.UUID], resource_id: str, *, since: int, most: int
) -> set[uuid.UUID]:
    """Return the units that hold a row about the resource from the number ``since`` on.

    Of each unit the first ``most`` rows from there are looked at.
    """
    found = await tx.driver_sql(
        "SELECT unit FROM unnest($2::uuid[]) AS unit CROSS JOIN LATERAL ("
        "  SELECT bool_or(later.resource_id = $3::text) AS visits FROM ("
        "    SELECT resource_id FROM interactions WHERE workspace_id = $1"
        "    AND (uow_id, number) >= (unit, $4::bigint) AND (uow_id, number) <= (unit, $6::bigint)"
        "    ORDER BY uow_id, number LIMIT $5) AS later) AS each WHERE each.visits",
        (tx.workspace_id, list(units), resource_id, since, most, _LAST),
    )
    return {row[0] for row in found}


async def numbers(tx: ReadTx, units: Sequence[uuid.UUID], *, before: int, limit: int) -> list[int]:
    """Return the newest numbers within units of work, older than ``before`` (0: all), newest first."""
    found = await tx.driver_sql(
        "SELECT each.number FROM unnest($2::uuid[]) AS unit CROSS JOIN LATERAL ("
        "  SELECT number FROM interactions WHERE workspace_id = $1"
        "  AND (uow_id, number) >= (unit, 0) AND (uow_id, number) < (unit, $3::bigint)"
        "  ORDER BY uow_id DESC, number DESC LIMIT $4) AS each"
        " ORDER BY each.number DESC LIMIT $4",
        (tx.workspace_id, list(units), before or _LAST, limit),
    )
    return [row[0] for row in found]


async def recorded_spans(tx: ReadTx, spans: Sequence[str]) -> set[str]:
    """Return those of the spans that the workspace holds a row of."""
    found = await tx.driver_sql(
        "SELECT span FROM unnest($2::uuid[]) AS span CROSS JOIN LATERAL ("
        "  SELECT 1 FROM interactions WHERE workspace_id = $1 AND span_id = span LIMIT 1) AS each",
        (tx.workspace_id, list(spans)),
    )
    return {str(row[0]) for row in found}


async def tallies(tx: ReadTx, units: Sequence[uuid.UUID], *, sees_platform: bool, limit: int) -> list[Tally]:
    """Count the newest ``limit`` rows of units of work, in all and by origin, user and outcome.

    What masked rows hide is null here too (spec/ledger.md, 4).
    """
    found = await tx.driver_sql(_TALLIES, (tx.workspace_id, list(units), limit, sees_platform, _LAST))
    return [Tally._make(row) for row in found]


_TALLIES = """
WITH traced AS (
    SELECT each.origin_id, each.outcome, each.occurred_at,
           CASE WHEN $4::boolean OR NOT each.platform THEN each.user_id END AS user_id,
           CASE WHEN $4::boolean OR NOT each.platform
                THEN each.resource_type_id::text || each.resource_id END AS resource
      FROM unnest($2::uuid[]) AS unit
     CROSS JOIN LATERAL (
           SELECT * FROM interactions
            WHERE workspace_id = $1 AND (uow_id, number) >= (unit, 0) AND (uow_id, number) <= (unit, $5)
            ORDER BY uow_id DESC, number DESC LIMIT $3) AS each
     LIMIT $3
)
SELECT GROUPING(origin_id, user_id, outcome), origin_id, user_id, outcome,
       count(*), count(DISTINCT resource), min(occurred_at), max(occurred_at)
  FROM traced GROUP BY GROUPING SETS ((), (origin_id), (user_id), (outcome))
 ORDER BY 1 DESC, count(*) DESC, origin_id, user_id, outcome
"""
