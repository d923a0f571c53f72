"""Dead letters, delivering again, figures."""

import subprocess
import sys
import uuid
from typing import Any

import httpx
import pytest

from provenance.bus.deliveries import claim_queries as queries
from provenance.bus.deliveries.schemas import DEAD, Result, Try
from provenance.bus.deliveries.settling import settle
from provenance.bus.statements import Within
from provenance.core.db import WriteTx
from tests.bus.conftest import acked, hook, interactions, publish, pulled, settled, subscribe, working
from tests.bus.target import Target
from tests.conftest import Running


@pytest.mark.usefixtures("worker")
class TestDeadLetters:
    async def test_a_dead_letter_is_listed_and_tried_again(self, client: httpx.AsyncClient, target: Target) -> None:
        target.answer = 400
        made = await hook(client, target)
        message = await publish(client, topic="a/b", payload={"n": 1})
        await settled(client, message, "dead")
        [letter] = (await client.get("/bus/dead-letters", params={"topic": "a/b"})).json()["items"]
        assert (letter["msgId"], letter["subscriptionId"]) == (message["msgId"], made["subscriptionId"])
        assert "400: said" in letter["said"]
        assert letter["message"]["payload"] == {"n": 1}
        assert (await client.get("/bus/dead-letters", params={"subscriptionId": "other"})).json()["items"] == []
        target.answer = 200
        path = f"/bus/dead-letters/{message['msgId']}/redrive"
        answer = await client.post(path, json={})
        assert (answer.status_code, answer.json()["redriven"]) == (200, 1), answer.text
        detail = await settled(client, message, "delivered")
        assert [each["outcome"] for each in detail["deliveries"][0]["log"]] == ["failed", "delivered"]
        again = await client.post(path, json={})
        assert (again.status_code, again.json()["code"]) == (409, "nothing_to_redrive")
        assert len(await interactions(client, "BUS", "REDRIVEN")) == 1

    async def test_one_that_is_not_kept_is_on_record_and_nowhere_else(
        self, client: httpx.AsyncClient, target: Target
    ) -> None:
        target.answer = 410
        await hook(client, target, deadLetter={"enabled": False})
        message = await publish(client, topic="a", payload=1)
        detail = await settled(client, message, "dead")
        assert detail["deliveries"][0]["state"] == "dropped"
        assert (await client.get("/bus/dead-letters")).json()["items"] == []
        [entry] = await interactions(client, "BUS", "DEAD_LETTERED")
        assert entry["interaction"]["kept"] is False


async def own_due(tx: WriteTx, subscription: dict[str, Any]) -> list[queries.Due]:
    """What is due of a subscription; those of other tests may have something due, too."""
    due = await queries.lock_due(Within(tx), tx.now, "webhook", 1_000)
    return [each for each in due if each.subscription_id == subscription["subscriptionId"]]


class TestKilled:
    async def test_what_a_killed_worker_had_goes_again_with_the_same_id(
        self, client: httpx.AsyncClient, target: Target, app: Running
    ) -> None:
        """The lease of whoever is gone runs out; what it says late changes nothing any more."""
        made = await hook(client, target)
        messages = [await publish(client, topic="k", payload=place, topicKey="k") for place in range(3)]
        async with app.ledger.db.housekeeping() as tx:
            [due] = await own_due(tx, made)
            wanted = [(due.workspace_id, due.subscription_id, 5, tx.now + 10**12)]
            taken = await queries.claim(Within(tx), tx.now, wanted, lease=uuid.uuid4(), behind=7, counted=False)
        held = [each.claimed for each in taken]
        assert [each.seq for each in held] == sorted(each.seq for each in held)
        assert len(held) == 3, "the oldest of a lane, and those right behind it"
        async with app.ledger.db.housekeeping() as tx:
            assert await own_due(tx, made) == []
            await tx.driver_sql(
                "UPDATE bus_deliveries SET due_at = 0 WHERE subscription_id = $1", (made["subscriptionId"],)
            )
        async with working(app):
            for each in messages:
                await settled(client, each, "delivered")
        assert target.payloads() == [0, 1, 2]
        assert [each.headers["webhook-id"] for each in target.came] == [each["msgId"] for each in messages]
        late = [Result(each, DEAD, 0, 1, Try(0, False, "late", 0)) for each in held]
        async with app.ledger.db.housekeeping(held[0].workspace_id) as tx:
            await settle(tx, late)
        for each in messages:
            assert (await client.get(f"/bus/messages/{each['msgId']}")).json()["status"] == "delivered"
        assert await interactions(client, "BUS", "DEAD_LETTERED") == []


class TestReplay:
    async def test_from_a_number_on_in_the_ledgers_order(self, client: httpx.AsyncClient) -> None:
        for place in range(4):
            await publish(client, topic="r/a", payload=place, topicKey="k")
        await publish(client, topic="other", payload=9)
        rows = await interactions(client, "BUS", "MESSAGE_PUBLISHED")
        second = sorted(each["interactionNumber"] for each in rows)[1]
        late = await subscribe(client, topicPattern="r/#", filter="payload != 2")
        path = f"/bus/subscriptions/{late['subscriptionId']}/replay"
        answer = await client.post(path, json={"fromNumber": second})
        assert answer.json() == {"replayed": 2, "nextNumber": None}
        seen = []
        while found := await pulled(client, late, max=10):
            seen += [each["message"]["payload"] for each in found]
            await acked(client, late, found)
        assert seen == [1, 3]
        assert len(await interactions(client, "BUS", "REPLAYED")) == 1


class TestMetrics:
    async def test_what_happened(self, client: httpx.AsyncClient) -> None:
        queue = await subscribe(client, name="all", filter="payload > 0")
        for place in range(3):
            await publish(client, topic=f"m/{place}", payload=place)
        [first, _] = await pulled(client, queue)
        await acked(client, queue, [first])
        found = (await client.get("/bus/metrics")).json()
        assert (found["published"], found["delivered"], found["filtered"], found["queueDepth"]) == (3, 1, 1, 1)
        assert found["p95DeliveryMs"] >= 0
        assert [each["topic"] for each in sorted(found["byTopic"], key=lambda each: each["topic"])] == [
            "m/0", "m/1", "m/2",
        ]  # fmt: skip
        [of_queue] = found["bySubscription"]
        assert (of_queue["subscriptionId"], of_queue["open"]) == (queue["subscriptionId"], 1)
        narrow = (await client.get("/bus/metrics", params={"topic": "m/+"})).json()
        assert narrow["published"] == 3
        assert (await client.get("/bus/metrics", params={"topic": "m/2"})).json()["published"] == 1
        bad = await client.get("/bus/metrics", params={"from": "2020-01-01T00:00:00Z"})
        assert (bad.status_code, bad.json()["code"]) == (400, "bad_period")


def test_what_the_worker_needs_of_the_bus_loads_no_web_framework() -> None:
    needed = "provenance.bus.deliveries.tasks, provenance.bus.messages.tasks"
    told = f"import sys, {needed}; print(sorted({{'fastapi', 'starlette', 'uvicorn'}} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
