"""The worker as a real process: it works, waits for its database, stops when told, and stays light."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from provenance.core.db import asyncpg_dsn
from provenance.core.ids import random_letters
from provenance.core.settings import Settings
from provenance.migrate import upgrade
from tests.conftest import Running, Tenant, drop_database, fresh_database, make_tenant_of, running

RUN = """
import asyncio
from provenance import worker
from provenance.core import logs
from provenance.core.settings import Settings
logs.configure(Settings(), "worker")
asyncio.run(worker.run(Settings()))
"""


class Process:
    """A worker process and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, url: str, data_dir: Path) -> "Process":
        environment = {**os.environ, "DATABASE_URL": url, "PROVENANCE_DATA_DIR": str(data_dir)}
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", RUN, env=environment, stderr=asyncio.subprocess.PIPE
            )
        )

    async def says(self, event: str) -> dict[str, object]:
        """Wait for a line of its log."""
        assert self.process.stderr is not None
        async with asyncio.timeout(20):
            async for line in self.process.stderr:
                found: dict[str, object] = json.loads(line)
                if found["event"] == event:
                    return found
        raise AssertionError(f"the worker ended without saying {event}")

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode


@pytest.fixture
async def server(postgres_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """A server on a database of its own."""
    async with fresh_database(postgres_url) as url:
        settings = Settings(database_url=url, data_dir=tmp_path, port=0, min_free_bytes=0)
        async with running(settings) as found:
            yield found


@pytest.fixture
async def tenant(server: Running) -> Tenant:
    return await make_tenant_of(server.ledger)


async def post(server: Running, tenant: Tenant, **data: object) -> None:
    sent = {"resourceId": "1", "resourceType": "ORDER", "action": "CREATE", "origin": "SHOP", "interaction": data}
    async with httpx.AsyncClient(base_url=server.url, headers={"x-api-key": tenant.key}) as client:
        answer = await client.post("/api/interactions", json=sent)
        assert answer.status_code == 201, answer.text


async def until_field(server: Running, path: str) -> None:
    async with asyncio.timeout(20):
        while True:
            async with server.ledger.db.engine.connect() as connection:
                found = await connection.exec_driver_sql("SELECT 1 FROM interaction_fields WHERE path = $1", (path,))
                if found.first() is not None:
                    return
            await asyncio.sleep(0.02)


class TestRun:
    async def test_it_feeds_until_told_to_stop_and_lets_the_server_go_first(
        self, server: Running, tenant: Tenant, tmp_path: Path
    ) -> None:
        await post(server, tenant, before=1)
        worker = await Process.start(server.ledger.db.url, tmp_path)
        try:
            started = await worker.says("working")
            assert "provenance.ledger.fields.tasks.discover" in started["handlers"]  # type: ignore[operator]
            await until_field(server, "before")
            await post(server, tenant, after=1)
            await until_field(server, "after")
            assert os.getpriority(os.PRIO_PROCESS, worker.process.pid) >= 5
        finally:
            status = await worker.end()
        assert status == 0

    async def test_a_database_that_is_not_migrated_is_waited_for(self, postgres_url: str, tmp_path: Path) -> None:
        name = "test_" + random_letters(12).lower()
        url = postgres_url.replace("/provenance?", f"/{name}?")
        admin = await asyncpg.connect(asyncpg_dsn(postgres_url))
        await admin.execute(f'CREATE DATABASE "{name}"')
        worker = await Process.start(url, tmp_path)
        try:
            await worker.says("database_not_migrated")
            await asyncio.to_thread(upgrade, url)
            await worker.says("working")
            assert await worker.end() == 0
        finally:
            await worker.end(signal.SIGKILL)
            await drop_database(admin, name)
            await admin.close()

    async def test_without_the_master_key_it_does_not_start(
        self, server: Running, tenant: Tenant, tmp_path: Path
    ) -> None:
        other = tmp_path / "elsewhere"
        other.mkdir()
        worker = await Process.start(server.ledger.db.url, other)
        _, errors = await worker.process.communicate()
        assert worker.process.returncode == 1
        assert b"master.key is missing" in errors

    async def test_a_database_that_is_away_is_waited_for_until_told_to_stop(self, tmp_path: Path) -> None:
        worker = await Process.start("postgresql://provenance@127.0.0.1:1/provenance", tmp_path)
        await worker.says("database_away")
        assert await worker.end() == 0


class TestWeight:
    async def test_it_loads_no_web_framework(self) -> None:
        code = "import sys, provenance.worker as w; w.load_tasks(); print(*sys.modules)"
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
        printed, _ = await process.communicate()
        assert not {"fastapi", "starlette", "uvicorn"} & set(printed.decode().split())
