"""Servers and worker as siblings: born of one process that has loaded everything, they share the memory of it.

Loading it in each of them costs a hundred megabytes and two seconds, and pages of libraries that only loading needs
stay with a process for good. The copies are made before there is a thread, a connection or an event loop. Their parent
ends at once, which makes them the supervisor's own. The first server begins at once, the others wait at a gate. Only
the first of a `provenance up` are born this way, and only on Linux; what is started again is started on its own.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import time
from contextlib import suppress

from .gate import Gate, wait_at

VARIABLE = "PROVENANCE_SIBLINGS"
_PR_SET_CHILD_SUBREAPER = 36


def names(servers: int) -> list[str]:
    """Return what the children of a `provenance up` are called, in the order in which they stop."""
    return ["serve", *(f"serve-{number}" for number in range(2, servers + 1)), "worker"]


def adopt_orphans() -> bool:
    """Become the parent of descendants whose parent has ended; False where the system does not know that."""
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def bury_strangers(own: set[int]) -> None:
    """Take note of the ends of adopted processes that nobody else waits for; ``own`` are those somebody does."""
    with suppress(ChildProcessError):
        while True:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None or ended.si_pid in own:
                return
            os.waitpid(ended.si_pid, 0)


class Adopted:
    """A process that became our child after its birth, with as much of `subprocess.Popen` as we need."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return its exit status, or None while it lives."""
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal if it lives."""
        if self.poll() is None:
            os.kill(self.pid, number)


class Siblings:
    """The supervisor's side: what it hands to the process that bears them, and how it takes them over."""

    def __init__(self, servers: int) -> None:
        self._servers = servers
        self._gate = Gate()
        self._hearing, self._saying = os.pipe()
        os.set_blocking(self._hearing, False)
        self._born: dict[str, int] = {}

    @property
    def environment(self) -> dict[str, str]:
        """What the process that bears them finds in its environment."""
        return {VARIABLE: f"{self._gate.reading} {self._saying} {self._servers}"}

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What that process inherits."""
        return self._gate.reading, self._saying

    def hand_over(self) -> None:
        """Close our copies of the other's ends, once it has them."""
        self._gate.hand_over()
        os.close(self._saying)

    def part(self) -> None:
        """Hear who was born. To be called once, when the process that bears them has ended."""
        with open(self._hearing, "rb", buffering=0) as pipe:
            said = pipe.read(4096) or b""
        self._born = dict(zip(names(self._servers), map(int, said.split()), strict=False))

    def take(self, name: str) -> Adopted | None:
        """Return one of them as a child of ours, once; None when it was not born or has ended unnoticed."""
        pid = self._born.pop(name, None)
        if pid is None:
            return None
        adopted = Adopted(pid)
        try:
            adopted.poll()
        except ChildProcessError:
            return None
        return adopted

    def begin(self) -> None:
        """Let all but the first begin."""
        self._gate.open(self._servers)


def are_to_part() -> bool:
    """Tell whether the supervisor wants this process to become several."""
    return VARIABLE in os.environ


def parted() -> str:
    """Become all of them, and return which one this is, when it may begin; the process itself ends.

    To be called without threads. They end here when the supervisor goes first.
    """
    gate, saying, servers = map(int, os.environ.pop(VARIABLE).split())
    gc.freeze()  # a collection would write to all the memory they share
    bearer = os.getpid()
    born: list[int] = []
    for name in names(servers):
        pid = os.fork()
        if pid == 0:
            os.close(saying)
            _become(name, bearer, gate)
            return name
        born.append(pid)
    os.write(saying, " ".join(map(str, born)).encode())
    os._exit(0)


def _become(name: str, bearer: int, gate: int) -> None:
    os.setpgid(0, 0)  # Ctrl-C reaches only the supervisor
    while os.getppid() == bearer:
        time.sleep(0.001)
    if name != "serve" and not wait_at(gate):
        os._exit(0)
