"""A long backlog of few keys: what can be taken is found, however much waits behind it."""

import uuid
from typing import Any

import httpx
import pytest

from provenance.bus.deliveries import claim_queries as queries
from provenance.bus.deliveries.queries import PUT_OFF_NS
from provenance.bus.statements import Within
from provenance.core.clock import NANOS
from tests.bus.conftest import Thing, acked, hook, pulled, settled, subscribe, working
from tests.bus.target import Target
from tests.conftest import Running

KEYS = 3


async def backlog(client: httpx.AsyncClient, count: int) -> list[Thing]:
    """Publish so many messages of few keys."""
    made: list[Thing] = []
    for first in range(0, count, 500):
        numbers = range(first, min(first + 500, count))
        body = [{"topic": "orders", "topicKey": str(number % KEYS), "payload": number} for number in numbers]
        answer = await client.post("/bus/messages/batch", json={"messages": body})
        assert answer.status_code == 201, answer.text
        made += answer.json()["items"]
    return made


async def run(app: Running, sql: str, *arguments: Any) -> list[Any]:
    async with app.ledger.db.housekeeping() as tx:
        return list(await Within(tx).fetch(sql, *arguments))


LATE_HEADS = """
UPDATE bus_deliveries AS d SET due_at = CASE WHEN d.seq = head.seq THEN 2 ELSE 1 END
  FROM (SELECT lane, min(seq) AS seq FROM bus_deliveries WHERE subscription_id = $1 GROUP BY lane) AS head
 WHERE d.subscription_id = $1 AND d.lane = head.lane
"""
DUE = """
SELECT seq, due_at, published_at, lane FROM bus_deliveries WHERE subscription_id = $1 AND state = 'open' ORDER BY seq
"""


@pytest.fixture
async def queue(client: httpx.AsyncClient) -> Thing:
    return await subscribe(client, name="orders", topicPattern="orders", target={"kind": "queue"})


async def test_a_pull_finds_the_oldest_behind_all_that_waits_for_them(
    client: httpx.AsyncClient, app: Running, queue: Thing
) -> None:
    await backlog(client, 600)
    await run(app, LATE_HEADS, queue["subscriptionId"])
    found = await pulled(client, queue, max=10)
    assert [each["message"]["payload"] for each in found] == [0, 1, 2]


async def test_what_comes_next_is_due_as_of_its_publication(
    client: httpx.AsyncClient, app: Running, queue: Thing
) -> None:
    await backlog(client, 3 * KEYS)
    await acked(client, queue, await pulled(client, queue, max=10))
    found = await run(app, DUE, queue["subscriptionId"])
    assert [due == published for _, due, published, _ in found] == [True] * KEYS + [False] * KEYS


async def test_the_further_behind_the_longer_it_is_put_off(client: httpx.AsyncClient, app: Running) -> None:
    target = {"kind": "webhook", "url": "https://example.com/hook"}
    made = await subscribe(client, name="far", topicPattern="orders", target=target)
    await backlog(client, 1_500)
    name = made["subscriptionId"]
    rows = await run(app, DUE, name)
    last = rows[-1]
    oldest = next(seq for seq, _, _, lane in rows if lane == last[3])
    await run(app, "UPDATE bus_deliveries SET due_at = 1 WHERE subscription_id = $1 AND seq = $2", name, last[0])
    async with app.ledger.db.housekeeping() as tx:
        [due] = [each for each in await queries.lock_due(Within(tx), tx.now, "webhook", 10) if each[1] == name]
        wanted = [(due.workspace_id, name, 5, tx.now + 60 * NANOS)]
        await queries.claim(Within(tx), tx.now, wanted, lease=uuid.uuid4(), behind=0, counted=False)
        now = tx.now
    [*_, (_, due_at, _, _)] = await run(app, DUE, name)
    assert due_at - now == (last[0] - oldest) * queries.APART_NS > PUT_OFF_NS


async def test_all_of_it_is_delivered_in_its_order(client: httpx.AsyncClient, app: Running, target: Target) -> None:
    made = await hook(client, target, status="paused", topicPattern="orders")
    messages = await backlog(client, 600)
    await run(app, LATE_HEADS, made["subscriptionId"])
    async with working(app):
        answer = await client.put(
            f"/bus/subscriptions/{made['subscriptionId']}", json={**_asked(made), "status": "active"}
        )
        assert answer.status_code == 200, answer.text
        for message in messages[-KEYS:]:
            await settled(client, message, "delivered")
    came = target.payloads()
    assert [[each for each in came if each % KEYS == key] for key in range(KEYS)] == [
        list(range(key, 600, KEYS)) for key in range(KEYS)
    ]


def _asked(made: Thing) -> Thing:
    return {name: made[name] for name in ("name", "topicPattern", "target", "delivery")}
