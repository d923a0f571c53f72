"""From publishing to a pull queue and a dead letter, over HTTP."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.bus.conftest import acked, interactions, publish, pulled, subscribe
from tests.conftest import MakeTenant, Running


class TestPublish:
    async def test_a_message_its_delivery_and_its_entry_are_there_when_the_answer_comes(
        self, client: httpx.AsyncClient
    ) -> None:
        queue = await subscribe(client, topicPattern="orders/+")
        sent = {"topic": "orders/created", "payload": {"id": 7, "total": 12.5}, "topicKey": "7", "correlationId": "c-1"}
        answer = await client.post("/bus/messages", json=sent)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert made.keys() == {"msgId", "topic", "publishedAt", "matchedSubscriptions"}
        assert made["topic"] == "orders/created"
        assert made["matchedSubscriptions"] == 1
        detail = (await client.get(f"/bus/messages/{made['msgId']}")).json()
        assert detail["payload"] == {"id": 7, "total": 12.5}
        assert detail["status"] == "accepted"
        assert detail["hopCount"] == 0
        [delivery] = detail["deliveries"]
        assert delivery["subscriptionId"] == queue["subscriptionId"]
        assert delivery["state"] == "open"
        [entry] = await interactions(client, "BUS", "MESSAGE_PUBLISHED")
        assert entry["resourceId"] == made["msgId"]
        assert entry["interaction"]["topic"] == "orders/created"
        assert "12.5" not in str(entry["interaction"])

    async def test_a_message_that_nobody_wants_is_kept_all_the_same(self, client: httpx.AsyncClient) -> None:
        made = await publish(client, topic="nobody/listens", payload=None)
        assert made["matchedSubscriptions"] == 0
        assert (await client.get(f"/bus/messages/{made['msgId']}")).json()["deliveries"] == []

    async def test_the_repeat_of_a_key_publishes_nothing(self, client: httpx.AsyncClient) -> None:
        queue = await subscribe(client)
        headers = {"Idempotency-Key": "once"}
        answers = [await client.post("/bus/messages", json={"topic": "a", "payload": 1}, headers=headers) for _ in "12"]
        assert [each.status_code for each in answers] == [201, 201]
        assert answers[0].json() == answers[1].json()
        assert len(await pulled(client, queue)) == 1

    async def test_a_batch_is_let_in_whole_or_not_at_all(self, client: httpx.AsyncClient) -> None:
        queue = await subscribe(client)
        good = [{"topic": "a/b", "payload": place} for place in range(3)]
        answer = await client.post("/bus/messages/batch", json={"messages": good})
        assert answer.status_code == 201, answer.text
        assert len(answer.json()["items"]) == 3
        bad = await client.post("/bus/messages/batch", json={"messages": [*good, {"topic": "a//b", "payload": 1}]})
        assert bad.status_code == 400
        assert bad.json()["details"][0]["path"] == "messages[3].topic"
        assert [each["message"]["payload"] for each in await pulled(client, queue)] == [0, 1, 2]

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"topic": "a b", "payload": 1}, "topic"),
            ({"topic": "a"}, "$"),
            ({"topic": 5, "payload": 1}, "topic"),
            ({"topic": "a", "payload": 1, "ttlSeconds": 0}, "ttlSeconds"),
            ({"topic": "a", "payload": 1, "topicKey": ""}, "topicKey"),
            ({"topic": "a", "payload": 1, "more": 1}, "$"),
            ({"topic": "a", "payload": 1, "schemaId": "sch_1"}, "schemaId"),
            ({"topic": "a", "payload": 1, "causedBy": "msg_1"}, "causedBy"),
        ],
        ids=["topic", "no payload", "type", "ttl", "key", "unknown", "schema", "cause"],
    )
    async def test_what_is_no_message_is_refused_by_its_path(
        self, client: httpx.AsyncClient, body: dict[str, Any], path: str
    ) -> None:
        await publish(client, topic="a", payload=0)  # so that the caller is known, and the express is taken
        for more in ({}, {"Idempotency-Key": "x"}):
            answer = await client.post("/bus/messages", json=body, headers=more)
            assert answer.status_code == 400, answer.text
            assert answer.json()["details"][0]["path"] == path

    async def test_a_large_payload_goes_by_reference(self, client: httpx.AsyncClient) -> None:
        queue = await subscribe(client)
        payload = {"text": "x" * 410_000}
        made = await publish(client, topic="large", payload=payload)
        [leased] = await pulled(client, queue)
        assert leased["message"]["payload"] is None
        assert leased["message"]["payloadRef"] == f"/bus/messages/{made['msgId']}/payload"
        assert (await client.get(leased["message"]["payloadRef"])).json() == payload
        over = await client.post("/bus/messages", json={"topic": "large", "payload": "x" * 1_048_576})
        assert over.status_code == 400

    async def test_a_chain_of_causes_ends_at_sixteen_hops(self, client: httpx.AsyncClient) -> None:
        made = await publish(client, topic="loop", payload=0)
        for hop in range(1, 17):
            made = await publish(client, topic="loop", payload=hop, causedBy=made["msgId"])
        answer = await client.post("/bus/messages", json={"topic": "loop", "payload": 17, "causedBy": made["msgId"]})
        assert (answer.status_code, answer.json()["code"]) == (409, "hop_limit")
        [entry] = await interactions(client, "BUS", "LOOP_BLOCKED")
        assert entry["interaction"]["hopCount"] == 17
        published = await interactions(client, "BUS", "MESSAGE_PUBLISHED")
        assert len({each["uowId"] for each in published}) == 1, "one trace"

    async def test_many_at_once_share_commits_and_keep_the_order_of_their_senders(
        self, client: httpx.AsyncClient
    ) -> None:
        queue = await subscribe(client, delivery={"maxInFlight": 1000})

        async def send(key: int) -> None:
            for place in range(10):
                await publish(client, topic="many", payload=place, topicKey=str(key))

        await asyncio.gather(*[send(key) for key in range(12)])
        seen: dict[str, list[int]] = {}
        while found := await pulled(client, queue, max=100):
            for each in found:
                seen.setdefault(each["message"]["topicKey"], []).append(each["message"]["payload"])
            await acked(client, queue, found)
        assert seen == {str(key): list(range(10)) for key in range(12)}


class TestReading:
    async def test_messages_are_listed_by_what_was_asked_for(self, client: httpx.AsyncClient) -> None:
        for place in range(5):
            await publish(client, topic=f"list/{place % 2}", payload=place, correlationId=f"c{place}")
        page = (await client.get("/bus/messages", params={"limit": 2, "topic": "list/0"})).json()
        assert [each["payload"] for each in page["items"]] == [4, 2]
        rest = await client.get("/bus/messages", params={"limit": 2, "topic": "list/0", "cursor": page["nextCursor"]})
        assert [each["payload"] for each in rest.json()["items"]] == [0]
        assert rest.json()["nextCursor"] is None
        by_cause = await client.get("/bus/messages", params={"correlationId": "c3"})
        assert [each["payload"] for each in by_cause.json()["items"]] == [3]
        none = await client.get("/bus/messages", params={"from": "2100-01-01T00:00:00Z"})
        assert none.json()["items"] == []
        topics = (await client.get("/bus/topics")).json()
        assert [each["topic"] for each in topics["items"]] == ["list/0", "list/1"]

    async def test_another_workspace_sees_nothing(
        self, client: httpx.AsyncClient, app: Running, make_tenant: MakeTenant
    ) -> None:
        queue = await subscribe(client)
        made = await publish(client, topic="mine", payload=1)
        other = await make_tenant()
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": other.key}) as stranger:
            paths = (f"/bus/messages/{made['msgId']}", f"/bus/subscriptions/{queue['subscriptionId']}")
            assert [(await stranger.get(path)).status_code for path in paths] == [404, 404]
            assert (await stranger.get("/bus/messages")).json()["items"] == []
            answer = await stranger.post(f"/bus/subscriptions/{queue['subscriptionId']}/pull", json={})
            assert answer.status_code == 404


class TestQueue:
    async def test_what_is_acknowledged_never_comes_again(self, client: httpx.AsyncClient) -> None:
        queue = await subscribe(client)
        made = await publish(client, topic="q", payload=1)
        [leased] = await pulled(client, queue)
        assert (leased["attempt"], leased["message"]["hopCount"]) == (1, 1)
        assert await pulled(client, queue) == []
        assert await acked(client, queue, [leased]) == {"acknowledged": 1, "released": 0, "lost": []}
        assert (await acked(client, queue, [leased]))["lost"] == [leased["receipt"]]
        detail = (await client.get(f"/bus/messages/{made['msgId']}")).json()
        assert detail["status"] == "delivered"
        assert detail["deliveries"][0]["log"][0]["outcome"] == "delivered"

    async def test_what_is_not_acknowledged_comes_again_and_dies_at_last(self, client: httpx.AsyncClient) -> None:
        queue = await subscribe(client, delivery={"maxAttempts": 2, "leaseSeconds": 1})
        made = await publish(client, topic="q", payload=1)
        first = await pulled(client, queue)
        second = await pulled(client, queue, waitSeconds=5)
        assert [each["attempt"] for each in (*first, *second)] == [1, 2]
        assert first[0]["receipt"] != second[0]["receipt"]
        assert (await acked(client, queue, first))["lost"] == [first[0]["receipt"]]
        assert await pulled(client, queue, waitSeconds=3) == []
        detail = (await client.get(f"/bus/messages/{made['msgId']}")).json()
        assert detail["status"] == "dead"
        [entry] = await interactions(client, "BUS", "DEAD_LETTERED")
        assert entry["interaction"]["subscriptionId"] == queue["subscriptionId"]

    async def test_a_released_message_is_there_at_once(self, client: httpx.AsyncClient) -> None:
        queue = await subscribe(client)
        await publish(client, topic="q", payload=1)
        [leased] = await pulled(client, queue)
        answer = await client.post(
            f"/bus/subscriptions/{queue['subscriptionId']}/ack", json={"release": [leased["receipt"]]}
        )
        assert answer.json()["released"] == 1
        [again] = await pulled(client, queue)
        assert again["attempt"] == 2

    async def test_a_waiting_pull_gets_what_comes_meanwhile(self, client: httpx.AsyncClient) -> None:
        queue = await subscribe(client)
        waiting = asyncio.create_task(pulled(client, queue, waitSeconds=20))
        await asyncio.sleep(0.05)
        await publish(client, topic="q", payload="now")
        async with asyncio.timeout(30):
            assert [each["message"]["payload"] for each in await waiting] == ["now"]

    async def test_what_ran_out_is_not_handed_on(self, client: httpx.AsyncClient) -> None:
        queue = await subscribe(client)
        made = await publish(client, topic="q", payload=1, ttlSeconds=1)
        await asyncio.sleep(1.05)
        assert await pulled(client, queue) == []
        detail = (await client.get(f"/bus/messages/{made['msgId']}")).json()
        assert (detail["status"], detail["deliveries"][0]["state"]) == ("expired", "expired")
