"""The floor of single posts: a bare server that reads a post, inserts a copied row, and answers after the commit.

The same event loop, parser of HTTP, JSON decoder, driver and table as the product's, and groups that form as its do.
The row is one of the product's under new ids. What is left out is all that makes a record of it: who may, headers,
canonical form, words, digests, duplicates, numbers under a lock, and the row in the answer.
"""

import asyncio
import uuid
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from typing import Any, cast

import asyncpg
import httptools
import msgspec
import uuid_utils
import uvloop

from bench import beside
from bench.raw import COLUMNS, sample
from bench.stack import free_port

_NAMES = ", ".join(COLUMNS)
_ARRAYS = ", ".join(f"${at}::text::{kind}[]" for at, kind in enumerate(COLUMNS.values(), 1))
_INSERT = f"INSERT INTO interactions ({_NAMES}) SELECT * FROM unnest({_ARRAYS})"
_HEAD = b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n"
_ANSWER = _HEAD + b"x" * 900
_GROUP = 250


def serving(dsn: str) -> AbstractContextManager[tuple[int, int]]:
    """Serve for as long as the block lasts; yields the port and the number of the process."""
    return beside.serving(_serve, dsn)


def _serve(pipe: Connection, dsn: str) -> None:
    uvloop.run(_serving(pipe, dsn))


async def _serving(pipe: Connection, dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    table = _Table(connection, await sample(connection))
    port = free_port()
    server = await asyncio.get_running_loop().create_server(lambda: _Posts(table), "127.0.0.1", port)
    pipe.send(port)
    async with server:
        await table.write()


class _Table:
    """What waits for a commit, and the rows that are inserted for it."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", rows: list[tuple[Any, ...]]) -> None:
        self.waiting: list[asyncio.WriteTransport] = []
        self.arrived = asyncio.Event()
        self._connection = connection
        self._rows = [tuple(map(_element, row)) for row in rows]
        self._workspace = str(uuid.uuid4())
        self._number = 0

    async def write(self) -> None:
        statement = await self._connection.prepare(_INSERT)
        while True:
            if not self.waiting:
                self.arrived.clear()
                await self.arrived.wait()
            group, self.waiting = self.waiting[:_GROUP], self.waiting[_GROUP:]
            await statement.fetch(*self._arrays(len(group)))
            for transport in group:
                transport.write(_ANSWER)

    def _arrays(self, count: int) -> list[str]:
        first, self._number = self._number, self._number + count
        numbers = range(first, first + count)
        rows = [self._rows[at % len(self._rows)] for at in numbers]
        columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
        head = self._workspace[:24]
        columns["workspace_id"] = (self._workspace,) * count
        columns["number"] = tuple([str(at + 1) for at in numbers])
        columns["id"] = tuple([str(uuid_utils.uuid7()) for _ in numbers])
        columns["span_id"] = tuple([f"{head}{at:012x}" for at in numbers])
        columns["uow_id"] = tuple([f"{head}{at // 5:012x}" for at in numbers])
        return ["{" + ",".join(column) + "}" for column in columns.values()]


def _element(value: Any) -> str:
    """Write a value as an element of an array literal."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f'"\\\\x{value.hex()}"'
    if isinstance(value, bool):
        return "t" if value else "f"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Posts(asyncio.Protocol):
    """One connection."""

    def __init__(self, table: _Table) -> None:
        self._table = table
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        msgspec.json.decode(self._body)
        self._body = b""
        self._table.waiting.append(self._transport)
        self._table.arrived.set()
