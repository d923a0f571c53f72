"""Bus keys: what they may do, and that they may do nothing else."""

import httpx
import pytest

from provenance.core.actor import Role
from tests.bus.conftest import Thing, pulled, subscribe
from tests.conftest import Running
from tests.identity.people import As, MakeAs


async def made(admin: As, *actions: str, topics: tuple[str, ...] = ("orders/#",)) -> Thing:
    answer = await admin.post("/bus/api-keys", json={"name": "k", "topics": topics, "actions": actions})
    assert answer.status_code == 201, answer.text
    found: Thing = answer.json()
    assert found["key"].startswith("pvb_")
    return found


def with_key(app: Running, key: Thing) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=app.url, headers={"x-api-key": key["key"]}, timeout=30)


class TestBusKeys:
    async def test_it_publishes_to_its_topics_and_does_nothing_else(self, app: Running, admin: As) -> None:
        key = await made(admin, "publish")
        async with with_key(app, key) as machine:
            for _ in range(2):  # once through the framework, once on the express
                answer = await machine.post("/bus/messages", json={"topic": "orders/created", "payload": 1})
                assert answer.status_code == 201, answer.text
                other = await machine.post("/bus/messages", json={"topic": "other", "payload": 1})
                assert (other.status_code, other.json()["code"]) == (403, "topic_not_allowed")
            refused = [
                await machine.get("/bus/messages"),
                await machine.get("/bus/subscriptions"),
                await machine.get("/api/interactions"),
                await machine.get("/templates"),
                await machine.post("/api/interactions", json={}),
                await machine.post("/bus/subscriptions/x/pull", json={}),
                await machine.get("/bus/api-keys"),
            ]
        assert {each.status_code for each in refused} == {403}
        [message] = (await admin.get("/bus/messages", params={"limit": 1})).json()["items"]
        assert message["producerId"] == key["keyId"]

    async def test_it_pulls_from_queues_of_its_topics(self, app: Running, admin: As, client: httpx.AsyncClient) -> None:
        mine = await subscribe(client, name="mine", topicPattern="orders/+")
        wider = await subscribe(client, name="wider", topicPattern="#")
        await client.post("/bus/messages", json={"topic": "orders/created", "payload": 1})
        async with with_key(app, await made(admin, "pull")) as machine:
            assert len(await pulled(machine, mine)) == 1
            answer = await machine.post(f"/bus/subscriptions/{wider['subscriptionId']}/pull", json={})
            assert (answer.status_code, answer.json()["code"]) == (403, "topic_not_allowed")
            publish = await machine.post("/bus/messages", json={"topic": "orders/created", "payload": 1})
            assert publish.status_code == 403

    @pytest.mark.parametrize("form", ["/bus/api-keys/{}", "/bus/api-keys?keyId={}"])
    async def test_revoked_it_is_worth_nothing_at_once(self, app: Running, admin: As, form: str) -> None:
        key = await made(admin, "publish")
        async with with_key(app, key) as machine:
            sent = {"topic": "orders/a", "payload": 1}
            assert (await machine.post("/bus/messages", json=sent)).status_code == 201
            gone = await admin.delete(form.format(key["keyId"]))
            assert gone.status_code == 200, gone.text
            assert (await machine.post("/bus/messages", json=sent)).status_code == 401
        [listed] = (await admin.get("/bus/api-keys")).json()["items"]
        assert listed["revokedAt"] == gone.json()["revokedAt"]
        assert "key" not in listed
        assert (await admin.delete("/bus/api-keys")).json()["code"] == "key_id_needed"
        assert (await admin.delete("/bus/api-keys/bkey_x")).status_code == 404

    async def test_only_administrators_make_them(self, make_as: MakeAs, client: httpx.AsyncClient) -> None:
        editor = await make_as(Role.EDITOR)
        body = {"name": "k", "topics": ["a"], "actions": ["publish"]}
        assert (await editor.post("/bus/api-keys", json=body)).status_code == 403
        assert (await client.post("/bus/api-keys", json=body)).status_code == 403
