"""Both sides killed at any moment: every message once in our ledger, every message once in the stream, in order."""

import asyncio
import random
from pathlib import Path

import httpx
import nats.errors
import pytest

from tests.bus.bridges.conftest import Thing, consuming, messages, publishing, stands
from tests.bus.bridges.servers import NatsServer, client_of
from tests.bus.bridges.workers import kill, start_worker
from tests.conftest import Running

MESSAGES = 120
KEYS = 6


@pytest.fixture
async def mortal(tmp_path: Path) -> NatsServer:
    """A server of a test's own, that will be killed."""
    found = NatsServer(tmp_path)
    await found.start()
    return found


async def written(server: NatsServer, stream: str) -> None:
    """Write messages as another system does, each until it is acknowledged, with an id of its own."""
    async with client_of(server, max_reconnect_attempts=-1) as (_, jetstream):
        for number in range(MESSAGES):
            await _until_taken(jetstream, stream, number)


async def _until_taken(jetstream: object, stream: str, number: int) -> None:
    payload = b'{"n": %d, "key": "k%d"}' % (number, number % KEYS)
    while True:
        try:
            await jetstream.publish(  # type: ignore[attr-defined]
                f"{stream}.n", payload, timeout=1, headers={"Nats-Msg-Id": f"{stream}-{number}"}
            )
        except nats.errors.Error:
            await asyncio.sleep(0.02)
        else:
            return


async def faults(near: Running, server: NatsServer, seed: int) -> asyncio.subprocess.Process:
    """Kill the worker and the server in turn of chance, and start them again; return the worker that lives."""
    chance = random.Random(seed)
    worker = await start_worker(near)
    for which in chance.sample(["worker", "server", "both"], 3):
        await asyncio.sleep(chance.uniform(0.1, 0.6))
        if which != "worker":
            server.kill()
        if which != "server":
            await kill(worker)
            worker = await start_worker(near)
        if which != "worker":
            await server.start()
    return worker


class TestConsuming:
    @pytest.mark.parametrize("seed", [1])
    async def test_every_message_once(
        self, near: Running, client: httpx.AsyncClient, mortal: NatsServer, seed: int
    ) -> None:
        async with client_of(mortal) as (_, jetstream):
            await jetstream.add_stream(name="orders", subjects=["orders.>"])
        bridge = await consuming(client, mortal, "orders", consume={"topicKeyPath": "key"})
        writing = asyncio.create_task(written(mortal, "orders"))
        worker = await faults(near, mortal, seed)
        await writing
        await stands(client, bridge, passed=MESSAGES)
        await kill(worker)
        mortal.stop()
        found = [message["payload"]["n"] for message in await messages(client)]
        assert sorted(found) == list(range(MESSAGES))
        assert await recorded(client) == MESSAGES


class TestPublishing:
    @pytest.mark.parametrize("seed", [2])
    async def test_every_message_once_and_in_order(
        self, near: Running, client: httpx.AsyncClient, mortal: NatsServer, seed: int
    ) -> None:
        async with client_of(mortal) as (_, jetstream):
            await jetstream.add_stream(name="orders", subjects=["orders.>"])
        bridge = await publishing(client, mortal, "orders")
        writing = asyncio.create_task(published(client))
        worker = await faults(near, mortal, seed)
        ids = await writing
        await stands(client, bridge, lag=0, number=await highest(client))
        await kill(worker)
        async with client_of(mortal) as (_, jetstream):
            last = (await jetstream.stream_info("orders")).state.messages
            stored = [await jetstream.get_msg("orders", seq=each) for each in range(1, last + 1)]
        mortal.stop()
        found = [(each.headers or {})["Nats-Msg-Id"] for each in stored]
        assert sorted(found) == sorted(ids)
        for key in range(KEYS):
            mine = [each for number, each in enumerate(ids) if number % KEYS == key]
            assert [each for each in found if each in mine] == mine


async def recorded(client: httpx.AsyncClient) -> int:
    """Return how many publishings the ledger has."""
    params = {"resourceType": "BUS", "action": "MESSAGE_PUBLISHED", "limit": 200}
    return len((await client.get("/api/interactions", params=params)).json()["data"])


async def published(client: httpx.AsyncClient) -> list[str]:
    """Publish messages in batches; return their ids."""
    ids: list[str] = []
    for first in range(0, MESSAGES, 12):
        batch: list[Thing] = [
            {"topic": "n", "topicKey": f"k{number % KEYS}", "payload": {"n": number}}
            for number in range(first, first + 12)
        ]
        answer = await client.post("/bus/messages/batch", json={"messages": batch})
        assert answer.status_code == 201, answer.text
        ids += [each["msgId"] for each in answer.json()["items"]]
        await asyncio.sleep(0.05)
    return ids


async def highest(client: httpx.AsyncClient) -> int:
    """Return the workspace's highest number."""
    rows = (await client.get("/api/interactions", params={"limit": 1})).json()["data"]
    number: int = rows[0]["interactionNumber"]
    return number
