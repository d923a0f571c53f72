"""One `provenance up` with stand-ins as its children, in processes of its own."""

import http.client
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.postgres.processes import alive, wait_until

#: Nothing of the person or machine that runs the tests.
CLEAN = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("PROVENANCE_", "DATABASE_URL", "PUBLIC_URL"))
}
RUN_UP = str(Path(__file__).with_name("run_up.py"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Tree:
    """What a test sees of it: what it printed, what its children noted, which processes are there."""

    def __init__(self, data: Path, port: int, *tricks: str, environment: dict[str, str] | None = None) -> None:
        self.watch(data, port, [sys.executable, RUN_UP, str(data), str(port), *tricks], environment or {})

    def watch(self, data: Path, port: int, command: list[str], environment: dict[str, str]) -> None:
        self.data = data
        self.port = port
        self.printed = ""
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**CLEAN, **environment}
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed += line

    def wait_ready(self) -> None:
        wait_until(lambda: "Stop " in self.printed or self.process.poll() is not None, 60)
        assert self.process.poll() is None, self.printed

    def wait_end(self, seconds: float = 20) -> int:
        status = self.process.wait(seconds)
        self._reader.join(10)
        assert not self._reader.is_alive(), "a process outlived its parent"
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.wait_end(30)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def events(self) -> list[str]:
        path = self.data / "events"
        return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []

    def pid(self, role: str) -> int:
        """The process that started last in this role."""
        lines = (self.data / "events").read_text().splitlines()
        return int([line.split()[1] for line in lines if line.startswith(f"{role}-started")][-1])

    def descendants(self) -> list[int]:
        """Every process below the parent, the servers of PostgreSQL and the watchdog among them."""
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except (FileNotFoundError, ProcessLookupError):
                    continue
        found = [self.process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return [pid for pid in found[1:] if alive(pid)]

    def answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@contextmanager
def tree(data: Path, *tricks: str, port: int = 0, environment: dict[str, str] | None = None) -> Iterator[Tree]:
    running = Tree(data, port or free_port(), *tricks, environment=environment)
    try:
        yield running
    finally:
        running.close()
