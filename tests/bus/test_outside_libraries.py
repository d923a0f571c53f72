"""Outside libraries accept us and we them: Standard Webhooks verifies deliveries, CloudEvents go in and out."""

from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook

from tests.bus.conftest import hook, publish, pulled, settled, subscribe
from tests.bus.target import Target


def event(**more: Any) -> CloudEvent:
    attributes = {
        "id": "e-1",
        "source": "/shop",
        "type": "com.example.order",
        "specversion": "1.0",
        "time": datetime(2026, 11, 22, 6, 0, tzinfo=UTC),
        "subject": "o 7 %",
        "partitionkey": "7",
        "datacontenttype": "application/json",
        **more,
    }
    return CloudEvent(attributes, {"total": 12.5, "text": "ä"})


@pytest.mark.usefixtures("worker")
class TestStandardWebhooks:
    async def test_the_library_verifies_a_delivery_also_after_a_rotation(
        self, client: httpx.AsyncClient, target: Target
    ) -> None:
        made = await hook(client, target)
        await settled(client, await publish(client, topic="a", payload={"n": 1}), "delivered")
        path = f"/bus/subscriptions/{made['subscriptionId']}"
        fresh = (await client.post(f"{path}/rotate-secret")).json()["secret"]
        await settled(client, await publish(client, topic="a", payload={"n": 2}), "delivered")
        first, second = target.came
        assert Webhook(made["signingSecret"]).verify(first.body, first.headers)["payload"] == {"n": 1}
        for secret in (made["signingSecret"], fresh):
            assert Webhook(secret).verify(second.body, second.headers)["payload"] == {"n": 2}
        asymmetric = [each for each in first.headers["webhook-signature"].split() if each.startswith("v1a,")]
        public = (await client.get(path)).json()["signingPublicKey"].removeprefix("whpk_")
        signed = f"{first.headers['webhook-id']}.{first.headers['webhook-timestamp']}.".encode() + first.body
        Ed25519PublicKey.from_public_bytes(b64decode(public)).verify(b64decode(asymmetric[0][4:]), signed)


class TestEventsIn:
    @pytest.mark.parametrize("form", [to_structured_event, to_binary_event], ids=["structured", "binary"])
    async def test_one(self, client: httpx.AsyncClient, form: Any) -> None:
        queue = await subscribe(client)
        message: HTTPMessage = form(event())
        for _ in range(2):
            answer = await client.post("/bus/messages", content=message.body, headers=message.headers)
            assert answer.status_code == 201, answer.text
        for leased in await pulled(client, queue):
            assert leased["message"]["topic"] == "com.example.order"
            assert leased["message"]["topicKey"] == "7"
            assert leased["message"]["payload"] == {"total": 12.5, "text": "ä"}
            break

    async def test_a_batch_and_a_topic_of_its_own(self, client: httpx.AsyncClient) -> None:
        bodies = [msgspec.json.decode(to_structured_event(event(topic="shop/orders", id=str(n))).body) for n in (1, 2)]
        answer = await client.post(
            "/bus/messages/batch",
            content=msgspec.json.encode(bodies),
            headers={"content-type": "application/cloudevents-batch+json"},
        )
        assert [each["topic"] for each in answer.json()["items"]] == ["shop/orders"] * 2, answer.text

    async def test_bytes_and_texts_in_binary_mode(self, client: httpx.AsyncClient) -> None:
        headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
        found = []
        for kind, body in (("application/octet-stream", b"\x00\x01"), ("text/plain", "hä".encode())):
            answer = await client.post("/bus/messages", content=body, headers={**headers, "content-type": kind})
            found.append((await client.get(f"/bus/messages/{answer.json()['msgId']}")).json()["payload"])
        assert found == ["AAE=", "hä"]

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"id": ""}, "id"),
            ({"specversion": "0.3"}, "specversion"),
            ({"Bad_Name": "x"}, "Bad_Name"),
            ({"time": "yesterday"}, "time"),
            ({"data_base64": "%"}, "data_base64"),
            ({"extension": [1]}, "extension"),
        ],
        ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
    )
    async def test_what_is_no_event(self, client: httpx.AsyncClient, change: Any, path: str) -> None:
        body = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", **change}
        headers = {"content-type": "application/cloudevents+json"}
        answer = await client.post("/bus/messages", content=msgspec.json.encode(body), headers=headers)
        assert answer.status_code == 400, answer.text
        assert answer.json()["details"][0]["path"] == path


@pytest.mark.usefixtures("worker")
class TestEventsOut:
    @pytest.mark.parametrize("form", ["cloudevents", "cloudevents-binary"])
    async def test_the_library_reads_what_goes_out(self, client: httpx.AsyncClient, target: Target, form: str) -> None:
        await hook(client, target, of_target={"format": form})
        plain = await publish(client, topic="orders/created", payload={"n": "ä"}, topicKey="k")
        await settled(client, plain, "delivered")
        sent = to_structured_event(event())
        answer = await client.post("/bus/messages", content=sent.body, headers=sent.headers)
        await settled(client, answer.json(), "delivered")
        ours, theirs = [from_http_event(HTTPMessage(each.headers, each.body)) for each in target.came]
        assert (ours.get_id(), ours.get_type(), ours.get_subject()) == (plain["msgId"], "orders.created", "k")
        assert ours.get_data() == {"n": "ä"}
        assert (theirs.get_id(), theirs.get_source(), theirs.get_subject()) == ("e-1", "/shop", "o 7 %")
        assert theirs.get_time() == datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
        assert theirs.get_data() == {"total": 12.5, "text": "ä"}
