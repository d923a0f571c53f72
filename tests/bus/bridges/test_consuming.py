"""From a stream to the bus: every message once, in order, as an API publish leaves it."""

import httpx
from nats.js.client import JetStreamContext

from tests.bus.bridges.conftest import consuming, messages, stands
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
