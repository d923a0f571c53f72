"""A bridge whose workspace used up its messages: it stands still, says why, and loses nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from nats.js.client import JetStreamContext

from provenance.billing.allowing import Allowed
from provenance.bus.bridges import recording, service, tasks
from provenance.core.actor import Actor, Kind
from provenance.core.ids import decode
from provenance.ledger.service import Ledger
from provenance.workspace.errors import PlanLimitReached
from tests.bus.bridges.conftest import consuming, messages, standing, stands
from tests.bus.bridges.servers import NatsServer
from tests.bus.conftest import interactions
from tests.conftest import Running, Tenant

MOST = 3


@asynccontextmanager
async def working(ledger: Ledger) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(tasks.run(ledger, stop, lease_seconds=1.5))
    yield
    stop.set()
    await task


@pytest.fixture
async def limited(near: Running) -> AsyncIterator[Ledger]:
    """A worker's ledger where plans have a limit of messages."""
    limits = {"self_hosted": {"busMessages": MOST}}
    found = Ledger(near.ledger.settings.model_copy(update={"plan_limits": limits}), near.ledger.db.url)
    found.use(near.ledger.keyring)
    yield found
    await found.stop()


async def test_it_takes_what_is_allowed_and_goes_on_when_more_is(
    client: httpx.AsyncClient,
    server: NatsServer,
    jetstream: JetStreamContext,
    stream: str,
    near: Running,
    limited: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "LONGEST_BACKOFF_SECONDS", 0.05)
    monkeypatch.setattr(tasks, "LOOK_SECONDS", 0.05)
    for number in range(MOST + 2):
        await jetstream.publish(f"{stream}.n", b"%d" % number)
    bridge = await consuming(client, server, stream)
    async with working(limited):
        await stands(client, bridge, passed=MOST)
        async with asyncio.timeout(30):
            while (await standing(client, bridge))["failuresInARow"] <= recording.FAILING_AFTER:
                await asyncio.sleep(0.05)
    found = await standing(client, bridge)
    assert found["said"].startswith(f"The workspace's plan allows {MOST} messages of the bus in a calendar month; 0")
    assert (found["passed"], found["deadLettered"], found["repeated"]) == (MOST, 0, 0)
    info = await jetstream.consumer_info(stream, bridge["bridgeId"])
    assert (info.num_pending, info.num_ack_pending) == (2, 0)
    async with working(near.ledger):
        await stands(client, bridge, passed=MOST + 2, failuresInARow=0)
    assert [each["payload"] for each in await messages(client)] == list(range(MOST + 2))
    assert len(await interactions(client, "BUS", "DELIVERY_FAILED")) == 1
    assert len(await interactions(client, "BUS", "DELIVERY_RECOVERED")) == 1


async def test_a_dead_letter_is_redriven_when_that_is_allowed(
    client: httpx.AsyncClient,
    server: NatsServer,
    jetstream: JetStreamContext,
    stream: str,
    near: Running,
    tenant: Tenant,
    limited: Ledger,
) -> None:
    schema = {"name": "o", "topicPattern": "orders/#", "mode": "reject", "schema": {"required": ["id"]}}
    made = (await client.post("/bus/schemas", json=schema)).json()
    await jetstream.publish(f"{stream}.orders", b'{"n": 1}')
    bridge = await consuming(client, server, stream)
    async with working(near.ledger):
        await stands(client, bridge, deadLettered=1)
    assert (await client.delete(f"/bus/schemas/{made['schemaId']}")).status_code == 200
    sent = {"messages": [{"topic": "other", "payload": 1}] * MOST}
    assert (await client.post("/bus/messages/batch", json=sent)).status_code == 201
    path = f"/api/bus/bridges/{bridge['bridgeId']}/dead-letters"
    [dead] = (await client.get(path)).json()["items"]
    workspace_id = decode("ws", tenant.id)
    assert workspace_id is not None
    with pytest.raises(PlanLimitReached):
        async with near.ledger.db.write(Actor(Kind.SYSTEM, "system", workspace_id)) as tx:
            await service.redrive(tx, Allowed(limited, "busMessages"), bridge["bridgeId"], dead["deadLetterId"])
    assert (await client.get(path)).json()["items"] == [dead]
    assert (await client.post(f"{path}/{dead['deadLetterId']}/redrive")).status_code == 200
