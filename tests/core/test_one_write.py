import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn

from provenance.core.one_write import JoinedWrites, OneWriteProtocol


class Recorder(asyncio.Transport):
    """Stands where the operating system would, and keeps what reaches it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


class TestJoinedWrites:
    async def test_writes_of_one_turn_are_one(self) -> None:
        below = Recorder()
        joined = JoinedWrites(below)
        joined.write(b"head")
        joined.write(b"body")
        assert below.written == []
        await asyncio.sleep(0)
        assert below.written == [b"headbody"]

    async def test_closing_writes_what_was_collected(self) -> None:
        below = Recorder()
        joined = JoinedWrites(below)
        joined.write(b"last words")
        joined.close()
        assert (below.written, below.closed) == ([b"last words"], True)

    async def test_aborting_drops_what_was_collected(self) -> None:
        below = Recorder()
        joined = JoinedWrites(below)
        joined.write(b"never sent")
        joined.abort()
        await asyncio.sleep(0)
        assert (below.written, below.closed) == ([], True)


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    config = uvicorn.Config(app, port=0, loop="none", http=OneWriteProtocol, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


class TestOneWriteProtocol:
    async def test_a_long_answer_arrives_whole_over_a_slow_reader(self) -> None:
        size = 8 * 1024 * 1024

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(64):
                await send({"type": "http.response.body", "body": b"x" * (size // 64), "more_body": True})
            await send({"type": "http.response.body", "body": b""})

        async with serving(app) as url, httpx.AsyncClient(verify=False) as client:
            received = 0
            async with client.stream("GET", url) as answer:
                async for part in answer.aiter_bytes(65_536):
                    received += len(part)
            assert received == size
