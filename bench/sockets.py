"""WebSocket clients as light as can be, so that a load of thousands measures the server and not them."""

import asyncio
import json
import os
import struct
from typing import Any

LINE_LIMIT = 4 * 1024 * 1024


class Socket:
    """One connection; `next` returns the payload of the next message."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    def ask(self, action: str, **members: Any) -> None:
        """Send a message of the contract."""
        text = json.dumps({"action": action, "id": 1, **members}).encode()
        mask = os.urandom(4)
        head = bytes([0x81, 0x80 | len(text)]) if len(text) < 126 else struct.pack("!BBH", 0x81, 0xFE, len(text))
        covered = bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))
        self.writer.write(head + mask + covered)

    async def next(self) -> bytes:
        """Wait for one message; the server's pings are passed by, as it waits long for their answer."""
        while True:
            kind, size = await self._reader.readexactly(2)
            if size == 126:
                (size,) = struct.unpack("!H", await self._reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", await self._reader.readexactly(8))
            body = await self._reader.readexactly(size)
            if kind & 0x0F == 1:
                return body
            if kind & 0x0F == 8:
                raise ConnectionResetError("the server closed the connection")

    def abort(self) -> None:
        """Break the connection off without a word."""
        self.writer.transport.abort()


async def opened(port: int, key: str, path: str = "/ws") -> Socket:
    """Open a connection with a key."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=LINE_LIMIT)
    writer.write(
        f"GET {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 101 " not in head.split(b"\r\n", 1)[0]:
        raise SystemExit(f"no WebSocket: {head[:300]!r}")
    return Socket(reader, writer)


async def listening(port: int, key: str, channel: str, last_seq: int | None = None) -> Socket:
    """Open a connection that listens to a channel, after a number if one is given; its answer was heard."""
    socket = await opened(port, key)
    if last_seq is None:
        socket.ask("subscribe", channels=[channel])
    else:
        socket.ask("resume", channels=[channel], lastSeq=last_seq)
    return socket


def numbers(message: bytes) -> list[int]:
    """Return the numbers of a message's frames."""
    found = json.loads(message)
    frames = found if isinstance(found, list) else [found]
    return [frame["seq"] for frame in frames if frame.get("channel") and frame.get("seq") is not None]
