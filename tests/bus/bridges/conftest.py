"""Of the bridges' tests: a real NATS server, a server of ours that may reach the loopback, a worker's side."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from nats.js.client import JetStreamContext

from provenance.bus.bridges import recording, tasks
from provenance.core.ids import random_letters
from provenance.core.settings import Settings
from tests.bus.bridges.servers import NatsServer, client_of
from tests.conftest import Running, Tenant, make_tenant_of, running

Thing = dict[str, Any]


@pytest.fixture(scope="session")
async def near(settings: Settings, app: Running) -> AsyncIterator[Running]:
    """A server over the run's database that may call the loopback."""
    async with running(settings.model_copy(update={"egress_allow": ["127.0.0.0/8", "localhost"]})) as found:
        yield found


@pytest.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """A NATS server for all tests; those that kill it start it again."""
    found = NatsServer(tmp_path_factory.mktemp("nats"))
    await found.start()
    yield found
    found.stop()


@pytest.fixture
async def jetstream(server: NatsServer) -> AsyncIterator[JetStreamContext]:
    """JetStream as another system uses it."""
    async with client_of(server) as (_, found):
        yield found


@pytest.fixture
async def client(near: Running, tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a fresh workspace."""
    async with httpx.AsyncClient(base_url=near.url, headers={"x-api-key": tenant.key}, timeout=30) as found:
        yield found


@pytest.fixture
async def tenant(near: Running) -> Tenant:
    """A fresh workspace."""
    return await make_tenant_of(near.ledger)


@pytest.fixture
async def worker(near: Running, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A worker's side of bridges, for as long as the test lasts; it does not wait long after a failure."""
    monkeypatch.setattr(recording, "LONGEST_BACKOFF_SECONDS", 0.1)
    monkeypatch.setattr(tasks, "LOOK_SECONDS", 0.1)
    stop = asyncio.Event()
    task = asyncio.create_task(tasks.run(near.ledger, stop, lease_seconds=1.5))
    yield
    stop.set()
    await task


@pytest.fixture(autouse=True)
async def no_leftovers(near: Running) -> AsyncIterator[None]:
    """Let bridges end with their test, so that no other test's worker takes them."""
    yield
    async with near.ledger.db.housekeeping() as tx:
        await tx.driver_sql("DELETE FROM bus_bridges")


@pytest.fixture
async def stream(jetstream: JetStreamContext) -> str:
    """A stream of its own for a test, which takes the subjects below its name."""
    name = random_letters(12)
    await jetstream.add_stream(name=name, subjects=[f"{name}.>"])
    return name


async def consuming(client: httpx.AsyncClient, nats: NatsServer, stream: str, **more: Any) -> Thing:
    """Make a bridge from a stream; its subjects lose the stream's name."""
    consume = {"subjects": [f"{stream}.>"], "topic": "{2..}", **more.pop("consume", {})}
    body = {"direction": "consume", "stream": stream, "consume": consume}
    return await made(client, nats, body, **more)


async def publishing(client: httpx.AsyncClient, nats: NatsServer, stream: str, **more: Any) -> Thing:
    """Make a bridge to a stream; its subjects are below the stream's name."""
    publish = {"topicPattern": "#", "subject": f"{stream}.{{1..}}", **more.pop("publish", {})}
    return await made(client, nats, {"direction": "publish", "publish": publish}, **more)


async def made(client: httpx.AsyncClient, nats: NatsServer, body: Thing, **more: Any) -> Thing:
    """Make a bridge."""
    place = {"urls": [nats.url], "plaintext": True, **more.pop("server", {})}
    answer = await client.post("/api/bus/bridges", json={"name": "one", "server": place, **body, **more})
    assert answer.status_code == 201, answer.text
    found: Thing = answer.json()
    return found


async def changed(client: httpx.AsyncClient, bridge: Thing, **more: Any) -> Thing:
    """Change a bridge."""
    kept = {name: bridge[name] for name in ("name", "direction", "server", "stream", "consume", "publish")}
    answer = await client.put(f"/api/bus/bridges/{bridge['bridgeId']}", json={**kept, **more})
    assert answer.status_code == 200, answer.text
    found: Thing = answer.json()
    return found


async def standing(client: httpx.AsyncClient, bridge: Thing) -> Thing:
    """Return how a bridge is doing."""
    answer = await client.get(f"/api/bus/bridges/{bridge['bridgeId']}")
    assert answer.status_code == 200, answer.text
    found: Thing = answer.json()["standing"]
    return found


async def stands(client: httpx.AsyncClient, bridge: Thing, **wanted: Any) -> Thing:
    """Wait until a bridge stands as it should, and return how."""
    found: Thing = {}
    try:
        async with asyncio.timeout(40):
            while any(found.get(name) != value for name, value in wanted.items()):
                await asyncio.sleep(0.05)
                found = await standing(client, bridge)
    except TimeoutError:
        pytest.fail(f"{wanted} never came: {found}")
    return found


async def messages(client: httpx.AsyncClient) -> list[Thing]:
    """Return every message of the workspace, in the order in which they were published."""
    found: list[Thing] = []
    cursor: str | None = None
    while True:
        params = {"limit": 200, **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/bus/messages", params=params)).json()
        found += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            return found[::-1]


async def stored_in(jetstream: JetStreamContext, stream: str) -> list[Any]:
    """Return every message of a stream, in its order."""
    info = await jetstream.stream_info(stream)
    return [await jetstream.get_msg(stream, seq=each) for each in range(1, info.state.last_seq + 1)]
