"""From the bus to a stream: what goes, as what, in which order, and what never will."""

import httpx
from nats.js.client import JetStreamContext

from tests.bus.bridges.conftest import changed, consuming, publishing, stands, stored_in
from tests.bus.bridges.servers import NatsServer, client_of
from tests.bus.conftest import interactions, publish


class TestOneMessage:
    async def test_goes_to_its_subject_with_what_a_payload_cant_say(
        self, client: httpx.AsyncClient, server: NatsServer, jetstream: JetStreamContext, stream: str, worker: None
    ) -> None:
        await publish(client, topic="orders/early", payload=0)
        bridge = await publishing(client, server, stream)
        sent = await publish(
            client, topic="orders/eu/created", payload={"total": 12}, topicKey="größe 1", correlationId="c1"
        )
        await stands(client, bridge, passed=1)
        [stored] = await stored_in(jetstream, stream)
        assert stored.subject == f"{stream}.orders.eu.created"
        assert stored.data == b'{"total":12}'
        assert stored.headers["Nats-Msg-Id"] == sent["msgId"]
        assert stored.headers["Provenance-Topic"] == "orders/eu/created"
        assert stored.headers["Provenance-Topic-Key"] == "gr%C3%B6%C3%9Fe%201"
        assert stored.headers["Provenance-Correlation-Id"] == "c1"
        assert stored.headers["Provenance-Hop-Count"] == "1"
        assert stored.headers["traceparent"].startswith("00-")

    async def test_goes_only_if_it_is_wanted_and_in_time(
        self, client: httpx.AsyncClient, server: NatsServer, jetstream: JetStreamContext, stream: str, worker: None
    ) -> None:
        wanted = {"topicPattern": "orders/+", "filter": "payload.total > 10", "fromNumber": 1}
        for topic, total in (("orders/a", 5), ("orders/b", 11), ("orders/b/c", 12), ("others/a", 13), ("orders/d", 14)):
            await publish(client, topic=topic, payload={"total": total})
        bridge = await publishing(client, server, stream, publish=wanted)
        await stands(client, bridge, passed=2, lag=0)
        assert [each.data for each in await stored_in(jetstream, stream)] == [b'{"total":11}', b'{"total":14}']


class TestWhatFails:
    async def test_waits_for_a_stream_that_takes_it_and_keeps_the_order(
        self, client: httpx.AsyncClient, server: NatsServer, jetstream: JetStreamContext, stream: str, worker: None
    ) -> None:
        bridge = await publishing(client, server, stream, publish={"subject": f"{stream}-{{1..}}"})
        first = await publish(client, topic="a", payload=1, topicKey="k")
        found = await stands(client, bridge, failuresInARow=5)
        assert found["said"] == f"No stream takes {stream}-a."
        [row] = await interactions(client, "BUS", "DELIVERY_FAILED")
        assert row["resourceId"] == bridge["bridgeId"]
        second = await publish(client, topic="a", payload=2, topicKey="k")
        await jetstream.add_stream(name=f"{stream}-late", subjects=[f"{stream}-a"])
        await changed(client, bridge, name="tried at once")
        await stands(client, bridge, passed=2, failuresInARow=0)
        stored = await stored_in(jetstream, f"{stream}-late")
        assert [each.headers["Nats-Msg-Id"] for each in stored] == [first["msgId"], second["msgId"]]
        assert len(await interactions(client, "BUS", "DELIVERY_RECOVERED")) == 1

    async def test_what_is_too_large_or_has_no_subject_is_a_dead_letter(
        self, client: httpx.AsyncClient, server: NatsServer, jetstream: JetStreamContext, stream: str, worker: None
    ) -> None:
        await jetstream.update_stream(name=stream, subjects=[f"{stream}.>"], max_msg_size=2_000)
        bridge = await publishing(client, server, stream)
        for topic, payload in (("a", "x" * 3_000), ("a..b", 1), ("a", 2)):
            await publish(client, topic=topic, payload=payload)
        await stands(client, bridge, passed=1, deadLettered=2, lag=0)
        answer = await client.get(f"/api/bus/bridges/{bridge['bridgeId']}/dead-letters")
        assert {(each["subject"], each["code"]) for each in answer.json()["items"]} == {
            ("a", "too_large"),
            ("a..b", "bad_subject"),
        }
        redriven = await client.post(
            f"/api/bus/bridges/{bridge['bridgeId']}/dead-letters/{answer.json()['items'][0]['deadLetterId']}/redrive"
        )
        assert redriven.json()["code"] == "wrong_direction"

    async def test_sent_again_by_number_is_told_by_its_id(
        self, client: httpx.AsyncClient, server: NatsServer, jetstream: JetStreamContext, stream: str, worker: None
    ) -> None:
        bridge = await publishing(client, server, stream)
        for number in range(3):
            await publish(client, topic="a", payload=number)
        await stands(client, bridge, passed=3)
        answer = await client.post(f"/api/bus/bridges/{bridge['bridgeId']}/replay", json={"fromNumber": 1})
        assert answer.status_code == 200, answer.text
        await stands(client, bridge, passed=3, repeated=3)
        assert len(await stored_in(jetstream, stream)) == 3


class TestBothWays:
    async def test_a_circle_ends_by_the_hops(
        self, client: httpx.AsyncClient, server: NatsServer, stream: str, worker: None
    ) -> None:
        await publishing(client, server, stream, name="out")
        back = await consuming(client, server, stream, name="back")
        await publish(client, topic="a", payload=1)
        await stands(client, back, passed=16, deadLettered=1)
        [row] = await interactions(client, "BUS", "LOOP_BLOCKED")
        assert row["resourceId"] == back["bridgeId"]
        async with client_of(server) as (_, jetstream):
            assert len(await stored_in(jetstream, stream)) == 17
