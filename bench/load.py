"""The load generator: a process of its own with one plain epoll loop, as cheap as Python allows.

Each client keeps one connection and one request in flight (a closed loop), so the number of clients is the number
of requests in flight. It reads its plan from standard input (pickled `Plan`) and writes JSON lines: one when warming
up is over, one when measuring is, and the results.
"""

import json
import pickle
import resource
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

DRAIN_SECONDS = 20.0


@dataclass
class Group:
    """Clients of one kind. ``kind`` is single, batch or get; ``requests`` are its templates."""

    name: str
    kind: str
    clients: int
    requests: list[bytes]
    rows: int = 1


@dataclass
class Plan:
    """What one run does: seconds to warm up, seconds to measure."""

    port: int
    groups: list[Group]
    seconds: float
    warm_up: float = 1.0


@dataclass
class Result:
    """What one group saw; latencies are milliseconds."""

    name: str
    answers: int
    rows: int
    seconds: float
    failures: dict[str, int]
    p50: float
    p99: float
    worst: float

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


@dataclass
class Run:
    """The results of one run, and the generator's own processor seconds."""

    results: dict[str, Result]
    own_cpu: float = 0.0
    noted: list[Any] = field(default_factory=list)


def run(plan: Plan, at_edges: Callable[[], Any] = lambda: None) -> Run:
    """Run a plan in a process of its own; ``at_edges`` is called where measuring begins and where it ends."""
    process = subprocess.Popen([sys.executable, "-m", "bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdin.write(pickle.dumps(plan))
        process.stdin.close()
        noted = []
        for line in process.stdout:
            said = json.loads(line)
            if "results" not in said:
                noted.append(at_edges())
            else:
                found = {each["name"]: Result(**each) for each in said["results"]}
                _refuse_failures(found)
                return Run(found, said["own_cpu"], noted)
    raise SystemExit(f"the load generator ended with {process.returncode}")


def _refuse_failures(results: dict[str, Result]) -> None:
    for result in results.values():
        if result.failures:
            raise SystemExit(f"{result.name}: not all requests succeeded: {result.failures}")


class _Client:
    __slots__ = ("at", "got", "group", "left", "needed", "sent_at", "sock")

    def __init__(self, sock: socket.socket, group: "_Load") -> None:
        self.sock = sock
        self.group = group
        self.at = 0.0
        self.sent_at = 0.0
        self.got = b""
        self.needed = 0
        self.left: memoryview | None = None


class _Load:
    """One group while it runs: makes its next request, keeps its latencies."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.templates = group.requests
        self.sent = 0
        self.latencies: list[float] = []
        self.failures: dict[str, int] = {}

    def next(self) -> bytes:
        number = self.sent
        self.sent = number + 1
        template = self.templates[number % len(self.templates)]
        if self.group.kind == "single":
            return template % (number, number // 5)
        if self.group.kind == "batch":
            return template.replace(b"@@@@@@@@", b"%08x" % number)
        return template


class Generator:
    """Drives all clients of a plan from one loop."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._poll = select.epoll()
        self._clients: dict[int, _Client] = {}
        self._loads = [_Load(group) for group in plan.groups]
        self._ending = False
        for load in self._loads:
            for _ in range(load.group.clients):
                sock = socket.create_connection(("127.0.0.1", plan.port))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setblocking(False)
                self._clients[sock.fileno()] = _Client(sock, load)
                self._poll.register(sock.fileno(), select.EPOLLIN)

    def run(self) -> None:
        """Warm up, measure, report."""
        now = time.perf_counter()
        for client in self._clients.values():
            self._send(client)
        self._until(now + self._plan.warm_up)
        for load in self._loads:
            load.latencies, load.failures = [], {}
        say({"begin": True})
        used, began = _own_cpu(), time.perf_counter()
        self._until(began + self._plan.seconds)
        seconds, used = time.perf_counter() - began, _own_cpu() - used
        results = [_result(load, seconds).__dict__ for load in self._loads]
        say({"measured": True})
        # What is still in flight must not fall into whatever is measured next.
        self._ending = True
        self._until(time.perf_counter() + DRAIN_SECONDS)
        say({"results": results, "own_cpu": used})

    def _until(self, end: float) -> None:
        clients, poll, clock = self._clients, self._poll.poll, time.perf_counter
        while clients:
            events = poll(0.05)
            now = clock()
            if now >= end:
                return
            for fd, what in events:
                client = clients[fd]
                if what & select.EPOLLOUT:
                    self._flush(client)
                if what & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                    data = client.sock.recv(1 << 20)
                    if not data:
                        raise SystemExit("the server closed a connection")
                    self._received(client, data)

    def _received(self, client: _Client, data: bytes) -> None:
        if client.got:
            data = client.got + data
        if not client.needed:
            head = data.find(b"\r\n\r\n")
            length = data.find(b"content-length: ", 0, head)
            if head < 0:
                client.got = data
                return
            client.needed = head + 4 + (int(data[length + 16 : data.index(b"\r", length)]) if length >= 0 else 0)
        if len(data) < client.needed:
            client.got = data
            return
        client.got, client.needed = b"", 0
        load = client.group
        status = data[9:12]
        if status in (b"201", b"200"):
            load.latencies.append(time.perf_counter() - client.sent_at)
        else:
            text = data[9:400].decode(errors="replace")
            load.failures[text[:3]] = load.failures.get(text[:3], 0) + 1
            if sum(load.failures.values()) == 1:
                print(text, file=sys.stderr)
        self._send(client)

    def _send(self, client: _Client) -> None:
        if self._ending:
            del self._clients[client.sock.fileno()]
            client.sock.close()
            return
        data = client.group.next()
        client.sent_at = time.perf_counter()
        sent = client.sock.send(data)
        if sent < len(data):
            client.left = memoryview(data)[sent:]
            self._poll.modify(client.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _flush(self, client: _Client) -> None:
        assert client.left is not None
        sent = client.sock.send(client.left)
        client.left = client.left[sent:] if sent < len(client.left) else None
        if client.left is None:
            self._poll.modify(client.sock.fileno(), select.EPOLLIN)


def _result(load: _Load, seconds: float) -> Result:
    times = sorted(load.latencies) or [float("nan")]
    rows = len(load.latencies) * load.group.rows

    def at(share: float) -> float:
        return times[min(len(times) - 1, int(len(times) * share))] * 1000

    return Result(
        load.group.name, len(load.latencies), rows, seconds, load.failures, at(0.5), at(0.99), times[-1] * 1000
    )


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def say(what: object) -> None:
    """Write one line to whoever started this process."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # The plan is pickled under this module's real name, not under __main__.
    import bench.load

    bench.load.Generator(pickle.load(sys.stdin.buffer)).run()
