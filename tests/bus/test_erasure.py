"""Content that is erased is erased on the bus as well: messages of the same unit of work, wherever they have got to."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from provenance.bus.messages import tasks
from provenance.core.actor import Role
from provenance.core.db import asyncpg_dsn
from provenance.ledger.erasure.forgetting import registered
from tests.bus.conftest import Thing, acked, hook, publish, pulled, settled, subscribe, working
from tests.bus.target import Target
from tests.conftest import Running, Tenant
from tests.ledger.test_erasure import erased, person_client

NAME = "Grace Hopper"


@pytest.fixture
async def admin(app: Running, workspace: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    client = await person_client(app, workspace, Role.ADMIN)
    yield client
    await client.aclose()


async def happened(client: httpx.AsyncClient, person: str, uow: str) -> None:
    """Record something that a person did, in a unit of work."""
    sent = {"resourceId": "order-1", "resourceType": "ORDER", "action": "CREATE", "origin": "SHOP", "userId": person}
    answer = await client.post("/api/interactions", json=sent, headers={"x-uowid": uow})
    assert answer.status_code == 201, answer.text


async def told(client: httpx.AsyncClient, uow: str, **message: Any) -> Thing:
    """Publish what it says in a unit of work."""
    answer = await client.post("/bus/messages", json=message, headers={"x-uowid": uow})
    assert answer.status_code == 201, answer.text
    made: Thing = answer.json()
    return made


async def traces(app: Running, text: str) -> dict[str, int]:
    """Return how many rows of the bus's tables hold a text."""
    connection = await asyncpg.connect(asyncpg_dsn(app.ledger.db.url))
    try:
        return {
            table: await connection.fetchval(
                f"SELECT count(*) FROM {table} AS t WHERE t::text LIKE '%' || $1 || '%'",
                text,
            )
            for table in ("bus_messages", "bus_payloads", "bus_deliveries")
        }
    finally:
        await connection.close()


async def test_messages_of_an_erased_unit_of_work_are_gone_and_no_others(
    app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, target: Target
) -> None:
    theirs, others = str(uuid.uuid4()), str(uuid.uuid4())
    await happened(client, "person-1", theirs)
    await happened(client, "person-2", others)
    name = f"{NAME} {theirs}"
    target.answer = lambda came: 400 if name in came.body.decode() else 200
    await hook(client, target, topicPattern="dead/#")
    queue = await subscribe(client, name="queue", topicPattern="orders/#")
    gone = [
        await told(client, theirs, topic="orders/a", payload={"name": name}, topicKey=name),
        await told(client, theirs, topic="orders/b", payload={"name": name, "much": "x" * 500_000}),
        await told(client, theirs, topic="dead/a", payload={"name": name}),
    ]
    kept = [
        await told(client, others, topic="orders/a", payload={"other": 1}),
        await publish(client, topic="orders/c", payload={"none": 1}),
    ]
    async with working(app):
        await settled(client, gone[2], "dead")
    [held] = await pulled(client, queue, max=1)
    assert held["message"]["msgId"] == gone[0]["msgId"]
    assert (await traces(app, name))["bus_payloads"] == 1

    await erased(app, admin, userId="person-1")

    assert await traces(app, name) == {"bus_messages": 0, "bus_payloads": 0, "bus_deliveries": 0}
    for each in gone:
        assert (await client.get(f"/bus/messages/{each['msgId']}")).status_code == 404
    assert (await client.get("/bus/dead-letters")).json()["items"] == []
    assert (await acked(client, queue, [held]))["lost"] == [held["receipt"]]
    left = await pulled(client, queue, max=10)
    assert [each["message"]["msgId"] for each in left] == [each["msgId"] for each in kept]


def test_what_the_bus_forgets_is_cleaned_up_with_the_ledgers_tables() -> None:
    ours = [each for each in registered if each.table.startswith("bus_")]
    assert [each.table for each in ours] == ["bus_deliveries", "bus_payloads", "bus_messages"]
    assert ours[-1].forget is tasks.forget_messages, "last, for the others are found by them"
