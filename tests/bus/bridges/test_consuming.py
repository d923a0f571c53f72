"""From a stream to the bus: every message once, in order, as an API publish leaves it."""

import asyncio
from base64 import b64decode

import httpx
from nats.js.client import JetStreamContext

from provenance.core.ids import random_letters
from tests.bus.bridges.conftest import Thing, changed, consuming, messages, stands
from tests.bus.bridges.servers import NatsServer
from tests.bus.conftest import interactions


class TestOneMessage:
    async def test_becomes_a_message_of_its_topic(
        self, client: httpx.AsyncClient, server: NatsServer, jetstream: JetStreamContext, stream: str, worker: None
    ) -> None:
        headers = {
            "Nats-Msg-Id": "order-1-created",
            "Provenance-Topic-Key": "order%201",
            "Provenance-Correlation-Id": "c1",
            "Provenance-Hop-Count": "3",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        }
        await jetstream.publish(f"{stream}.orders.created", b'{"total": 12}', headers=headers)
        bridge = await consuming(client, server, stream)
        await stands(client, bridge, passed=1)
        [message] = await messages(client)
        assert message["topic"] == "orders/created"
        assert message["payload"] == {"total": 12}
        assert (message["topicKey"], message["correlationId"], message["hopCount"]) == ("order 1", "c1", 3)
        assert (message["producerId"], message["producerKind"]) == (bridge["bridgeId"], "system")
        [row] = await interactions(client, "BUS", "MESSAGE_PUBLISHED")
        assert row["uowId"] == "0af76519-16cd-43dd-8448-eb211c80319c"
        assert row["recordedBy"] == bridge["bridgeId"]
        assert (await jetstream.consumer_info(stream, bridge["bridgeId"])).num_ack_pending == 0

    async def test_keeps_the_order_of_the_stream(
        self, client: httpx.AsyncClient, server: NatsServer, jetstream: JetStreamContext, stream: str, worker: None
    ) -> None:
        for number in range(300):
            await jetstream.publish_async(f"{stream}.n", b"%d" % number)
        await jetstream.publish_async_completed()
        bridge = await consuming(client, server, stream, consume={"maxInFlight": 70})
        await stands(client, bridge, passed=300)
        assert [each["payload"] for each in await messages(client)] == list(range(300))

    async def test_comes_again_with_its_id_and_is_told(
        self, client: httpx.AsyncClient, server: NatsServer, jetstream: JetStreamContext, worker: None
    ) -> None:
        stream = random_letters(12)
        await jetstream.add_stream(name=stream, subjects=[f"{stream}.>"], duplicate_window=0.1)
        bridge = await consuming(client, server, stream)
        for value in (b"1", b"2"):
            await jetstream.publish(f"{stream}.n", value, headers={"Nats-Msg-Id": "same"})
            await asyncio.sleep(0.2)  # the servers forget the id; the bridge does not
        await jetstream.publish(f"{stream}.n", b"3")
        await stands(client, bridge, passed=2)
        assert [each["payload"] for each in await messages(client)] == [1, 3]


class TestWhatCantBePublished:
    async def test_becomes_a_dead_letter_and_holds_up_nothing(
        self, client: httpx.AsyncClient, server: NatsServer, jetstream: JetStreamContext, stream: str, worker: None
    ) -> None:
        schema = {"name": "o", "topicPattern": "orders/#", "mode": "reject", "schema": {"required": ["id"]}}
        assert (await client.post("/bus/schemas", json=schema)).status_code == 201
        for subject, payload, headers in (
            ("orders.a", b"not json", None),
            ("orders.b", b'{"n": 1}', None),
            ("orders.c", b'{"id": 1}', {"Provenance-Hop-Count": "17"}),
            ("orders.ü", b'{"id": 2}', None),
            ("orders.d", b'{"id": 3}', None),
        ):
            await jetstream.publish(f"{stream}.{subject}", payload, headers=headers)
        bridge = await consuming(client, server, stream)
        await stands(client, bridge, passed=1, deadLettered=4)
        assert [each["topic"] for each in await messages(client)] == ["orders/d"]
        dead = await dead_letters(client, bridge)
        assert [each["code"] for each in dead] == ["bad_topic", "hop_limit", "schema_validation", "invalid_json"]
        assert len(await interactions(client, "BUS", "LOOP_BLOCKED")) == 1
        assert len(await interactions(client, "BUS", "DEAD_LETTERED")) == 3
        info = await jetstream.consumer_info(stream, bridge["bridgeId"])
        assert (info.num_pending, info.num_ack_pending) == (0, 0)

    async def test_is_published_when_the_schema_lets_it(
        self, client: httpx.AsyncClient, server: NatsServer, jetstream: JetStreamContext, stream: str, worker: None
    ) -> None:
        schema = {"name": "o", "topicPattern": "orders/#", "mode": "reject", "schema": {"required": ["id"]}}
        made = (await client.post("/bus/schemas", json=schema)).json()
        await jetstream.publish(f"{stream}.orders", b'{"n": 1}')
        bridge = await consuming(client, server, stream)
        await stands(client, bridge, deadLettered=1)
        [dead] = await dead_letters(client, bridge)
        assert b64decode(dead["payloadBase64"]) == b'{"n": 1}'
        path = f"/api/bus/bridges/{bridge['bridgeId']}/dead-letters/{dead['deadLetterId']}/redrive"
        again = await client.post(path)
        assert (again.status_code, again.json()["code"]) == (400, "schema_validation")
        assert (await client.delete(f"/bus/schemas/{made['schemaId']}")).status_code == 200
        assert (await client.post(path)).status_code == 200
        assert [each["payload"] for each in await messages(client)] == [{"n": 1}]
        assert (await client.post(path)).json()["code"] == "bridge_dead_letter_not_found"


class TestTheStandIsKept:
    async def test_a_paused_bridge_takes_nothing_and_goes_on_where_it_was(
        self, client: httpx.AsyncClient, server: NatsServer, jetstream: JetStreamContext, stream: str, worker: None
    ) -> None:
        bridge = await consuming(client, server, stream)
        await jetstream.publish(f"{stream}.n", b"1")
        await stands(client, bridge, passed=1, connected=True)
        await changed(client, bridge, status="paused")
        await jetstream.publish(f"{stream}.n", b"2")
        await stands(client, bridge, connected=False)
        assert len(await messages(client)) == 1
        await changed(client, bridge, status="active")
        await stands(client, bridge, passed=2)

    async def test_a_stream_made_anew_is_another(
        self, client: httpx.AsyncClient, server: NatsServer, jetstream: JetStreamContext, stream: str, worker: None
    ) -> None:
        bridge = await consuming(client, server, stream)
        await jetstream.publish(f"{stream}.n", b"1")
        await stands(client, bridge, passed=1)
        await jetstream.delete_stream(stream)
        await jetstream.add_stream(name=stream, subjects=[f"{stream}.>"])
        await jetstream.publish(f"{stream}.n", b"2")
        await stands(client, bridge, passed=2)
        assert [each["payload"] for each in await messages(client)] == [1, 2]


async def dead_letters(client: httpx.AsyncClient, bridge: Thing) -> list[Thing]:
    """Return a bridge's dead letters, newest first, read page by page."""
    found: list[Thing] = []
    cursor: str | None = None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        answer = await client.get(f"/api/bus/bridges/{bridge['bridgeId']}/dead-letters", params=params)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        cursor = answer.json()["nextCursor"]
        if cursor is None:
            return found
