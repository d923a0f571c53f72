"""A server that does nothing but send: WebSocket messages of one size, at a pace, to whoever is connected.

The floor of fan-out: what the sockets and the machine cost without a ledger, filters or frames.
"""

import asyncio
import struct
import time
import uuid
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection

from bench.beside import serving

_ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n"
)


_UNIT = b'"uowId":"'


def moment(ns: int) -> str:
    """Write the microseconds of a moment as a unit of work, which every frame carries."""
    return str(uuid.UUID(int=(ns // 1000 % 2**48) << 80 | 4 << 76 | 8 << 60))


def moment_in(message: bytes) -> int | None:
    """Return the moment of a message's first frame, in nanoseconds; None of one that is about the connection."""
    found = message.find(_UNIT)
    if found < 0:
        return None
    at = found + len(_UNIT)
    return uuid.UUID(message[at : at + 36].decode()).int // 2**80 * 1000


def echoing(clients: int, ticks: int, size: int) -> AbstractContextManager[tuple[int, int]]:
    """Send messages of a size so many times a second, once so many clients are there; yields port and process."""
    return serving(_serve, clients, ticks, size)


def _serve(pipe: Connection, clients: int, ticks: int, size: int) -> None:
    asyncio.run(_sending(pipe, clients, ticks, size))


async def _sending(pipe: Connection, clients: int, ticks: int, size: int) -> None:
    there: list[asyncio.StreamWriter] = []

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_ANSWER)
        await reader.read(4096)  # what it asks for
        writer.write(_message(b'{"type":"ack"}'))
        there.append(writer)

    server = await asyncio.start_server(join, "127.0.0.1", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    while len(there) < clients:
        await asyncio.sleep(0.01)
    while True:
        told = b'"uowId":"%b"' % moment(time.monotonic_ns()).encode()
        message = _message(told + b" " * (size - len(told)))
        for writer in there:
            writer.write(message)
        await asyncio.sleep(1 / ticks)


def _message(body: bytes) -> bytes:
    """Write a WebSocket message."""
    if len(body) < 126:
        return bytes([0x81, len(body)]) + body
    if len(body) < 65_536:
        return struct.pack("!BBH", 0x81, 126, len(body)) + body
    return struct.pack("!BBQ", 0x81, 127, len(body)) + body
