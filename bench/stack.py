"""One installation to measure: a durable embedded PostgreSQL and a real `serve` process on a free port."""

import asyncio
import http.client
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import asyncpg

from bench import cpu
from provenance.core.actor import Scope
from provenance.core.db import asyncpg_dsn
from provenance.core.ids import random_letters
from provenance.core.keyring import Keyring, load_master_key
from provenance.core.settings import Settings
from provenance.identity import service as identity
from provenance.identity.schemas import ApiKey
from provenance.ledger.service import Ledger
from provenance.postgres import EmbeddedPostgres
from provenance.workspace import service as workspaces

START_SECONDS = 180
"""Other work may have most of the machine."""


class Tenant(NamedTuple):
    """A workspace and a key that may do everything in it."""

    workspace_id: str
    key: str


class Stack:
    """A running installation; `tenants` makes workspaces in it."""

    def __init__(self, url: str, postmaster: int, data: Path, servers: int = 1) -> None:
        self.url = url
        self.dsn = asyncpg_dsn(url)
        self.postmaster = postmaster
        self.data = data
        self.port = free_port()
        self.servers = servers
        self._serve: list[subprocess.Popen[bytes]] = []
        self._log = data / "serve.log"
        self.settings: dict[str, str] = {}

    @property
    def serve_pid(self) -> int:
        """Process number of the server, or of the first."""
        return self._serve[0].pid

    def environment(self) -> dict[str, str]:
        """Return the environment of the processes of this installation; ``settings`` are further ones."""
        return {
            **os.environ,
            "DATABASE_URL": self.url,
            "PROVENANCE_DATA_DIR": str(self.data),
            "PROVENANCE_PORT": str(self.port),
            "PROVENANCE_MIGRATE_FIRST": "1",
            "PROVENANCE_SERVERS": str(self.servers),
            **self.settings,
        }

    def start(self) -> None:
        """Start `serve`, as often as there are to be servers, and wait for the first answer of each."""
        until = time.monotonic() + START_SECONDS
        for number in range(1, self.servers + 1):
            with self._log.open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "provenance.up", "serve"], env=self.environment(), stdout=log, stderr=log
                )
            self._serve.append(process)
            while self._log.read_bytes().count(b'"event": "serving"') < number or not answers(self.port):
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit("the server did not start:\n" + self._log.read_text(errors="replace")[-3000:])
                time.sleep(0.02)

    @contextmanager
    def worker(self) -> Iterator[int]:
        """Run the background worker for as long as the block lasts; the value is its process number."""
        with (self.data / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "provenance.up", "worker"], env=self.environment(), stdout=log, stderr=log
            )
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(20)

    def stop(self) -> None:
        """Stop `serve`."""
        while self._serve:
            process = self._serve.pop()
            process.terminate()
            process.wait(20)
        self._log.unlink(missing_ok=True)

    def cpu(self) -> tuple[float, float]:
        """Return the processor seconds so far of the servers, and of PostgreSQL with all its processes."""
        return sum(cpu.of_process(each.pid) for each in self._serve), cpu.of_tree(self.postmaster)

    def tenants(self, count: int) -> list[Tenant]:
        """Make workspaces, each with a key of all scopes."""
        return asyncio.run(self._tenants(count))

    async def _tenants(self, count: int) -> list[Tenant]:
        settings = Settings(database_url=self.url, data_dir=self.data)
        ledger = Ledger(settings, self.url)
        ledger.use(Keyring(await load_master_key(self.data, ledger.db), ledger.db))
        made = []
        try:
            for _ in range(count):
                key = ApiKey.random()
                async with ledger.db.housekeeping() as tx:
                    workspace = await workspaces.create(tx, slug=random_letters(16).lower(), name="Bench")
                    scopes = [scope.value for scope in Scope]
                    inside = tx.inside(workspace.id)
                    await identity.create_key(inside, key, name="bench", scopes=scopes, created_by="system")
                made.append(Tenant(str(workspace.id), key.text))
        finally:
            await ledger.db.close()
        return made


@contextmanager
def installation(servers: int = 1) -> Iterator[Stack]:
    """Run an installation in a temporary folder: fsync and synchronous_commit are on, as for everyone."""
    with ExitStack() as exits:
        data = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="provenance-bench-")))
        postgres = EmbeddedPostgres(data)
        url = exits.enter_context(postgres)
        assert postgres.pid is not None
        stack = Stack(url, postgres.pid, data, servers)
        exits.callback(stack.stop)
        stack.start()
        yield stack


@contextmanager
def further_database(stack: Stack, **settings: str) -> Iterator[Stack]:
    """Run a second server, with settings and a database of its own, beside the first and on the same PostgreSQL."""
    name = "bench_" + random_letters(8).lower()
    asyncio.run(_execute(stack.dsn, f'CREATE DATABASE "{name}"'))
    data = stack.data / name
    data.mkdir()
    beside = Stack(re.sub(r"/provenance\?", f"/{name}?", stack.url), stack.postmaster, data)
    beside.settings = {**stack.settings, **settings}
    try:
        beside.start()
        yield beside
    finally:
        beside.stop()
        asyncio.run(_execute(stack.dsn, f'DROP DATABASE "{name}" WITH (FORCE)'))


async def _execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def answers(port: int) -> bool:
    """Tell whether a server on this port says that it is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
