"""Lines between a worker and a server: who is told, what is left out, and what is not believed."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from provenance.core.ids import decode, new_uuid
from provenance.runs.live import telling as telling_module
from provenance.runs.live.following import lines_of
from provenance.runs.live.telling import RECENT, Telling, Watched
from provenance.runs.live.wire import NONCE_BYTES, BadMessage, LiveLine, Seal, asking
from tests.conftest import MakeTenant, Running, Tenant
from tests.skills.test_steps import published


@pytest.fixture
async def telling(app: Running) -> AsyncIterator[Telling]:
    found = Telling(app.ledger)
    yield found
    await found.stop()


@pytest.fixture
async def run(client: httpx.AsyncClient, workspace: Tenant) -> Watched:
    """A run that waits for a worker."""
    step = {"key": "hold", "kind": "wait", "config": {"seconds": 3600}}
    started = await client.post("/runs", json={"workflowId": await published(client, step)})
    assert started.status_code == 201, started.text
    return watched(workspace, started.json()["runId"])


def watched(workspace: Tenant, run_id: str) -> Watched:
    found = decode("ws", workspace.id), decode("run", run_id)
    assert found[0] is not None
    assert found[1] is not None
    return Watched(*found)


async def some(app: Running, address: str, run: Watched, count: int) -> list[LiveLine]:
    """Return the first lines that a server hears of a run."""
    heard: list[LiveLine] = []
    async with asyncio.timeout(20), aclosing(lines_of(address, await app.ledger.keyring.of(run[0]), *run)) as batches:
        async for lines in batches:
            heard += lines
            if len(heard) >= count:
                break
    return heard


async def refused(address: str, question: Any) -> bytes:
    """Ask as a stranger would, and return what is said besides the nonce."""
    async with asyncio.timeout(20):
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(question(await reader.readexactly(NONCE_BYTES)))
        said = await reader.read()
        writer.close()
        await writer.wait_closed()
    return said


class TestTelling:
    async def test_who_comes_late_gets_the_last_lines_and_those_to_come(
        self, app: Running, telling: Telling, run: Watched
    ) -> None:
        address = await telling.start("127.0.0.1:0")
        with telling.of_step(run, "call", 0, 1) as log:
            for number in range(RECENT + 50):
                log.write(number, "info", f"line {number}")
            heard = await some(app, address, run, RECENT)
        assert [each.offset for each in heard] == list(range(50, RECENT + 50))
        assert heard[0] == LiveLine("call", 0, 1, 50, 50, "info", "line 50")

    async def test_what_there_is_no_room_for_is_left_out_and_nobody_waits(
        self, app: Running, telling: Telling, run: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(telling_module, "ROOM_BYTES", 10_000)
        address = await telling.start("127.0.0.1:0")
        with telling.of_step(run, "call", 0, 1) as log:
            log.write(0, "info", "first")
            heard: list[LiveLine] = []
            keys = await app.ledger.keyring.of(run.workspace_id)
            async with asyncio.timeout(20), aclosing(lines_of(address, keys, *run)) as batches:
                async for lines in batches:
                    if not heard:
                        for number in range(1, 500):
                            log.write(number, "info", "x" * 1_000)
                    heard += lines
                    if len(heard) > 1:
                        break
        assert len(heard) < 20
        assert [each.offset for each in heard] == list(range(len(heard)))

    async def test_a_step_that_ended_leaves_nothing(self, telling: Telling, run: Watched) -> None:
        with telling.of_step(run, "call", 0, 1) as log:
            log.write(0, "info", "x")
        assert not telling._logs
        assert not telling._watchers


class TestStrangers:
    async def test_who_lacks_the_keys_hears_nothing(
        self, app: Running, telling: Telling, run: Watched, make_tenant: MakeTenant
    ) -> None:
        address = await telling.start("127.0.0.1:0")
        other = decode("ws", (await make_tenant()).id)
        assert other is not None
        keys = await app.ledger.keyring.of(other)
        with telling.of_step(run, "call", 0, 1) as log:
            log.write(0, "info", "not for everybody")
            assert await refused(address, lambda nonce: asking(keys, nonce, *run)) == b""
            assert await refused(address, lambda nonce: asking(keys, os.urandom(32), other, run.run_id)) == b""
            assert await refused(address, lambda nonce: asking(keys, nonce, other, run.run_id)) == b""

    async def test_an_unknown_workspace_gets_no_keys(self, app: Running, telling: Telling, run: Watched) -> None:
        address, nowhere = await telling.start("127.0.0.1:0"), new_uuid()
        keys = await app.ledger.keyring.of(run.workspace_id)
        assert await refused(address, lambda nonce: asking(keys, nonce, nowhere, run.run_id)) == b""
        assert app.ledger.keyring.cached(nowhere) is None

    async def test_what_others_say_at_the_address_is_not_believed(self, app: Running, run: Watched) -> None:
        async def lies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(bytes(NONCE_BYTES) + (40).to_bytes(4, "big") + bytes(40))
            await reader.read()
            writer.close()

        server = await asyncio.start_server(lies, "127.0.0.1", 0)
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(BadMessage):
            await some(app, address, run, 1)
        server.close()

    async def test_messages_hold_in_their_order_alone(self, app: Running, run: Watched) -> None:
        keys = await app.ledger.keyring.of(run.workspace_id)
        nonce, line = os.urandom(NONCE_BYTES), LiveLine("call", 0, 1, 0, 0, "info", "x")
        writing = Seal(keys, nonce, run.run_id)
        first, second = writing.packed([line]), writing.packed([line])
        for said in (second, first[:-1] + bytes([first[-1] ^ 1])):
            with pytest.raises(BadMessage):
                await Seal(keys, nonce, run.run_id).read(reading(said))
        with pytest.raises(BadMessage):
            await Seal(keys, nonce, uuid.uuid4()).read(reading(first))
        with pytest.raises(BadMessage):
            await Seal(keys, nonce, run.run_id).read(reading(b"\xff\xff\xff\xff"))
        assert await Seal(keys, nonce, run.run_id).read(reading(first)) == [line]


def reading(said: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(said)
    reader.feed_eof()
    return reader
