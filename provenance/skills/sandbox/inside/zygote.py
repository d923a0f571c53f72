"""The fork server of the sandbox: one for a runtime, started by a server or worker that calls skills.

It keeps a few processes ready that have done all that can be done before a call is known. Each serves one call, then
ends. Calls come over one socket with their descriptors; what became of each goes back over it. It also holds the
watch: time, memory, and the order to stop. When its owner ends, it ends, and all of its processes do.
"""

import array
import contextlib
import gc
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from provenance.skills.sandbox.inside.folders import new_folder, remove
from provenance.skills.sandbox.inside.jail import Jail, Level, Limits, Place
from provenance.skills.sandbox.inside.python_main import Streams

WATCH_SECONDS = 0.05
MESSAGE_BYTES = 64 * 1024
DESCRIPTORS = 4
_MEBI = 1024 * 1024
_LEFT_ALONE = 75
"""Exit status of a process whose jail could not be built."""

Main = Callable[[str, Place, Streams, Limits], None]


class Ready(NamedTuple):
    """A process that waits for its call."""

    pid: int
    socket: socket.socket


class Running:
    """A call under way."""

    def __init__(self, number: int, process: Ready, limits: Limits, private: str | None) -> None:
        self.number = number
        self.pid = process.pid
        self.limits = limits
        self.private = private
        self.ends = time.monotonic() + limits.seconds
        self.why: str | None = None

    def stop(self, why: str) -> None:
        """Kill it; the first reason is the one that is told."""
        self.why = self.why or why
        os.kill(self.pid, signal.SIGKILL)


class Zygote:
    """The server's loop. One thread, so that what it forks is whole."""

    def __init__(
        self, control: socket.socket, jail: Jail, level: Level, main: Main, warm: int, further: Sequence[str]
    ) -> None:
        """Take the socket of the owner, the jail and what it is made of, what calls a handler, how many processes to
        keep ready, and the modules to import before they are.
        """
        self._control = control
        self._jail = jail
        self._level = level
        self._main = main
        self._warm = warm
        self._further = list(further)
        self._prepared = False
        self._ready: list[Ready] = []
        self._running: dict[int, Running] = {}
        self._wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> None:
        """Serve until the owner is gone."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        try:
            while True:
                ready = {descriptor for descriptor, _ in poll.poll(self._pause())}
                if self._control.fileno() in ready and not self._take():
                    return
                self._drain()
                ended = self._reap()
                self._watch()
                if self._has_time or ended:
                    self._prepare()
        finally:
            self._end()

    def _pause(self) -> float:
        if self._has_time and not (self._prepared and len(self._ready) >= self._warm):
            return 0
        return WATCH_SECONDS * 1000 if self._running else 60_000

    @property
    def _has_time(self) -> bool:
        """Whether there is nothing better to do than to prepare: while modules are missing, calls come first."""
        return self._prepared or not self._running

    def _prepare(self) -> None:
        """Do one small thing for calls to come; an order that arrives meanwhile waits for no more."""
        if self._further:
            __import__(self._further.pop(0))
        elif not self._prepared:
            self._prepared = True
            gc.collect()
            gc.freeze()
            gc.enable()
        elif len(self._ready) < self._warm:
            self._fork()

    def _drain(self) -> None:
        try:
            os.read(self._wake_read, 4096)
        except BlockingIOError:
            return

    # Calls

    def _take(self) -> bool:
        """Take one order. False when the owner is gone."""
        data, descriptors = received(self._control)
        if not data:
            return False
        order = json.loads(data)
        if order["op"] == "stop":
            for running in self._running.values():
                if running.number == order["number"]:
                    running.stop(order["why"])
        else:
            self._start(order, data, descriptors)
        for each in descriptors:
            os.close(each)
        return True

    def _start(self, order: dict[str, Any], data: bytes, descriptors: list[int]) -> None:
        if not self._ready:
            self._fork()
        process = self._ready.pop(0)
        private = None if self._level.mounts else new_folder()
        running = Running(order["number"], process, Limits(*order["limits"]), private)
        self._running[process.pid] = running
        if private is not None:
            data = json.dumps({**order, "private": private}).encode()
        with process.socket:
            try:
                socket.send_fds(process.socket, [data], descriptors)
            except OSError:
                running.why = "lost"

    def _fork(self) -> None:
        if not self._prepared:
            gc.freeze()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._be_called(theirs)
        theirs.close()
        self._ready.append(Ready(pid, ours))

    def _be_called(self, source: socket.socket) -> None:
        """Live the life of one process: prepare, wait for the call, go into the jail, serve it, end."""
        status = _LEFT_ALONE
        try:
            gc.enable()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._jail.make_ready()
            data, descriptors = received(source)
            if data:
                order = json.loads(data)
                close_all_but(descriptors)
                streams = Streams(*descriptors, *[-1] * (DESCRIPTORS - len(descriptors)))
                limits = Limits(*order["limits"])
                place = self._jail.enter(order["package"], order.get("private", ""), limits)
                self._main(order["entry"], place, streams, limits)
                status = 0
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(status)

    # The watch

    def _reap(self) -> bool:
        """Take leave of processes that ended; True when a call did."""
        ended = False
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return ended
            if pid == 0:
                return ended
            running = self._running.pop(pid, None)
            if running is None:
                self._forget(pid)
                continue
            ended = True
            if running.private is not None:
                remove(running.private)
            self._tell(running, status, used)

    def _forget(self, pid: int) -> None:
        for each in [one for one in self._ready if one.pid == pid]:
            each.socket.close()
            self._ready.remove(each)

    def _tell(self, running: Running, status: int, used: Any) -> None:
        told = {
            "number": running.number,
            "status": os.waitstatus_to_exitcode(status),
            "why": running.why,
            "cpuMs": round((used.ru_utime + used.ru_stime) * 1000),
            "peakKb": used.ru_maxrss,
        }
        self._control.send(json.dumps(told).encode())

    def _watch(self) -> None:
        now = time.monotonic()
        for running in self._running.values():
            if now >= running.ends:
                running.stop("timeout")
            elif resident_bytes(running.pid) > (running.limits.memory_mb + 32) * _MEBI:
                running.stop("memory")

    def _end(self) -> None:
        for pid in [*self._running, *(each.pid for each in self._ready)]:
            os.kill(pid, signal.SIGKILL)
        for pid in [*self._running, *(each.pid for each in self._ready)]:
            os.waitpid(pid, 0)
            running = self._running.get(pid)
            if running is not None and running.private is not None:
                remove(running.private)
        self._jail.leave()


def close_all_but(descriptors: list[int]) -> None:
    """Close what a forked process inherited and its call has no use for."""
    for each in {int(name) for name in os.listdir("/proc/self/fd")} - {0, 1, 2, *descriptors}:
        with contextlib.suppress(OSError):  # the one that the listing was read by
            os.close(each)


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has in use; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def received(source: socket.socket) -> tuple[bytes, list[int]]:
    """Read one message with its descriptors; an empty one at the end."""
    descriptors = array.array("i")
    space = socket.CMSG_SPACE(DESCRIPTORS * descriptors.itemsize)
    data, further, _, _ = source.recvmsg(MESSAGE_BYTES, space, socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in further:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    return data, list(descriptors)
