"""Who works on which run: a worker's lease, its claims, and the sweep that takes over from the silent and the due."""

import asyncio
import contextlib
import os
import socket
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg

from provenance.core.db import AWAY, asyncpg_dsn
from provenance.core.ids import new_uuid
from provenance.engine import queries
from provenance.engine.lane import connect
from provenance.engine.schemas import Claimed, OpenWait, Outlook, RunKey, Standing, StepRow
from provenance.engine.writing import as_uuid

SWEPT = 500


class Dispatch:
    """One worker's side of the run table, on connections of its own.

    Its methods raise what the driver raises when the database is away; `forget` then makes the next call reconnect.
    """

    def __init__(self, database_url: str, *, lease_seconds: float, address: str | None = None) -> None:
        """Take the database, how long a silent worker keeps its runs, and where this one tells what steps write."""
        self.id: uuid.UUID = new_uuid()
        self.lease_seconds = lease_seconds
        self.address = address
        self._line = _Line(database_url, "provenance dispatch")
        self._pulse = _Line(database_url, "provenance pulse")

    async def beat(self) -> None:
        """Say that this worker lives: on a connection of its own, for a long statement must not look like death.

        Raises TimeoutError after a third of the lease; whether it was heard is then not known.
        """
        try:
            async with asyncio.timeout(max(0.25, self.lease_seconds / 3)):
                await self._pulse.execute(queries.REGISTER, self.id, socket.gethostname(), os.getpid(), self.address)
        except AWAY:
            await self._pulse.hang_up()
            raise

    async def claim(self, at_most: int, kinds: Sequence[str]) -> list[Claimed]:
        """Own up to this many runs that are ready and need no other kinds than these."""
        rows = await self._fetch(queries.CLAIM, self.id, at_most, list(kinds))
        return [_claimed(row) for row in rows]

    async def stored(self, claimed: Sequence[RunKey]) -> tuple[list[StepRow], list[OpenWait]]:
        """Return the steps and the waits of runs, steps in the order in which they first started."""
        if not claimed:
            return [], []
        return queries.stored(await self._fetch(queries.STORED, *queries.keys(claimed)))

    async def standing(self, owned: Sequence[RunKey]) -> dict[uuid.UUID, Standing]:
        """Return where rows of runs stand in the database now; one that is not there is left out."""
        rows = await self._fetch(queries.STANDING, *queries.keys(owned))
        return {as_uuid(row[0]): Standing(*row[1:]) for row in rows}

    async def outlook(self) -> Outlook:
        """Return when the next timer is due and whether runs of limited workflows wait for their turn."""
        [row] = await self._fetch(queries.OUTLOOK)
        return Outlook(None if row[0] is None else float(row[0]), bool(row[1]))

    async def take_over(self) -> int:
        """Queue what silent workers left; return how many runs that were. Workers that left nothing are forgotten."""
        ready = _count(await self._execute(queries.ORPHANS, self.lease_seconds, SWEPT))
        await self._execute(queries.GONE, self.lease_seconds * 10)
        return ready

    async def wake_due(self) -> int:
        """Queue the runs whose timers are due; return how many."""
        return _count(await self._execute(queries.DUE, SWEPT))

    async def promote(self) -> int:
        """Give free slots of limited workflows to the next in line; return how many runs became ready."""
        async with self._line.taken() as connection, connection.transaction():
            if not await connection.fetchval(queries.PROMOTER):
                return 0
            return _count(await connection.execute(queries.PROMOTE))

    async def hand_back_others(self, held: Sequence[RunKey]) -> int:
        """Queue the runs that stand under this worker's name and that it does not hold; return how many.

        A claim whose answer was lost leaves such runs, and so does a run that was given up. Each counts as a take-over.
        Not to be called while a claim is under way.
        """
        return _count(await self._execute(queries.HAND_BACK_OTHERS, self.id, *queries.keys(held)))

    async def leave(self) -> None:
        """Hand every run back at once; another worker goes on with them."""
        await self._execute(queries.HAND_BACK, self.id)
        await self._execute(queries.LEAVE, self.id)

    async def forget(self) -> None:
        """Close the connections; the next calls open others."""
        await self._line.hang_up()
        await self._pulse.hang_up()

    async def _fetch(self, statement: str, *arguments: Any) -> list[Any]:
        async with self._line.taken() as connection:
            return await connection.fetch(statement, *arguments)

    async def _execute(self, statement: str, *arguments: Any) -> str:
        return await self._line.execute(statement, *arguments)


class _Line:
    """A connection that is opened when it is needed, for one statement at a time."""

    def __init__(self, database_url: str, name: str) -> None:
        self._dsn = asyncpg_dsn(database_url)
        self._name = name
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._one_at_a_time = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def taken(self) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        async with self._one_at_a_time:
            if self._connection is None or self._connection.is_closed():
                self._connection = await connect(self._dsn, self._name)
            yield self._connection

    async def execute(self, statement: str, *arguments: Any) -> str:
        async with self.taken() as connection:
            return str(await connection.execute(statement, *arguments))

    async def hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*AWAY):
                async with asyncio.timeout(1):
                    await connection.close()


def _claimed(row: Any) -> Claimed:
    """Read one row of the answer of `queries.CLAIM`; its last column are the rows of steps and waits."""
    stored = None if row[-1] is None else queries.stored(row[-1])
    return Claimed._make((*map(as_uuid, row[:3]), *row[3:-1], stored))


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])
