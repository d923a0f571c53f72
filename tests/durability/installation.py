"""A real `provenance up` that tests may kill, whole or in parts."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import asyncpg
import httpx

from provenance.postgres import reach
from tests.postgres.processes import alive, wait_until
from tests.up.tree import free_port

START_SECONDS = 60


class Installation:
    """One data folder and, most of the time, the processes that serve it."""

    def __init__(self, data: Path, **environment: str) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")},
            "PROVENANCE_DATA_DIR": str(data),
            "PROVENANCE_PORT": str(self.port),
            "PROVENANCE_LOG_LEVEL": "error",
            **environment,
        }
        self._parent: subprocess.Popen[bytes] | None = None

    @cached_property
    def key(self) -> str:
        key: str = json.loads((self.data / "credentials.json").read_text())["apiKey"]
        return key

    @property
    def log(self) -> str:
        return self._log_path.read_text(errors="replace")

    @property
    def _log_path(self) -> Path:
        return self.data.parent / f"{self.data.name}.log"

    def start(self) -> None:
        """Start everything and wait for the first answer."""
        with self._log_path.open("ab") as log:
            self._parent = subprocess.Popen(
                [sys.executable, "-m", "provenance.up"], env=self._environment, stdout=log, stderr=log
            )
        assert self.recovers(), self.log[-3000:]

    def runs(self) -> bool:
        return self._parent is not None and self._parent.poll() is None

    def answers(self) -> bool:
        """Whether it is ready, or would be but for the disk: then it still reads."""
        try:
            answer = httpx.get(self.url + "/readyz", timeout=5)
        except httpx.TransportError:
            return False
        return answer.status_code == 200 or answer.json()["code"] == "disk_full"

    @property
    def parent(self) -> int:
        """The process number of `provenance up` itself."""
        assert self._parent is not None
        return self._parent.pid

    def pid_of(self, child: str) -> int | None:
        """The process number of `serve` or `worker`."""
        assert self._parent is not None
        for pid in _below(self._parent.pid):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0") == f"provenance: {child}".encode():
                    return pid
        return None

    @property
    def postmaster(self) -> int | None:
        with contextlib.suppress(FileNotFoundError, IndexError):
            return int((self.data / "postgres" / "postmaster.pid").read_text().split()[0])
        return None

    def postmaster_alive(self) -> bool:
        pid = self.postmaster
        return pid is not None and alive(pid)

    def recovers(self) -> bool:
        """Wait for an answer; False when the parent has given up instead."""
        wait_until(lambda: self.answers() or not self.runs(), START_SECONDS)
        return self.runs()

    def kill_serve(self, name: str = "serve") -> None:
        """Kill `serve`, or another server; return when its parent has started another."""
        pid = self.pid_of(name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self.pid_of(name) not in (None, pid), 20)

    def kill_postmaster(self) -> None:
        """Kill the postmaster; return when the parent has started another."""
        pid = self.postmaster
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self.postmaster not in (None, pid), 20)

    def kill_everything(self) -> None:
        """Kill the parent, its children, PostgreSQL with all its processes and the watchdog: as a power cut would."""
        assert self._parent is not None
        pids = [self._parent.pid, *_below(self._parent.pid)]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._parent.wait(10)
        # Reaped, too: PostgreSQL takes the zombie of its predecessor for a living one.
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 20)

    def stop(self) -> None:
        if self.runs():
            assert self._parent is not None
            self._parent.terminate()
            self._parent.wait(40)

    async def rows(self) -> list[tuple[int, str, str | None]]:
        """Every row of the default workspace: number, id, span."""
        with reach(self.data) as dsn:
            connection = await asyncpg.connect(dsn)
            try:
                found = await connection.fetch(
                    "SELECT number, id::text, span_id::text FROM interactions WHERE workspace_id = "
                    "(SELECT id FROM workspaces WHERE slug = 'default') ORDER BY number"
                )
            finally:
                await connection.close()
        return [(row[0], row[1], row[2]) for row in found]


def _below(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found[1:]


@contextmanager
def installation(data: Path, **environment: str) -> Iterator[Installation]:
    running = Installation(data, **environment)
    try:
        running.start()
        yield running
    finally:
        running.stop()
