"""Clients that insist: each posts with a span id and sends the same again until it is acknowledged.

They speak HTTP over a plain stream: 64 of a full client's connections would take the processor that the server needs.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.durability.installation import Installation

PAUSE = 0.1
"""Seconds before a refused post is sent again."""
PATIENCE = 20
"""Seconds that an answer may take."""


class Connection:
    """One keep-alive connection, opened when it is needed."""

    def __init__(self, running: Installation) -> None:
        self._running = running
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: dict[str, Any], **headers: str) -> tuple[int, dict[str, str], Any]:
        """Post and return status, headers and document. Raises OSError or EOFError when the connection breaks."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._exchange(path, json.dumps(body).encode(), headers)
        except (OSError, EOFError):
            self.close()
            raise

    async def _exchange(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._running.port)
        reader, writer = self._streams
        sent = {"host": "localhost", "x-api-key": self._running.key, "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent["content-length"] = str(len(body))
        lines = [f"POST {path} HTTP/1.1", *[f"{name}: {value}" for name, value in sent.items()], "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        status, *received = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        named = {name.lower(): value for name, _, value in (line.partition(": ") for line in received)}
        document = json.loads(await reader.readexactly(int(named["content-length"])))
        return int(status.split()[1]), named, document

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


class Clients:
    """What a crowd of clients was told: the number and id that each span was acknowledged with."""

    def __init__(self, running: Installation) -> None:
        self._running = running
        self.acknowledged: dict[str, set[tuple[int, str]]] = {}
        self._stopping = False
        self._more = asyncio.Condition()

    async def wait_for(self, more: int) -> None:
        """Wait until so many more posts are acknowledged."""
        wanted = len(self.acknowledged) + more
        async with self._more:
            await asyncio.wait_for(self._more.wait_for(lambda: len(self.acknowledged) >= wanted), 60)

    async def insist(self, connection: Connection, span: str, body: dict[str, Any]) -> None:
        """Post until it is acknowledged, whatever happens to the server meanwhile."""
        while True:
            try:
                status, _, row = await connection.post("/api/interactions", body, x_span_id=span)
            except (OSError, EOFError):
                await asyncio.sleep(PAUSE)
                continue
            if status in (200, 201):
                self.acknowledged.setdefault(span, set()).add((row["interactionNumber"], row["interactionId"]))
                async with self._more:
                    self._more.notify_all()
                return
            assert status >= 500, row
            await asyncio.sleep(PAUSE)

    async def _post_on(self, connection: Connection, who: int) -> None:
        while not self._stopping:
            await self.insist(connection, str(uuid.uuid4()), event(who))

    @asynccontextmanager
    async def posting(self, count: int) -> AsyncIterator[None]:
        """Keep so many clients posting for as long as the block lasts; each ends with an acknowledgement."""
        async with connections(self._running, count) as found:
            tasks = [asyncio.create_task(self._post_on(each, who)) for who, each in enumerate(found)]
            try:
                yield
                self._stopping = True
                await asyncio.wait_for(asyncio.gather(*tasks), 60)
            finally:
                self._stopping = False
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def connections(running: Installation, count: int) -> AsyncIterator[list[Connection]]:
    found = [Connection(running) for _ in range(count)]
    try:
        yield found
    finally:
        for each in found:
            each.close()


def event(who: int) -> dict[str, Any]:
    return {
        "resourceId": f"order-{who}",
        "resourceType": "ORDER",
        "action": "UPDATE",
        "origin": "TEST",
        "interaction": {"who": who},
    }
