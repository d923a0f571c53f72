"""The installation of the crash demo: its database, its server and its workers, each of which may be killed."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg

from bench import cpu
from bench.stack import Stack, answers
from provenance.postgres import EmbeddedPostgres

LEASE_SECONDS = 2.0
WORKERS = 2


class Site(Stack):
    """An installation whose parts are killed and started again. Its workers say what they log in ``worker.log``."""

    def __init__(self, postgres: EmbeddedPostgres, url: str, data: Path) -> None:
        assert postgres.pid is not None
        super().__init__(url, postgres.pid, data)
        self._postgres = postgres
        self._workers: list[subprocess.Popen[bytes]] = []
        self.worker_log = data / "worker.log"

    def environment(self) -> dict[str, str]:
        """Let calls reach the loopback, let leases be short, and let logs be read by a program."""
        return {
            **super().environment(),
            "PROVENANCE_EGRESS_ALLOW": '["127.0.0.1"]',
            "PROVENANCE_RUN_LEASE_SECONDS": str(LEASE_SECONDS),
            "PROVENANCE_RUN_SLOTS": "128",
            "PROVENANCE_LOG_FORMAT": "json",
        }

    def hire(self) -> None:
        """Start workers until there are enough."""
        self._workers = [worker for worker in self._workers if worker.poll() is None]
        while len(self._workers) < WORKERS:
            command = [sys.executable, "-m", "provenance.up", "worker"]
            with self.worker_log.open("ab") as log:
                self._workers.append(subprocess.Popen(command, env=self.environment(), stdout=log, stderr=log))

    def dismiss(self) -> None:
        """End the workers."""
        for worker in self._workers:
            worker.send_signal(signal.SIGCONT)
            worker.terminate()
        for worker in self._workers:
            worker.wait(20)

    async def kill_worker(self) -> None:
        """Kill one worker; another is begun at once."""
        self._kill(self._workers[0])
        self.hire()

    def kill_workers(self) -> None:
        """Kill all of them in this very moment; others are begun."""
        for worker in self._workers:
            self._kill(worker)
        self.hire()

    async def stop_worker_for_a_while(self) -> None:
        """Stop one past its lease; it wakes up believing that its runs are still its own."""
        worker = self._workers[0]
        worker.send_signal(signal.SIGSTOP)
        await asyncio.sleep(LEASE_SECONDS * 1.75)
        worker.send_signal(signal.SIGCONT)

    async def kill_server(self) -> None:
        """Kill the server in the middle of its answers, and start it again."""
        assert self._serve is not None
        self._kill(self._serve)
        with (self.data / "serve.log").open("ab") as log:
            command = [sys.executable, "-m", "provenance.up", "serve"]
            self._serve = subprocess.Popen(command, env=self.environment(), stdout=log, stderr=log)
        while not await asyncio.to_thread(answers, self.port):
            await asyncio.sleep(0.05)

    async def kill_database(self) -> None:
        """Kill PostgreSQL with all its processes; it recovers from its log when it starts again."""
        postmaster = self._postgres.pid
        assert postmaster is not None
        for pid in (postmaster, *cpu.descendants(postmaster)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while self._postgres.pid is not None:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(self._postgres.start)

    async def cut_connections(self) -> None:
        """End every connection to the database."""
        connection = await asyncpg.connect(self.dsn)
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = $1"
        await connection.execute(cut, "provenance")
        await connection.close()

    @staticmethod
    def _kill(process: "subprocess.Popen[bytes] | None") -> None:
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()


@contextmanager
def site() -> Iterator[Site]:
    """Run an installation in a temporary folder; nothing of it is left."""
    with ExitStack() as exits:
        data = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="provenance-crash-")))
        postgres = EmbeddedPostgres(data)
        url = exits.enter_context(postgres)
        found = Site(postgres, url, data)
        exits.callback(found.stop)
        exits.callback(found.dismiss)
        found.start()
        found.hire()
        yield found
