"""What outside systems post: the signature first, one message of each delivery."""

import asyncio
import hmac
import time
from typing import Any

import httpx
import msgspec
import pytest

from provenance.bus.signing import standard_signature
from tests.bus.conftest import Thing, hook, interactions, publish, pulled, settled, subscribe, working
from tests.bus.target import Target
from tests.conftest import Running

BODY = msgspec.json.encode({"ticket": {"id": 7}, "text": "help"})


def ours(secret: str, body: bytes = BODY, timestamp: str | None = None) -> dict[str, str]:
    signed = body if timestamp is None else timestamp.encode() + b"." + body
    more = {} if timestamp is None else {"X-ProvenanceOne-Timestamp": timestamp}
    return {"X-ProvenanceOne-Signature": hmac.digest(secret.encode(), signed, "sha256").hex(), **more}


async def inbound(client: httpx.AsyncClient, **more: Any) -> Thing:
    body = {"name": f"in{len(str(more))}", "direction": "inbound", "inbound": {"topic": "tickets/created", **more}}
    answer = await client.post("/bus/subscriptions", json=body)
    assert answer.status_code == 201, answer.text
    made: Thing = answer.json()
    return made


async def post(app: Running, made: Thing, headers: dict[str, str], body: bytes = BODY) -> httpx.Response:
    async with httpx.AsyncClient(base_url=app.url) as outside:
        sent = {"content-type": "application/json", **headers}
        return await outside.post(made["inboundPath"], content=body, headers=sent)


class TestSigned:
    async def test_it_is_published_on_its_topic(self, client: httpx.AsyncClient, app: Running) -> None:
        queue = await subscribe(client, topicPattern="tickets/#")
        made = await inbound(client, topicKeyPath="ticket.id")
        answer = await post(app, made, ours(made["signingSecret"]))
        assert answer.status_code == 201, answer.text
        [leased] = await pulled(client, queue)
        message = leased["message"]
        assert answer.json() == {"msgId": message["msgId"]}
        assert message["payload"] == {"ticket": {"id": 7}, "text": "help"}
        assert (message["topicKey"], message["producerKind"]) == ("7", "webhook")
        assert message["producerId"] == made["subscriptionId"]
        prefixed = {"X-ProvenanceOne-Signature": "sha256=" + ours(made["signingSecret"])["X-ProvenanceOne-Signature"]}
        assert (await post(app, made, prefixed)).status_code == 201

    async def test_what_is_not_is_turned_away_like_the_unknown(self, client: httpx.AsyncClient, app: Running) -> None:
        made = await inbound(client)
        unknown = {**made, "inboundPath": "/bus/inbound/sub_unknown"}
        good = ours(made["signingSecret"])
        answers = [
            await post(app, made, {}),
            await post(app, made, ours("whsec_other")),
            await post(app, made, good, BODY + b" "),
            await post(app, unknown, good),
        ]
        assert {(each.status_code, each.json()["code"]) for each in answers} == {(401, "bad_signature")}
        async with asyncio.timeout(30):
            while not (rows := await interactions(client, "WEBHOOK", "SIGNATURE_INVALID")):
                await asyncio.sleep(0.01)
        assert len(rows) == 1
        assert (await client.get("/bus/messages")).json()["items"] == []

    async def test_a_repeat_of_a_delivery_is_one_message(self, client: httpx.AsyncClient, app: Running) -> None:
        made = await inbound(client)
        headers = {**ours(made["signingSecret"]), "X-ProvenanceOne-Delivery": "d-1"}
        first, second = [await post(app, made, headers) for _ in range(2)]
        assert first.json() == second.json()
        assert (first.status_code, second.status_code) == (201, 201)
        assert len((await client.get("/bus/messages")).json()["items"]) == 1

    async def test_a_timestamp_is_signed_and_may_be_required(self, client: httpx.AsyncClient, app: Running) -> None:
        made = await inbound(client, requireTimestamp=True)
        secret, now = made["signingSecret"], str(int(time.time()))
        assert (await post(app, made, ours(secret))).status_code == 401
        assert (await post(app, made, ours(secret, timestamp=str(int(time.time()) - 400)))).status_code == 401
        assert (await post(app, made, ours(secret, timestamp=now))).status_code == 201

    async def test_githubs_and_standard_webhooks_signatures(self, client: httpx.AsyncClient, app: Running) -> None:
        github = await inbound(client, signature="github")
        digest = hmac.digest(github["signingSecret"].encode(), BODY, "sha256").hex()
        assert (await post(app, github, {"X-Hub-Signature-256": f"sha256={digest}"})).status_code == 201
        standard = await inbound(client, signature="standard", dedupeByBody=True)
        now = str(int(time.time()))
        signature = standard_signature(standard["signingSecret"], "m-1", now, BODY)
        headers = {"webhook-id": "m-1", "webhook-timestamp": now, "webhook-signature": f"v1,AAAA {signature}"}
        assert (await post(app, standard, headers)).status_code == 201
        assert (await post(app, standard, {**headers, "webhook-id": "m-2"})).status_code == 401

    async def test_a_rotated_secret_is_good_for_a_while(self, client: httpx.AsyncClient, app: Running) -> None:
        made = await inbound(client)
        path = f"/bus/subscriptions/{made['subscriptionId']}/rotate-secret"
        fresh = (await client.post(path)).json()
        for secret in (made["signingSecret"], fresh["secret"]):
            assert (await post(app, made, ours(secret))).status_code == 201
        await client.post(path, params={"graceMinutes": 0})
        assert (await post(app, made, ours(fresh["secret"]))).status_code == 401

    async def test_no_json_and_too_much_are_refused_after_the_signature(
        self, client: httpx.AsyncClient, app: Running
    ) -> None:
        made = await inbound(client)
        assert (await post(app, made, ours(made["signingSecret"], b"{"), b"{")).json()["code"] == "invalid_json"
        large = b'"' + b"x" * 1_048_576 + b'"'
        assert (await post(app, made, ours(made["signingSecret"], large), large)).status_code == 413

    @pytest.mark.usefixtures("worker")
    async def test_a_circle_through_our_own_inbound_ends(
        self, client: httpx.AsyncClient, app: Running, target: Target
    ) -> None:
        """A webhook that posts to our own inbound address goes round at most sixteen times."""
        known = "whsec_c2hhcmVkIHNlY3JldCBvZiBhIHJpbmc="
        await client.post("/secrets", json={"name": "ring", "type": "generic", "value": known})
        made = await inbound(client, signingSecretId="ring")
        to = {"url": app.url + made["inboundPath"], "secretId": "ring"}
        await hook(client, target, topicPattern="tickets/created", of_target=to)
        await publish(client, topic="tickets/created", payload=0)
        async with asyncio.timeout(30):
            while not (rows := await interactions(client, "BUS", "LOOP_BLOCKED")):
                await asyncio.sleep(0.02)
        assert rows[0]["interaction"]["hopCount"] == 17


async def test_two_workers_share_one_subscription(client: httpx.AsyncClient, app: Running, target: Target) -> None:
    await hook(client, target)
    async with working(app), working(app):
        made = [await publish(client, topic="w", payload=place) for place in range(40)]
        for each in made:
            await settled(client, each, "delivered")
    assert sorted(target.payloads()) == list(range(40))
