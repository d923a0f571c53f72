"""The limit: rows of the same kind put into the same indexed table by plain SQL, on one connection.

The rows are copies of rows that the product stored, under another workspace, with fresh random ids, units and spans,
and with their numbers given. So what is left out is the product's own work: HTTP, validation, sealing, duplicates,
numbering. What stays is what PostgreSQL must do for a durable row with its indexes.
"""

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import uuid_utils

from bench import cpu

COLUMNS = {
    "workspace_id": "uuid", "number": "bigint", "id": "uuid", "resource_type_id": "uuid", "action_id": "uuid",
    "origin_id": "uuid", "resource_id": "text", "user_id": "text", "external_reference": "text", "uow_id": "uuid",
    "span_id": "uuid", "parent_span_id": "uuid", "occurred_at": "bigint", "recorded_at": "bigint", "outcome": "text",
    "platform": "boolean", "recorded_by": "text", "actor_kind": "text", "sequence_index": "bigint", "risk": "text",
    "domain": "text", "corrects": "uuid", "content": "text", "salt": "bytea", "content_digest": "bytea",
    "resource_key": "bytea", "user_key": "bytea", "leaf_hash": "bytea",
}  # fmt: skip
"""The columns of a row and their types."""
_NAMES = ", ".join(COLUMNS)
_ARRAYS = ", ".join(f"${at}::{kind}[]" for at, kind in enumerate(COLUMNS.values(), 1))
INSERT = f"INSERT INTO interactions ({_NAMES}) SELECT * FROM unnest({_ARRAYS})"
_SAMPLE = f"SELECT {_NAMES} FROM interactions WHERE NOT platform AND span_id IS NOT NULL LIMIT $1"


@dataclass
class Limit:
    """What plain inserts reached, in groups of one size."""

    rate: float
    postgres_micros: float


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Hold a connection for as long as the block lasts."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def limit(dsn: str, postmaster: int, group: int, seconds: float) -> Limit:
    """Insert groups for some seconds; one group is one transaction."""
    async with connected(dsn) as connection:
        known = await sample(connection)
        workspace, number = uuid.uuid4(), 0
        statement = await connection.prepare(INSERT)
        rows, spent, used = 0, 0.0, 0.0
        warm_until = time.perf_counter() + min(1.0, seconds / 3)
        while spent < seconds:
            # Prepared outside of the measured time: a few groups at a go, so that the connection stays warm.
            groups = []
            for _ in range(max(1, 4096 // group)):
                groups.append(_arrays(known, workspace, number, group))
                number += group
            cpu_before, began = cpu.of_tree(postmaster), time.perf_counter()
            for arrays in groups:
                await statement.fetch(*arrays)
            if began > warm_until:
                spent += time.perf_counter() - began
                used += cpu.of_tree(postmaster) - cpu_before
                rows += group * len(groups)
        return Limit(rows / spent, used / rows * 1e6)


async def sample(connection: "asyncpg.Connection[asyncpg.Record]") -> list[tuple[Any, ...]]:
    """Return rows that the product stored, to be copied."""
    return [tuple(row) for row in await connection.fetch(_SAMPLE, 20_000)]


def _arrays(known: list[tuple[Any, ...]], workspace: uuid.UUID, first: int, count: int) -> list[list[Any]]:
    """Return one group as arrays: copied rows, made new where a new row would differ."""
    rows = [known[at % len(known)] for at in range(first, first + count)]
    columns = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    now = time.time_ns()
    columns["workspace_id"] = [workspace] * count
    columns["number"] = list(range(first + 1, first + count + 1))
    columns["id"] = [str(uuid_utils.uuid7()) for _ in range(count)]
    # Spans and units of the bench's own posts: one random head, then a counter.
    head = str(workspace)[:24]
    columns["span_id"] = [f"{head}{at:012x}" for at in range(first, first + count)]
    columns["uow_id"] = [f"{head}{at // 5:012x}" for at in range(first, first + count)]
    columns["occurred_at"] = columns["recorded_at"] = [now + at for at in range(count)]
    return list(columns.values())
