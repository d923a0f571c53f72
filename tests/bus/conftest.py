"""Of the bus's tests: subscriptions, messages and what the ledger says of them, in a line each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from provenance.bus.deliveries.looping import deliver
from provenance.bus.deliveries.webhook import Webhooks
from provenance.core.egress import Egress
from tests.bus.target import Target, listening
from tests.conftest import Running
from tests.identity.people import admin, make_as

__all__ = ["admin", "make_as"]

Thing = dict[str, Any]


async def subscribe(client: httpx.AsyncClient, **more: Any) -> Thing:
    """Make a subscription; a queue for every topic unless told otherwise."""
    body = {"name": f"s{len(str(more))}-{id(more)}", "topicPattern": "#", "target": {"kind": "queue"}, **more}
    answer = await client.post("/bus/subscriptions", json=body)
    assert answer.status_code == 201, answer.text
    made: Thing = answer.json()
    return made


async def publish(client: httpx.AsyncClient, **message: Any) -> Thing:
    """Publish a message."""
    answer = await client.post("/bus/messages", json=message)
    assert answer.status_code == 201, answer.text
    made: Thing = answer.json()
    return made


async def pulled(client: httpx.AsyncClient, queue: Thing, **more: Any) -> list[Thing]:
    """Take messages of a queue in hand."""
    answer = await client.post(f"/bus/subscriptions/{queue['subscriptionId']}/pull", json=more)
    assert answer.status_code == 200, answer.text
    found: list[Thing] = answer.json()["items"]
    return found


async def acked(client: httpx.AsyncClient, queue: Thing, leased: list[Thing]) -> Thing:
    """Acknowledge messages in hand."""
    receipts = [each["receipt"] for each in leased]
    answer = await client.post(f"/bus/subscriptions/{queue['subscriptionId']}/ack", json={"receipts": receipts})
    assert answer.status_code == 200, answer.text
    found: Thing = answer.json()
    return found


async def interactions(client: httpx.AsyncClient, resource_type: str, action: str) -> list[Thing]:
    """Return the platform rows of an event, newest first."""
    answer = await client.get("/api/interactions", params={"resourceType": resource_type, "action": action})
    assert answer.status_code == 200, answer.text
    found: list[Thing] = answer.json()["data"]
    return found


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    """A target of webhooks."""
    async with listening() as found:
        yield found


@pytest.fixture
async def worker(app: Running) -> AsyncIterator[None]:
    """A worker's side of the bus, for as long as the test lasts."""
    async with working(app):
        yield


@asynccontextmanager
async def working(app: Running) -> AsyncIterator[None]:
    """Deliver to webhooks on the loopback, for as long as the block lasts."""
    stop, egress = asyncio.Event(), Egress(["127.0.0.0/8"])
    webhooks = Webhooks(app.ledger, egress)
    task = asyncio.create_task(deliver(app.ledger, "webhook", webhooks, stop))
    try:
        yield
    finally:
        stop.set()
        await task
        await webhooks.close()
        await egress.close()


async def hook(client: httpx.AsyncClient, target: Target, **more: Any) -> Thing:
    """Subscribe a webhook to every topic; its retries are quick."""
    delivery = {"backoff": {"initialSeconds": 0.05, "maxSeconds": 0.1}, "timeoutSeconds": 2, **more.pop("delivery", {})}
    goes_to = {"kind": "webhook", "url": target.url, **more.pop("of_target", {})}
    return await subscribe(client, target=goes_to, delivery=delivery, **more)


async def settled(client: httpx.AsyncClient, message: Thing, status: str) -> Thing:
    """Wait until a message stands as it should, and return it with its deliveries."""
    found: Thing = {}
    async with asyncio.timeout(60):
        while found.get("status") != status:
            await asyncio.sleep(0.01)
            found = (await client.get(f"/bus/messages/{message['msgId']}")).json()
    return found
