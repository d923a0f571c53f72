import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from provenance.core.door import Exchange, Settle
from provenance.core.metrics import REQUESTS
from tests.conftest import MakeTenant, Running

PATH = b"/api/interactions"
BODY = json.dumps({"resourceId": "r-1", "resourceType": "USER", "action": "CREATE", "origin": "WEBAPP"}).encode()


@pytest.fixture
def taken(app: Running) -> Iterator[list[bool]]:
    """What the express said to each request that it was asked about."""
    said: list[bool] = []
    assert isinstance(app.door.express, dict)
    handler = app.door.express[PATH]

    def listening(exchange: Exchange, settle: Settle) -> bool:
        said.append(handler(exchange, settle))
        return said[-1]

    app.door.express[PATH] = listening
    yield said
    app.door.express[PATH] = handler


class Wire:
    """One connection, written and read by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
        self.reader, self.writer, self._key = reader, writer, key

    def head(self, *more: str, length: int = len(BODY)) -> bytes:
        lines = ["POST /api/interactions HTTP/1.1", "Host: x", f"X-API-Key: {self._key}", *more]
        return "\r\n".join([*lines, "content-type: application/json", f"content-length: {length}", "", ""]).encode()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 20)).decode()
        first, *lines = head.split("\r\n")[:-2]
        headers = dict(line.split(": ", 1) for line in lines)
        return int(first.split()[1]), headers, await self.reader.readexactly(int(headers.get("content-length", 0)))


@asynccontextmanager
async def wired(app: Running, key: str) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(app.url.rsplit(":", 1)[1]))
    try:
        yield Wire(reader, writer, key)
    finally:
        writer.close()


@pytest.fixture
async def wire(app: Running, make_tenant: MakeTenant, taken: list[bool]) -> AsyncIterator[Wire]:
    """A connection whose workspace has its words already, so that the next post takes the express."""
    tenant = await make_tenant()
    async with wired(app, tenant.key) as found:
        for _ in range(2):
            found.writer.write(found.head() + BODY)
            assert (await found.answer())[0] == 201
        taken.clear()
        yield found


def number(answer: tuple[int, dict[str, str], bytes]) -> int:
    assert answer[0] == 201
    found: int = json.loads(answer[2])["interactionNumber"]
    return found


class TestExpress:
    async def test_a_body_that_comes_in_pieces_is_one(self, wire: Wire, taken: list[bool]) -> None:
        wire.writer.write(wire.head())
        for at in range(0, len(BODY), 20):
            await wire.writer.drain()
            await asyncio.sleep(0.001)
            wire.writer.write(BODY[at : at + 20])
        assert number(await wire.answer()) == 3
        assert taken == [True]

    async def test_pipelined_posts_are_answered_in_their_order(self, wire: Wire) -> None:
        wire.writer.write((wire.head() + BODY) * 4)
        answers = [number(await wire.answer()) for _ in range(4)]
        assert answers == [3, 4, 5, 6]

    async def test_who_waits_for_a_continue_gets_it(self, wire: Wire, taken: list[bool]) -> None:
        wire.writer.write(wire.head("expect: 100-continue"))
        assert (await wire.answer())[0] == 100
        wire.writer.write(BODY)
        assert number(await wire.answer()) == 3
        assert taken == []

    async def test_a_connection_is_closed_when_asked(self, wire: Wire, taken: list[bool]) -> None:
        wire.writer.write(wire.head("connection: close") + BODY)
        status, headers, _ = await wire.answer()
        assert (status, headers["connection"]) == (201, "close")
        assert await wire.reader.read() == b""
        assert taken == [True]

    async def test_a_refusal_on_the_express_leaves_the_connection_open(self, wire: Wire, taken: list[bool]) -> None:
        wire.writer.write(wire.head(length=1) + b"{")
        assert (await wire.answer())[0] == 400
        wire.writer.write(wire.head() + BODY)
        assert number(await wire.answer()) == 3
        assert taken == [True, True]

    async def test_a_cut_off_body_is_counted_and_not_recorded(
        self, wire: Wire, app: Running, taken: list[bool]
    ) -> None:
        before = gone()
        async with wired(app, wire.head().decode().split("X-API-Key: ")[1].split("\r\n")[0]) as other:
            other.writer.write(other.head() + BODY[:10])
            await other.writer.drain()
            await asyncio.sleep(0.02)
        async with asyncio.timeout(30):
            while gone() == before:
                await asyncio.sleep(0.01)
        assert taken == []
        wire.writer.write(wire.head() + BODY)
        assert number(await wire.answer()) == 3


def gone() -> float:
    """How many requests ended because the client went away."""
    answered = next(iter(REQUESTS.collect()))
    return sum(sample.value for sample in answered.samples if sample.labels.get("status") == "499")
