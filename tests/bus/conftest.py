"""Of the bus's tests: subscriptions, messages and what the ledger says of them, in a line each."""

from typing import Any

import httpx

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
