"""What waits to go out to one client: bounded, sent in order, by a task that lives only while something waits."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

BACKLOG_BYTES = 1024 * 1024
"""What may wait for a slow client; the sockets' own buffers come before it."""
ROOM_BYTES = BACKLOG_BYTES // 4
"""Who can wait goes on when no more than this is left."""
FINISH_SECONDS = 1.0

Write = Callable[[bytes | str], Awaitable[None]]


class Outbox:
    """The way out of one connection. ``sent`` is the highest number that was handed to the network."""

    __slots__ = ("_bytes", "_closed", "_room", "_task", "_waiting", "_write", "sent")

    def __init__(self, write: Write) -> None:
        """Take what writes one message and returns when the network took it."""
        self._write = write
        self._waiting: list[tuple[bytes | str, int]] = []
        self._bytes = 0
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self.sent = 0

    def offer(self, message: bytes | str, seq: int = 0, *, anyway: bool = False) -> bool:
        """Put a message at the end; False when too much waits already, unless it has to go ``anyway``."""
        if not anyway and self._waiting and self._bytes + len(message) > BACKLOG_BYTES:
            return False
        if self._closed:
            return True
        self._waiting.append((message, seq))
        self._bytes += len(message)
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return True

    async def room(self) -> None:
        """Wait until little waits."""
        while self._bytes > ROOM_BYTES and not self._closed:
            if self._room is None:
                self._room = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._room)

    def clear(self) -> None:
        """Throw away what waits."""
        self._waiting.clear()
        self._bytes = 0

    async def finish(self) -> None:
        """Send what waits, as far as it goes out soon, and take nothing more."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=FINISH_SECONDS)
        self.close()

    def close(self) -> None:
        """Send nothing more."""
        self._closed = True
        self.clear()
        self._make_room()
        if self._task is not None:
            self._task.cancel()

    async def _drain(self) -> None:
        try:
            while self._waiting:
                message, seq = self._waiting.pop(0)
                self._bytes -= len(message)
                self.sent = max(self.sent, seq)
                await self._write(message)
                if self._bytes <= ROOM_BYTES:
                    self._make_room()
        except OSError:  # the client is gone; whoever reads from it hears so
            self._closed = True
            self.clear()
        finally:
            self._task = None
            self._make_room()

    def _make_room(self) -> None:
        if self._room is not None:
            with contextlib.suppress(asyncio.InvalidStateError):
                self._room.set_result(None)
            self._room = None
