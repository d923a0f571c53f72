"""The floor of the scenario `runs`: the rows of a finished run, copied under new ids by plain SQL, a group a commit.

Nothing is sealed, numbered under a lock, fenced or asked for over HTTP: it is what PostgreSQL takes for the rows alone.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from bench import cpu
from bench.stack import Stack

UNDER_WAY = 50
_TABLES = {
    "runs": ("id", {"id": "o.id"}),
    "run_steps": ("run_id", {"run_id": "o.id"}),
    "interactions": (
        "uow_id",
        {
            "uow_id": "o.id",
            "id": "gen_random_uuid()",
            "span_id": "gen_random_uuid()",
            "number": "$5::bigint + row_number() OVER ()",
        },
    ),
}
_BEGUN = {"state": "'queued'", "status": "'queued'", "owner": "NULL", "output": "NULL", "ended_at": "NULL", "seq": "0"}
_TAKEN = """
UPDATE runs SET state = 'running', status = 'running', owner = $2, epoch = epoch + 1 WHERE (workspace_id, id) IN (
    SELECT workspace_id, id FROM runs WHERE workspace_id = $1 AND state = 'queued'
     ORDER BY priority DESC, run_after LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING id
"""
_ENDED = """
UPDATE runs AS r SET state = t.state, status = t.status, owner = t.owner, seq = r.seq + 1, output = t.output,
                     ended_at = t.ended_at
  FROM runs AS t WHERE t.workspace_id = $1 AND t.id = $2 AND r.workspace_id = $3 AND r.id = ANY($4::uuid[])
"""


def in_one(stack: Stack, workspace: uuid.UUID, seconds: float) -> tuple[float, float]:
    """Write whole runs in one commit each group; return runs a second and PostgreSQL's µs a run."""
    return asyncio.run(_measured(stack, workspace, seconds, _whole))


def by_two(stack: Stack, workspace: uuid.UUID, seconds: float) -> tuple[float, float]:
    """Let one connection begin runs and another take them up and end them; the answer is that of `in_one`.

    As many are under way as `UNDER_WAY`. Neither the server nor a worker may run: they would take them up.
    """
    return asyncio.run(_measured(stack, workspace, seconds, _handed_over))


class _Copies:
    """A finished run of a workspace, and the statements that copy it into another."""

    def __init__(self, stack: Stack, workspace: uuid.UUID, until: float) -> None:
        self.stack = stack
        self.until = until
        self.made = 0
        self._workspace, self._other = workspace, uuid.uuid4()
        self._number = 0
        self._sample: Any = None
        self._columns: dict[str, list[str]] = {}

    async def look(self, connection: Any) -> None:
        sql = "SELECT id FROM runs WHERE workspace_id = $1 AND status = 'completed' LIMIT 1"
        self._sample = await connection.fetchval(sql, self._workspace)
        for table in _TABLES:
            rows = await connection.fetch(
                "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped"
                " AND attgenerated = ''",
                table,
            )
            self._columns[table] = [row["attname"] for row in rows]

    async def write(self, connection: Any, table: str, ids: list[uuid.UUID], which: str = "true", **other: str) -> None:
        """Copy the rows of a table that belong to the sample, those of which ``which`` is true."""
        key, own = _TABLES[table]
        values = {"workspace_id": "$3::uuid", **own, **other}
        names = self._columns[table]
        copied = ", ".join([values.get(name, f"t.{name}") for name in names])
        sql = (
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {copied}"
            f" FROM {table} AS t, unnest($4::uuid[]) AS o(id) WHERE t.workspace_id = $1 AND t.{key} = $2 AND {which}"
        )
        numbered = [self._number] if table == "interactions" else []
        self._number += 100 * len(ids) if numbered else 0
        await connection.execute(sql, self._workspace, self._sample, self._other, ids, *numbered)

    async def take(self, connection: Any) -> list[uuid.UUID]:
        """Take up runs that were begun."""
        return [row[0] for row in await connection.fetch(_TAKEN, self._other, uuid.uuid4(), UNDER_WAY)]

    async def clear(self, connection: Any) -> None:
        """Remove the runs that were begun and not ended: workers would go on trying to take them up."""
        await connection.execute("DELETE FROM runs WHERE workspace_id = $1 AND state <> 'ended'", self._other)

    async def end(self, connection: Any, ids: list[uuid.UUID]) -> None:
        """Let runs be as the sample is."""
        await connection.execute(_ENDED, self._workspace, self._sample, self._other, ids)


async def _measured(
    stack: Stack, workspace: uuid.UUID, seconds: float, way: Callable[[_Copies], Awaitable[None]]
) -> tuple[float, float]:
    copies = _Copies(stack, workspace, time.monotonic() + seconds)
    connection = await asyncpg.connect(stack.dsn)
    try:
        await copies.look(connection)
    finally:
        await connection.close()
    used, began = cpu.of_tree(stack.postmaster), time.monotonic()
    await way(copies)
    return copies.made / (time.monotonic() - began), (cpu.of_tree(stack.postmaster) - used) / copies.made * 1e6


async def _whole(copies: _Copies) -> None:
    connection = await asyncpg.connect(copies.stack.dsn)
    try:
        while time.monotonic() < copies.until:
            ids = [uuid.uuid4() for _ in range(UNDER_WAY)]
            async with connection.transaction():
                for table in _TABLES:
                    await copies.write(connection, table, ids)
            copies.made += len(ids)
    finally:
        await connection.close()


_FIRST = "t.number = (SELECT min(i.number) FROM interactions AS i WHERE i.workspace_id = $1 AND i.uow_id = $2)"


async def _handed_over(copies: _Copies) -> None:
    begins = await asyncpg.connect(copies.stack.dsn)
    ends = await asyncpg.connect(copies.stack.dsn)
    free, ready = asyncio.Semaphore(UNDER_WAY), asyncio.Event()

    async def begin() -> None:
        while time.monotonic() < copies.until:
            await free.acquire()
            ids = [uuid.uuid4()]
            while not free.locked():
                await free.acquire()
                ids.append(uuid.uuid4())
            async with begins.transaction():
                await copies.write(begins, "runs", ids, **_BEGUN)
                await copies.write(begins, "interactions", ids, _FIRST)
            ready.set()

    async def end() -> None:
        while time.monotonic() < copies.until:
            await ready.wait()
            ready.clear()
            while ids := await copies.take(ends):
                async with ends.transaction():
                    await copies.end(ends, ids)
                    await copies.write(ends, "run_steps", ids)
                    await copies.write(ends, "interactions", ids, f"NOT ({_FIRST})")
                copies.made += len(ids)
                for _ in ids:
                    free.release()

    try:
        beginning, ending = asyncio.create_task(begin()), asyncio.create_task(end())
        await asyncio.wait({beginning, ending}, timeout=copies.until - time.monotonic() + 1)
        for task in (beginning, ending):
            task.cancel()
        await asyncio.gather(beginning, ending, return_exceptions=True)
    finally:
        await copies.clear(ends)
        await begins.close()
        await ends.close()
