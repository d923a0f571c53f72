"""What every test is handed: one real database per run, one real server over a socket, one fresh workspace a test."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import hypothesis
import pytest
import structlog
import uvicorn

from provenance.core.actor import Scope
from provenance.core.db import asyncpg_dsn
from provenance.core.door import Door
from provenance.core.express import ExpressProtocol
from provenance.core.ids import random_letters
from provenance.core.settings import Settings
from provenance.identity import service as identity
from provenance.identity.schemas import ApiKey
from provenance.ledger.service import Ledger
from provenance.main import create_app
from provenance.migrate import upgrade
from provenance.postgres import EmbeddedPostgres
from provenance.realtime.serving import Serving
from provenance.workspace import service as workspaces
from tests import nesting, watching

# A run that was started in the background of a script ignores Ctrl-C, and what it starts would too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Compiling the code anew costs each process that a test starts half a second, and the tests themselves ten.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# What is loaded until the tests begin lives as long as they do: looking for garbage in it finds none.
gc.disable()

# A client reads all the authorities of the web when it is made, for 20 ms, and each process of ours when it starts; the
# tests speak to the loopback alone, whatever this machine trusts.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("authority.pem"))

# A traceback in colours and with all variables takes a second, and tests make mistakes be logged by the dozen.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

nesting.watch()

# The same examples in every run, so that what is red was broken by the change at hand; `chance` looks for new ones.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.register_profile("chance", deadline=None, max_examples=500)
hypothesis.settings.load_profile(os.environ.get("PROVENANCE_TEST_EXAMPLES", "same"))

_TEMPLATES: dict[str, str] = {}
ALL_SCOPES = tuple(scope.value for scope in Scope)


def pytest_collection_finish() -> None:
    """Take what was loaded out of the collector's sight; from here on it looks."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
async def records_left() -> AsyncIterator[None]:
    """Hold every write of a module's tests against the records it must leave."""
    yield
    assert not await watching.astray()


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real embedded server for the whole run; it only skips waiting for the disk, which no test here asks about."""
    given = os.environ.get("PROVENANCE_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False) as dsn:
        yield dsn


@asynccontextmanager
async def fresh_database(postgres_url: str) -> AsyncIterator[str]:
    """Make a migrated database of its own on the run's server, dropped at the end."""
    name = "test_" + random_letters(12).lower()
    admin = await asyncpg.connect(asyncpg_dsn(postgres_url))
    await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{await _migrated(admin, postgres_url)}"')
    try:
        yield _address(postgres_url, name)
    finally:
        await drop_database(admin, name)
        await admin.close()


def _address(postgres_url: str, name: str) -> str:
    """Return the address of another database of the run's server."""
    url = postgres_url.replace("/provenance?", f"/{name}?")
    assert url != postgres_url, "the test server's address ends in /provenance?…"
    return url


async def _migrated(admin: "asyncpg.Connection[asyncpg.Record]", postgres_url: str) -> str:
    """Return the database that others are copies of, migrated once: a copy costs a fifth of that."""
    if postgres_url not in _TEMPLATES:
        name = "template_" + random_letters(12).lower()
        await admin.execute(f'CREATE DATABASE "{name}"')
        await asyncio.to_thread(upgrade, _address(postgres_url, name))
        await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        _TEMPLATES[postgres_url] = name
    return _TEMPLATES[postgres_url]


async def drop_database(admin: "asyncpg.Connection[asyncpg.Record]", name: str) -> None:
    """Drop a database with whoever is in it; the server's own vacuum, which can't be sent away, is waited for."""
    async with asyncio.timeout(60):
        while True:
            try:
                await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
                return
            except asyncpg.InsufficientPrivilegeError:
                await asyncio.sleep(0.2)


@pytest.fixture(scope="session")
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    """The run's migrated database."""
    async with fresh_database(postgres_url) as url:
        yield url
    admin = await asyncpg.connect(asyncpg_dsn(postgres_url))
    await drop_database(admin, _TEMPLATES.pop(postgres_url))
    await admin.close()


@pytest.fixture(scope="session")
def settings(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the run's server, read from nothing but here."""
    data_dir: Path = tmp_path_factory.mktemp("data")
    here = {"trusted_proxies": ["127.0.0.1"], "port": 0}
    return Settings(database_url=database_url, data_dir=data_dir, min_free_bytes=0, **here)


@dataclass(frozen=True)
class Running:
    """A server that answers on a port of the loopback."""

    door: Door
    url: str

    @property
    def ledger(self) -> Ledger:
        ledger: Ledger = self.door.framework.state.ledger
        return ledger


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    """Run a server in this process, on a real socket, for as long as the block lasts."""
    door = create_app(settings)
    watching.watch(door)
    config = uvicorn.Config(
        door,
        port=0,
        loop="none",
        http=ExpressProtocol,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        access_log=False,
        log_config=None,
        date_header=False,
        proxy_headers=False,
    )
    server = Serving(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), serving
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Running(door, f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        await serving


@pytest.fixture(scope="session")
async def app(settings: Settings) -> AsyncIterator[Running]:
    """The run's server."""
    async with running(settings) as found:
        yield found


@dataclass(frozen=True)
class Tenant:
    """One workspace with a key that has all scopes."""

    id: str
    key: str


MakeTenant = Callable[..., Awaitable[Tenant]]


async def make_tenant_of(ledger: Ledger, scopes: tuple[str, ...] = ALL_SCOPES, *, into: str | None = None) -> Tenant:
    """Make a workspace (or a further key of one) directly, as the commands of an administrator will."""
    from provenance.core import ids

    key = ApiKey.random()
    async with ledger.db.housekeeping() as tx:
        if into is None:
            made = await workspaces.create(tx, slug=random_letters(16).lower(), name="Test")
            workspace_id, wire_id = made.id, made.wire_id
        else:
            found = ids.decode("ws", into)
            assert found is not None
            workspace_id, wire_id = found, into
        await identity.create_key(tx.inside(workspace_id), key, name="test", scopes=scopes, created_by="system")
    return Tenant(wire_id, key.text)


@pytest.fixture
def make_tenant(app: Running) -> MakeTenant:
    """A factory of workspaces: ``await make_tenant(scopes, into=…)``."""

    async def make(scopes: tuple[str, ...] = ALL_SCOPES, *, into: str | None = None) -> Tenant:
        return await make_tenant_of(app.ledger, scopes, into=into)

    return make


@pytest.fixture
async def workspace(make_tenant: MakeTenant) -> Tenant:
    """A fresh workspace with an all-scope key."""
    return await make_tenant()


@pytest.fixture
async def client(app: Running, workspace: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the run's server in a fresh workspace."""
    async with httpx.AsyncClient(
        base_url=app.url, headers={"x-api-key": workspace.key}, timeout=30, verify=False
    ) as found:
        yield found
