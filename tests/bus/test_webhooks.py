"""Outbound webhooks: what goes out, what is tried again, what is given up, and in which order."""

import asyncio
import hmac
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.bus.conftest import hook, interactions, publish, settled, subscribe, working
from tests.bus.target import Came, Target
from tests.conftest import Running

pytestmark = pytest.mark.usefixtures("worker")


class TestWhatGoesOut:
    async def test_the_envelope_signed_with_our_header(self, client: httpx.AsyncClient, target: Target) -> None:
        made = await hook(client, target, of_target={"headers": {"X-Room": "7"}})
        uow = "0190b8a2-7c3e-7d11-9d2b-6f1f2f6f0001"
        answer = await client.post(
            "/bus/messages", json={"topic": "orders/created", "payload": {"b": 1, "a": 2}}, headers={"x-uowid": uow}
        )
        message = answer.json()
        detail = await settled(client, message, "delivered")
        [came] = target.came
        assert came.json["msgId"] == message["msgId"]
        assert came.json["payload"] == {"a": 2, "b": 1}
        assert came.json["hopCount"] == 1
        sent = came.headers
        assert (sent["content-type"], sent["x-room"], sent["x-uowid"]) == ("application/json", "7", uow)
        assert sent["x-provenanceone-message-id"] == sent["webhook-id"] == message["msgId"]
        assert sent["x-provenanceone-attempt"] == "1"
        signed = sent["x-provenanceone-timestamp"].encode() + b"." + came.body
        expected = hmac.digest(made["signingSecret"].encode(), signed, "sha256").hex()
        assert sent["x-provenanceone-signature"] == expected
        assert "traceparent" in sent
        [attempt] = detail["deliveries"][0]["log"]
        assert (attempt["outcome"], attempt["said"]) == ("delivered", "The target answered with the status 200.")
        shown = (await client.get(f"/bus/subscriptions/{made['subscriptionId']}")).json()
        assert shown["target"]["headers"] == {"X-Room": "********"}
        assert "signingSecret" not in shown
        assert shown["stats"]["delivered"] == 1

    async def test_only_to_whom_the_pattern_and_the_filter_mean(
        self, client: httpx.AsyncClient, target: Target
    ) -> None:
        await hook(client, target, name="cel", topicPattern="orders/#", filter="payload.total > 100")
        rules = [{"path": "payload.kind", "op": "in", "value": ["b", "c"]}, {"path": "total", "op": "lt", "value": 5}]
        await hook(client, target, name="rules", topicPattern="+/created", filter=rules)
        wanted = [
            await publish(client, topic=topic, payload=payload)
            for topic, payload in (
                ("orders/created", {"total": 101}),
                ("orders", {"total": 500}),
                ("other/created", {"total": 1, "kind": "b"}),
            )
        ]
        for topic, payload in (
            ("orders/created", {"total": 100}),
            ("other/created", {"total": 1, "kind": "a"}),
            ("other/created", {"nothing": 1}),
        ):
            assert (await publish(client, topic=topic, payload=payload))["matchedSubscriptions"] == 0
        wanted.append(await publish(client, topic="orders/created", payload={"total": 4, "kind": "c"}))
        for each in wanted:
            await settled(client, each, "delivered")
        found = Counter(str(each) for each in target.payloads())
        assert found == {str(each): 1 for each in (
            {"total": 101}, {"total": 500}, {"kind": "b", "total": 1}, {"kind": "c", "total": 4},
        )}  # fmt: skip

    async def test_addresses_of_the_own_network_are_dead_letters_at_once(
        self, client: httpx.AsyncClient, target: Target
    ) -> None:
        await hook(client, target, of_target={"url": "http://10.0.0.1/hook"})
        detail = await settled(client, await publish(client, topic="a", payload=1), "dead")
        assert detail["deliveries"][0]["attempts"] == 1


class TestWhatIsTriedAgain:
    @pytest.mark.parametrize("status", [408, 429, 500, 503, None], ids=str)
    async def test_failures_that_may_pass(self, client: httpx.AsyncClient, target: Target, status: int | None) -> None:
        target.answer = lambda came: status if len(target.came) < 3 else 204
        await hook(client, target)
        message = await publish(client, topic="a", payload=1)
        detail = await settled(client, message, "delivered")
        assert [each.headers["x-provenanceone-attempt"] for each in target.came] == ["1", "2", "3"]
        assert {each.headers["webhook-id"] for each in target.came} == {message["msgId"]}
        assert [each["outcome"] for each in detail["deliveries"][0]["log"]] == ["failed", "failed", "delivered"]

    @pytest.mark.parametrize("status", [400, 404, 410, 302], ids=str)
    async def test_refusals_are_dead_letters_at_once(
        self, client: httpx.AsyncClient, target: Target, status: int
    ) -> None:
        target.answer = status
        subscription = await hook(client, target)
        detail = await settled(client, await publish(client, topic="a", payload=1), "dead")
        assert detail["deliveries"][0]["attempts"] == 1
        [entry] = await interactions(client, "BUS", "DEAD_LETTERED")
        assert entry["interaction"]["subscriptionId"] == subscription["subscriptionId"]
        assert str(status) in entry["interaction"]["said"]
        [first] = await interactions(client, "BUS", "MESSAGE_PUBLISHED")
        assert entry["uowId"] == first["uowId"]

    async def test_after_the_last_attempt_it_is_a_dead_letter_on_its_topic(
        self, client: httpx.AsyncClient, target: Target
    ) -> None:
        target.answer = 500
        dead = await subscribe(client, name="dead", topicPattern="dead/letters")
        await hook(
            client, target, name="fails", topicPattern="orders", delivery={"maxAttempts": 3},
            deadLetter={"topic": "dead/letters"},
        )  # fmt: skip
        message = await publish(client, topic="orders", payload={"id": 1}, correlationId="c-9")
        await settled(client, message, "dead")
        assert len(target.came) == 3
        answer = await client.post(f"/bus/subscriptions/{dead['subscriptionId']}/pull", json={"waitSeconds": 5})
        [leased] = answer.json()["items"]
        assert leased["message"]["payload"] == {"id": 1}
        assert leased["message"]["correlationId"] == "c-9"
        assert leased["message"]["hopCount"] == 2

    async def test_the_circuit_opens_and_closes(self, client: httpx.AsyncClient, target: Target, app: Running) -> None:
        target.answer = 500
        made = await hook(client, target, delivery={"maxAttempts": 30})
        messages = [await publish(client, topic="a", payload=place) for place in range(12)]
        path = f"/bus/subscriptions/{made['subscriptionId']}"
        async with asyncio.timeout(60):
            while (await client.get(path)).json()["status"] != "error":
                await asyncio.sleep(0.01)
        shown = (await client.get(path)).json()
        assert shown["stats"]["resumesAt"] is not None
        [entry] = await interactions(client, "BUS", "DELIVERY_FAILED")
        assert entry["resourceId"] == made["subscriptionId"]
        target.answer = 200
        async with app.ledger.db.housekeeping() as tx:
            await tx.driver_sql(
                "UPDATE bus_targets SET closed_until = 0 WHERE subscription_id = $1", (made["subscriptionId"],)
            )
        for each in messages:
            await settled(client, each, "delivered")
        assert (await client.get(path)).json()["status"] == "active"
        assert len(await interactions(client, "BUS", "DELIVERY_RECOVERED")) == 1


class TestOrder:
    async def test_a_failing_head_holds_up_its_key_and_no_other(
        self, client: httpx.AsyncClient, target: Target
    ) -> None:
        failed: set[str] = set()

        def once_for_key_a(came: Came) -> int:
            first = came.json["topicKey"] == "a" and came.json["payload"] == 0 and len(failed) < 2
            failed.add(came.headers["x-provenanceone-attempt"]) if first else None
            return 503 if first else 200

        target.answer = once_for_key_a
        await hook(client, target)
        last: list[dict[str, Any]] = []
        for key in ("a", "b"):
            for place in range(12):
                last.append(await publish(client, topic="t", payload=place, topicKey=key))
        for each in last:
            await settled(client, each, "delivered")
        of_a = [each.json["payload"] for each in target.came if each.json["topicKey"] == "a"]
        of_b = [each.json["payload"] for each in target.came if each.json["topicKey"] == "b"]
        assert of_a == [0, 0, 0, *range(1, 12)]
        assert of_b == list(range(12))

    async def test_random_failures_two_workers_and_one_that_leaves(
        self, client: httpx.AsyncClient, target: Target, app: Running
    ) -> None:
        """At least once, the same ids, in order within a key; a repeat never goes back behind what was taken."""
        count = {"n": 0}

        def sometimes(_: Came) -> int | None:
            count["n"] += 1
            return (503 if count["n"] % 7 else None) if count["n"] % 5 == 0 else 200

        target.answer = sometimes
        await hook(client, target, delivery={"maxAttempts": 30})
        keys, each_has = 6, 12
        async with working(app):
            messages = [
                await publish(client, topic="t", payload=place, topicKey=str(key))
                for place in range(each_has)
                for key in range(keys)
            ]
        for each in messages:
            await settled(client, each, "delivered")
        for key in range(keys):
            came = [each.json["payload"] for each in target.came if each.json["topicKey"] == str(key)]
            firsts = list(dict.fromkeys(came))
            assert firsts == list(range(each_has))
            ids = {
                each.json["payload"]: each.headers["webhook-id"]
                for each in target.came
                if each.json["topicKey"] == str(key)
            }
            assert len(ids) == each_has
