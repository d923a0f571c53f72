"""Real servers and workers over a database of the test's own, each a process with a log file."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from provenance.core.ids import random_letters
from tests.conftest import fresh_database
from tests.up.tree import free_port

ROOT = Path(__file__).resolve().parents[2]
ADMIN = "admin@example.com"
SECONDS = 90


@dataclass
class Fleet:
    """The processes of one installation. ``environment`` is what each is started with; change it between starts."""

    folder: Path
    url: str
    environment: dict[str, str]
    key: str
    password: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    async def serve(self) -> httpx.AsyncClient:
        """Start a server; return a client of its first key, once it is ready."""
        port = free_port()
        process = self._start("serve", PROVENANCE_PORT=str(port))
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"x-api-key": self.key}, timeout=60)
        self.clients.append(client)
        for _ in range(SECONDS * 20):
            if await _is_ready(client):
                break
            assert process.poll() is None, self.log[-3000:]
            await asyncio.sleep(0.05)
        else:
            raise AssertionError(self.log[-3000:])
        return client

    def work(self) -> subprocess.Popen[bytes]:
        """Start a worker; it takes up what waits once it is there."""
        return self._start("worker")

    async def admin(self, client: httpx.AsyncClient) -> httpx.AsyncClient:
        """Return a client of the same server as its first administrator, signed in just now."""
        login = {"email": ADMIN, "password": self.password}
        answer = await client.post("/auth/login", json=login)
        assert answer.status_code == 200, answer.text
        headers = {"authorization": f"Bearer {answer.json()['accessToken']}"}
        found = httpx.AsyncClient(base_url=client.base_url, headers=headers, timeout=60)
        self.clients.append(found)
        return found

    def command(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `provenance` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "provenance", *words],
            cwd=ROOT, env={**self.environment, **environment}, capture_output=True, text=True, timeout=SECONDS,
        )  # fmt: skip

    @property
    def log(self) -> str:
        """What all processes said."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Ask a process to stop and wait until it has."""
        process.terminate()
        process.wait(SECONDS)
        self.processes.remove(process)

    async def end_all(self) -> None:
        """Stop everything."""
        for client in self.clients:
            await client.aclose()
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            await asyncio.to_thread(process.wait, SECONDS)

    def _start(self, what: str, **more: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{what}-{random_letters(8)}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "provenance", what],
                cwd=ROOT, env={**self.environment, **more}, stdout=log, stderr=log,
            )  # fmt: skip
        self.processes.append(process)
        return process


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


@asynccontextmanager
async def fleet(postgres_url: str, folder: Path, **environment: Any) -> AsyncIterator[Fleet]:
    """An installation with a fresh database; nothing runs yet."""
    key, password = f"pv_{random_letters(12)}_{random_letters(40)}", f"first {random_letters(20)}"
    async with fresh_database(postgres_url) as url:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PROVENANCE_", "DATABASE_"))}
        given = {
            "DATABASE_URL": url,
            "PROVENANCE_DATA_DIR": str(folder / "data"),
            "PROVENANCE_MIN_FREE_BYTES": "0",
            "PROVENANCE_EGRESS_ALLOW": '["127.0.0.1"]',
            "PROVENANCE_BOOTSTRAP_API_KEY": key,
            "PROVENANCE_BOOTSTRAP_ADMIN_EMAIL": ADMIN,
            "PROVENANCE_BOOTSTRAP_ADMIN_PASSWORD": password,
            **environment,
        }
        found = Fleet(folder, url, {**kept, **given}, key, password)
        try:
            yield found
        finally:
            await found.end_all()
