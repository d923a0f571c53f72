"""Who works on which run: a worker's lease, its claims, and the sweep that takes over from the silent and the due."""

import asyncio
import contextlib
import os
import socket
import uuid
from collections.abc import Sequence
from typing import Any

import asyncpg
import structlog

from provenance.core.db import AWAY, asyncpg_dsn
from provenance.core.ids import new_uuid
from provenance.engine import queries
from provenance.engine.lane import as_uuid, connect
from provenance.engine.schemas import Claimed, OpenWait, RunKey, Standing, StepRow

log: Any = structlog.get_logger("engine.dispatch")

SWEPT = 500


class Dispatch:
    """One worker's side of the run table, on a connection of its own. Not for several tasks at once.

    Its methods raise what the driver raises when the database is away; `forget` then makes the next call reconnect.
    """

    def __init__(self, database_url: str, *, lease_seconds: float) -> None:
        """Take the database and how long a silent worker keeps its runs."""
        self.id: uuid.UUID = new_uuid()
        self.lease_seconds = lease_seconds
        self._dsn = asyncpg_dsn(database_url)
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def beat(self) -> None:
        """Say that this worker lives."""
        await self._execute(queries.REGISTER, self.id, socket.gethostname(), os.getpid())

    async def claim(self, at_most: int, kinds: Sequence[str]) -> list[Claimed]:
        """Own up to this many runs that are ready and need no other kinds than these."""
        rows = await self._fetch(queries.CLAIM, self.id, at_most, list(kinds))
        return [Claimed(as_uuid(row[0]), as_uuid(row[1]), as_uuid(row[2]), *row[3:]) for row in rows]

    async def stored(self, claimed: Sequence[RunKey]) -> tuple[list[StepRow], list[OpenWait]]:
        """Return the steps and the waits of runs, steps in the order in which they first started."""
        if not claimed:
            return [], []
        arguments = queries.keys(claimed)
        steps = [StepRow(as_uuid(row[0]), *row[1:]) for row in await self._fetch(queries.STEPS_OF, *arguments)]
        waits = await self._fetch(queries.WAITS_OF, *arguments)
        return steps, [OpenWait(as_uuid(row[0]), *row[1:]) for row in waits]

    async def standing(self, owned: Sequence[RunKey]) -> dict[uuid.UUID, Standing]:
        """Return where rows of runs stand in the database now; one that is not there is left out."""
        rows = await self._fetch(queries.STANDING, *queries.keys(owned))
        return {as_uuid(row[0]): Standing(*row[1:]) for row in rows}

    async def sweep(self) -> int:
        """Queue what silent workers left and what is due; return how many runs became ready."""
        ready = 0
        ready += _count(await self._execute(queries.ORPHANS, self.lease_seconds, SWEPT))
        ready += _count(await self._execute(queries.DUE, SWEPT))
        ready += await self._promote()
        await self._execute(queries.GONE, self.lease_seconds * 10)
        return ready

    async def _promote(self) -> int:
        async with self._one_at_a_time:
            connection = await self._connected()
            async with connection.transaction():
                if not await connection.fetchval(queries.PROMOTER):
                    return 0
                return _count(await connection.execute(queries.PROMOTE))

    async def next_moment(self) -> float | None:
        """Return in how many seconds a timer is due; None when there is none."""
        [row] = await self._fetch(queries.NEXT)
        return None if row[0] is None else float(row[0])

    async def hand_back(self, held: Sequence[RunKey]) -> None:
        """Queue runs of this worker's again, as they stand in the database."""
        await self._execute(queries.HAND_BACK_SOME, self.id, *queries.keys(held))

    async def leave(self) -> None:
        """Hand every run back at once; another worker goes on with them."""
        await self._execute(queries.HAND_BACK, self.id)
        await self._execute(queries.LEAVE, self.id)

    async def forget(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            with contextlib.suppress(*AWAY):
                await asyncio.wait_for(self._connection.close(), 1)
            self._connection = None

    async def _fetch(self, statement: str, *arguments: Any) -> list[Any]:
        async with self._one_at_a_time:
            return await (await self._connected()).fetch(statement, *arguments)

    async def _execute(self, statement: str, *arguments: Any) -> str:
        async with self._one_at_a_time:
            return str(await (await self._connected()).execute(statement, *arguments))

    async def _connected(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._dsn, "provenance dispatch")
        return self._connection


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])
