"""The worker's side: steps write lines, and whoever watches their run is sent them."""

import asyncio
import contextlib
import os
import uuid
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import structlog

from provenance.core.errors import Unavailable
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.service import Ledger
from provenance.runs import queries
from provenance.runs.live.wire import NONCE_BYTES, LiveLine, Seal, asked

RECENT = 200
"""Lines of a step that are kept for those who begin to watch while it runs."""
ROOM_BYTES = 256 * 1024
"""What may wait for one server; lines beyond it are left out."""
TICK_SECONDS = 0.02
HANDSHAKE_SECONDS = 10.0
MOST_SERVERS = 1_000

log: Any = structlog.get_logger("runs.live")


class Watched(NamedTuple):
    """A run that can be watched."""

    workspace_id: uuid.UUID
    run_id: uuid.UUID


class StepLog:
    """The log of one attempt at a step, while it is under way."""

    def __init__(self, step_key: str, iteration: int, attempt: int, watchers: "set[_Watcher]") -> None:
        """Take which attempt it is, and who watches its run: a set that others change."""
        self._of = (step_key, iteration, attempt)
        self._watchers = watchers
        self._count = 0
        self.recent: deque[LiveLine] = deque(maxlen=RECENT)

    def write(self, at: int, level: str, message: str) -> None:
        """Take a line and hand it to whoever watches; never waits."""
        line = LiveLine(*self._of, self._count, at, level, message)
        self._count += 1
        self.recent.append(line)
        for each in self._watchers:
            each.offer(line)


class Telling:
    """What a worker tells of the steps it carries out. Without `start` nobody is told anything."""

    def __init__(self, ledger: Ledger) -> None:
        """Take the running ledger."""
        self._ledger = ledger
        self._logs: dict[Watched, list[StepLog]] = defaultdict(list)
        self._watchers: dict[Watched, set[_Watcher]] = defaultdict(set)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, address: str) -> str:
        """Listen at ``host:port``, port 0 for a free one; return where servers find us. Raises OSError."""
        host, _, port = address.rpartition(":")
        self._server = await asyncio.start_server(self._serve, host.strip("[]"), int(port))
        return f"{host}:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Listen no more, and end every connection."""
        if self._server is not None:
            self._server.close()
        for each in list(self._connections):
            each.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @contextmanager
    def of_step(self, run: Watched, step_key: str, iteration: int, attempt: int) -> Iterator[StepLog]:
        """Hold the log of an attempt open while it is under way."""
        step = StepLog(step_key, iteration, attempt, self._watchers[run])
        self._logs[run].append(step)
        try:
            yield step
        finally:
            self._logs[run].remove(step)
            if not self._logs[run]:
                del self._logs[run]
            self._forget(run)

    def _forget(self, run: Watched) -> None:
        if run not in self._logs and not self._watchers.get(run):
            self._watchers.pop(run, None)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection is served in a task"
        self._connections.add(task)
        try:
            if len(self._connections) <= MOST_SERVERS:
                await self._tell(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, Unavailable) as error:
            log.debug("server_gone", error=type(error).__name__)
        except asyncio.CancelledError:
            log.debug("server_left", reason="stopping")
        finally:
            self._connections.discard(task)
            writer.close()

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonce = os.urandom(NONCE_BYTES)
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            writer.write(nonce)
            ask = await asked(reader)
            run = Watched(ask.workspace_id, ask.run_id)
            keys = await self._keys(run)
        if keys is None or not ask.holds(keys, nonce):
            log.warning("live_log_refused")
            return
        watcher = _Watcher()
        self._watchers[run].add(watcher)
        for step in self._logs.get(run, ()):
            for line in step.recent:
                watcher.offer(line)
        sending = asyncio.create_task(watcher.send(writer, Seal(keys, nonce, ask.run_id)))
        try:
            await reader.read(1)  # a server says nothing more: this returns when it goes
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await sending
            self._watchers[run].discard(watcher)
            self._forget(run)

    async def _keys(self, run: Watched) -> WorkspaceKeys | None:
        """Return the keys of a run's workspace; None for a run that there is not, so that strangers make no keys."""
        async with self._ledger.db.housekeeping(run.workspace_id) as tx:
            known = await queries.one(tx, run.run_id)
        return None if known is None else await self._ledger.keyring.of(run.workspace_id)


class _Watcher:
    """One connection of a server: what waits for it."""

    def __init__(self) -> None:
        self._waiting: list[LiveLine] = []
        self._bytes = 0
        self._more = asyncio.Event()

    def offer(self, line: LiveLine) -> None:
        """Put a line at the end; it is left out where there is no room."""
        size = 64 + len(line.message.encode())
        if self._bytes + size <= ROOM_BYTES:
            self._waiting.append(line)
            self._bytes += size
            self._more.set()

    async def send(self, writer: asyncio.StreamWriter, seal: Seal) -> None:
        """Send what waits, at most every 20 ms, as fast as the server takes it."""
        while True:
            await self._more.wait()
            self._more.clear()
            lines, self._waiting, self._bytes = self._waiting, [], 0
            writer.write(seal.packed(lines))
            await writer.drain()
            await asyncio.sleep(TICK_SECONDS)
