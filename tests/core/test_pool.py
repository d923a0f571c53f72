"""Connections that died in the pool: whoever comes next does not notice, and nobody pays for it who needs not."""

import asyncio
import contextvars
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text

from provenance.core import pool
from provenance.core.db import Database, DatabaseUnavailable, asyncpg_dsn

PIDS = "SELECT pg_backend_pid()"
OPEN = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid = ANY($1::int[])"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, pool_size=2)
    yield made
    await made.close()


async def backend(database: Database) -> int:
    """Return which backend answers a transaction."""
    async with database.housekeeping() as tx:
        return int((await tx.execute(text(PIDS))).scalar_one())


async def end(database_url: str, pid: int) -> None:
    """End a backend and wait until it is gone."""
    connection = await asyncpg.connect(asyncpg_dsn(database_url))
    try:
        assert await connection.fetchval("SELECT pg_terminate_backend($1, 20000)", pid)
    finally:
        await connection.close()


async def asleep(database_url: str, pid: int) -> None:
    """Wait until a backend is in the middle of a statement that sleeps."""
    sleeps = "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $1"
    connection = await asyncpg.connect(asyncpg_dsn(database_url))
    try:
        async with asyncio.timeout(30):
            while not await connection.fetchval(sleeps, pid):
                await asyncio.sleep(0.01)
    finally:
        await connection.close()


async def at_once(database: Database, count: int) -> set[int]:
    """Return which backends answer as many transactions that are open at the same time."""
    together = asyncio.Barrier(count)

    async def one() -> int:
        async with database.housekeeping() as tx:
            await together.wait()
            return int((await tx.execute(text(PIDS))).scalar_one())

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        found = [group.create_task(one()) for _ in range(count)]
    return {task.result() for task in found}


async def left_of(database_url: str, pids: set[int], count: int) -> set[int]:
    """Return which of these backends are there when no more than so many of them are."""
    connection = await asyncpg.connect(asyncpg_dsn(database_url))
    try:
        async with asyncio.timeout(30):
            while len(found := {row["pid"] for row in await connection.fetch(OPEN, list(pids))}) > count:
                await asyncio.sleep(0.01)
    finally:
        await connection.close()
    return found


class TestAConnection:
    async def test_that_was_ended_is_replaced(self, database: Database, database_url: str) -> None:
        before = await backend(database)
        await end(database_url, before)
        assert await backend(database) != before

    async def test_that_was_ended_and_rested_is_replaced(
        self, database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = await backend(database)
        await end(database_url, before)
        monkeypatch.setattr(pool, "REST_SECONDS", 0.0)
        assert await backend(database) != before

    async def test_in_use_is_kept(self, database: Database) -> None:
        assert len({await backend(database) for _ in range(5)}) == 1


class TestASingleStatement:
    async def one(self, database: Database, sql: str, *arguments: object) -> object:
        [(found,)] = await database.single(sql, *arguments)
        return found

    async def test_takes_a_connection_of_the_pool_and_gives_it_back(self, database: Database) -> None:
        before = await backend(database)
        assert [await self.one(database, PIDS) for _ in range(5)] == [before] * 5
        assert await backend(database) == before

    async def test_is_committed_when_it_answers(self, database: Database, database_url: str) -> None:
        number = await self.one(database, "SELECT pg_current_xact_id()::text")
        connection = await asyncpg.connect(asyncpg_dsn(database_url))
        try:
            assert await connection.fetchval("SELECT pg_xact_status($1::text::xid8)", number) == "committed"
        finally:
            await connection.close()

    async def test_does_not_notice_a_connection_that_was_ended(self, database: Database, database_url: str) -> None:
        before = await backend(database)
        await end(database_url, before)
        assert await self.one(database, PIDS) != before

    async def test_whose_connection_ends_under_it_says_that_the_database_is_away(
        self, database: Database, database_url: str
    ) -> None:
        pid = await backend(database)
        waiting = asyncio.create_task(database.single("SELECT pg_sleep(60)"))
        await asleep(database_url, pid)
        await end(database_url, pid)
        with pytest.raises(DatabaseUnavailable):
            await waiting

    async def test_that_is_broken_off_leaves_a_connection_that_works(
        self, database: Database, database_url: str
    ) -> None:
        pid = await backend(database)
        waiting = asyncio.create_task(database.single("SELECT pg_sleep(60)"))
        await asleep(database_url, pid)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await self.one(database, "SELECT $1::int", 7) == 7


class TestTheServer:
    async def asked(self, database: Database, monkeypatch: pytest.MonkeyPatch, rest: float) -> int:
        """Return how often the server is asked whether it lives, over five transactions."""
        dialect = database.engine.sync_engine.dialect
        times, ping = [], dialect.do_ping

        def counted(connection: object) -> bool:
            times.append(connection)
            return bool(ping(connection))

        monkeypatch.setattr(dialect, "do_ping", counted)
        monkeypatch.setattr(pool, "REST_SECONDS", rest)
        for _ in range(5):
            await backend(database)
        return len(times)

    async def test_is_not_asked_while_a_connection_is_in_use(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert await self.asked(database, monkeypatch, 3_600.0) == 0

    async def test_is_asked_for_each_that_rested(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        assert await self.asked(database, monkeypatch, 0.0) == 4, "the first one was just made"


class TestAPool:
    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Look often, and take any rest for a long one."""
        monkeypatch.setattr(pool, "LOOK_SECONDS", 0.01)
        monkeypatch.setattr(pool, "LET_GO_SECONDS", 0.0)

    async def test_lets_go_of_those_nobody_uses_and_goes_on(self, database: Database, database_url: str) -> None:
        rested = await at_once(database, 2)
        assert len(rested) == 2
        assert await left_of(database_url, rested, 0) == set()
        again = await at_once(database, 2)
        assert len(again) == 2
        assert not again & rested

    async def test_keeps_those_in_use(self, database: Database, database_url: str) -> None:
        async with database.housekeeping() as tx:
            mine = (await tx.execute(text(PIDS))).scalar_one()
            others = {await asyncio.create_task(backend(database), context=contextvars.Context())}
            assert await left_of(database_url, {mine, *others}, 1) == {mine}
            assert (await tx.execute(text(PIDS))).scalar_one() == mine

    async def test_keeps_those_that_rested_shortly(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pool, "LET_GO_SECONDS", 3_600.0)
        before = await backend(database)
        await asyncio.sleep(10 * pool.LOOK_SECONDS)
        assert await backend(database) == before

    async def test_lets_go_of_dead_ones_and_goes_on(
        self, database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pool, "LET_GO_SECONDS", 3_600.0)
        for pid in await at_once(database, 2):
            await end(database_url, pid)
        monkeypatch.setattr(pool, "LET_GO_SECONDS", 0.0)
        await asyncio.sleep(10 * pool.LOOK_SECONDS)
        assert len(await at_once(database, 2)) == 2
