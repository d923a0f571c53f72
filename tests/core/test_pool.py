"""Connections that died in the pool: whoever comes next does not notice, and nobody pays for it who needs not."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text

from provenance.core import pool
from provenance.core.db import Database, asyncpg_dsn

PIDS = "SELECT pg_backend_pid()"


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
