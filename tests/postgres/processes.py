"""Real processes for these tests: a supervisor in a process of its own, and waiting for one to be gone."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

SUPERVISE = str(Path(__file__).with_name("supervise.py"))


class Supervisor(NamedTuple):
    """A running `supervise.py`."""

    process: subprocess.Popen[bytes]
    dsn: str
    postmaster: int
    watchdog: int

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def supervisor(
    data_dir: Path, command: tuple[str, ...] = (sys.executable,), script: str = SUPERVISE, **popen: Any
) -> Iterator[Supervisor]:
    process = subprocess.Popen(
        [*command, script, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **popen
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"the supervisor ended with {process.wait()}"
        yield Supervisor(process, **json.loads(line))
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def alive(pid: int) -> bool:
    """A zombie is not alive: nobody may have reaped it in this container."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait for a condition; return how long it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"not so after {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - begun
