"""Groups of messages in one statement: it holds only what it was routed by, and leaves nothing where that changed."""

import asyncio
from typing import Any

import httpx
from sqlalchemy import text

from provenance.bus import at_once
from tests.bus.conftest import interactions, publish, pulled, subscribe
from tests.conftest import Running
from tests.postgres.plans import kept_plan


async def _stored(client: httpx.AsyncClient) -> list[Any]:
    """Return what is stored of the messages, newest first: what they carry, and how many subscriptions get them."""
    items = (await client.get("/bus/messages", params={"limit": 100})).json()["items"]
    assert len(await interactions(client, "BUS", "MESSAGE_PUBLISHED")) == len(items)
    return [(each["payload"], each["matchedSubscriptions"]) for each in items]


async def test_what_was_subscribed_or_left_before_a_message_holds_for_it(client: httpx.AsyncClient) -> None:
    await publish(client, topic="orders", payload=0)
    queue = await subscribe(client)
    await publish(client, topic="orders", payload=1)
    await publish(client, topic="orders", payload=2, topicKey="k")
    assert (await client.delete(f"/bus/subscriptions/{queue['subscriptionId']}")).status_code == 200
    await publish(client, topic="orders", payload=3)
    assert await _stored(client) == [(3, 0), (2, 1), (1, 1), (0, 0)]


async def test_a_schema_holds_from_the_next_message_on(client: httpx.AsyncClient) -> None:
    await publish(client, topic="orders", payload="free")
    schema = {"name": "numbers", "topicPattern": "#", "schema": {"type": "number"}, "mode": "reject"}
    made = (await client.post("/bus/schemas", json=schema)).json()
    refused = await client.post("/bus/messages", json={"topic": "orders", "payload": "held"})
    assert (refused.status_code, refused.json()["code"]) == (400, "schema_validation")
    await publish(client, topic="orders", payload=1)
    assert (await client.delete(f"/bus/schemas/{made['schemaId']}")).status_code == 200
    await publish(client, topic="orders", payload="free again")
    assert [payload for payload, _ in await _stored(client)] == ["free again", 1, "free"]


async def test_one_that_is_refused_takes_nothing_of_its_group_with_it(client: httpx.AsyncClient) -> None:
    schema = {"name": "numbers", "topicPattern": "#", "schema": {"type": "number"}, "mode": "reject"}
    assert (await client.post("/bus/schemas", json=schema)).status_code == 201
    await publish(client, topic="orders", payload=-1)
    sent = [{"topic": "orders", "payload": place if place % 3 else "no number"} for place in range(30)]
    answers = await asyncio.gather(*[client.post("/bus/messages", json=each) for each in sent])
    assert [each.status_code for each in answers] == [201 if place % 3 else 400 for place in range(30)]
    assert sorted(payload for payload, _ in await _stored(client)) == [-1, *[place for place in range(30) if place % 3]]


async def test_texts_arrive_as_they_were_sent(client: httpx.AsyncClient) -> None:
    queue = await subscribe(client)
    texts = ["null", 'a "quoted" one', "back\\slash", "{1,2}", "line\nfeed", "ünïcode ✓", " ", "NULL"]
    for one in texts:
        await publish(client, topic="null", payload={"text": one}, topicKey=one, correlationId=one)
    found = [each["message"] for each in await pulled(client, queue, max=100)]
    assert sorted(each["payload"]["text"] for each in found) == sorted(texts)
    for each in found:
        assert (each["topic"], each["topicKey"], each["correlationId"]) == ("null", *[each["payload"]["text"]] * 2)
    told = [entry["interaction"]["topicKey"] for entry in await interactions(client, "BUS", "MESSAGE_PUBLISHED")]
    assert sorted(told) == sorted(texts)


async def test_a_key_that_cannot_be_stored_is_refused(client: httpx.AsyncClient) -> None:
    event = {"ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-specversion": "1.0", "ce-partitionkey": "a%00b"}
    answer = await client.post("/bus/messages", content=b"1", headers={**event, "content-type": "application/json"})
    assert (answer.status_code, answer.json()["details"][0]["path"]) == (400, "topicKey")


async def test_a_lost_connection_neither_loses_nor_doubles_a_message(client: httpx.AsyncClient, app: Running) -> None:
    await publish(client, topic="orders", payload=0)
    gone = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'provenance bus' AND datname = current_database()"
    )
    sending = [asyncio.create_task(publish(client, topic="orders", payload=place)) for place in range(1, 40)]
    for _ in range(3):
        async with app.ledger.db.housekeeping() as tx:
            await tx.execute(text(gone))
        await asyncio.sleep(0)
    await asyncio.gather(*sending)
    assert sorted(payload for payload, _ in await _stored(client)) == list(range(40))


async def test_a_lane_is_looked_up_by_its_own_index(postgres_url: str) -> None:
    plan = await kept_plan(postgres_url, at_once.WITH_DELIVERIES)
    assert plan.count("using ix_bus_deliveries_lanes") == 1, plan
    assert "Seq Scan on bus_deliveries" not in plan, plan
    assert "hashed" not in plan, "everything that is open would be read"
