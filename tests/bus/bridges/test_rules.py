"""The rules of bridges over HTTP: what is taken, what is refused, what is recorded."""

from typing import Any

import httpx
import pytest

from tests.bus.bridges.conftest import Thing
from tests.bus.conftest import interactions

CONSUME: Thing = {
    "name": "orders",
    "direction": "consume",
    "stream": "ORDERS",
    "server": {"urls": ["tls://nats.example.com:4222"]},
    "consume": {"subjects": ["orders.>"], "topic": "shop/{1..}"},
}
PUBLISH: Thing = {
    "name": "out",
    "direction": "publish",
    "server": {"urls": ["tls://nats.example.com"]},
    "publish": {"topicPattern": "orders/#"},
}
PATH = "/api/bus/bridges"


async def create(client: httpx.AsyncClient, body: Thing) -> Thing:
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 201, answer.text
    found: Thing = answer.json()
    return found


class TestLife:
    async def test_is_made_shown_changed_and_deleted(self, client: httpx.AsyncClient) -> None:
        made = await create(client, CONSUME)
        path = f"{PATH}/{made['bridgeId']}"
        assert made["consume"]["begin"] == "all"
        assert made["standing"]["connected"] is False
        assert [each["bridgeId"] for each in (await client.get(PATH)).json()["items"]] == [made["bridgeId"]]
        found = await client.get(path)
        stale = await client.put(path, json={**CONSUME, "status": "paused"}, headers={"If-Match": '"7"'})
        assert (stale.status_code, stale.json()["code"]) == (409, "stale")
        paused = await client.put(
            path, json={**CONSUME, "status": "paused"}, headers={"If-Match": found.headers["etag"]}
        )
        assert (paused.status_code, paused.json()["status"]) == (200, "paused")
        assert (await client.delete(path)).json() == {"deleted": True}
        assert (await client.get(path)).json()["code"] == "bridge_not_found"
        for action in ("CREATED", "UPDATED", "DELETED"):
            [row] = await interactions(client, "BUS", f"BRIDGE_{action}")
            assert row["resourceId"] == made["bridgeId"]

    async def test_names_are_given_once(self, client: httpx.AsyncClient) -> None:
        await create(client, CONSUME)
        again = await client.post(PATH, json=CONSUME)
        assert (again.status_code, again.json()["code"]) == (409, "bridge_name_taken")
        other = await create(client, PUBLISH)
        renamed = await client.put(f"{PATH}/{other['bridgeId']}", json={**PUBLISH, "name": "orders"})
        assert (renamed.status_code, renamed.json()["code"]) == (409, "bridge_name_taken")

    async def test_only_what_publishes_is_replayed(self, client: httpx.AsyncClient) -> None:
        made = await create(client, CONSUME)
        refused = await client.post(f"{PATH}/{made['bridgeId']}/replay", json={"fromNumber": 1})
        assert (refused.status_code, refused.json()["code"]) == (409, "wrong_direction")


class TestRefused:
    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"server": {"urls": ["nats://nats.example.com"]}}, "server"),
            ({"server": {"urls": ["tls://me:secret@nats.example.com"]}}, "server.urls"),
            ({"server": {"urls": ["https://nats.example.com"]}}, "server.urls"),
            ({"server": {"urls": ["tls://nats.example.com:99999"]}}, "server.urls"),
            ({"stream": None}, "$"),
            ({"stream": "a.b"}, "stream"),
            ({"consume": {"subjects": ["$JS.API.>"]}}, "consume.subjects"),
            ({"consume": {"subjects": ["orders..new"]}}, "consume.subjects"),
            ({"consume": {"subjects": ["orders"], "topic": "{1}//x"}}, "consume.topic"),
            ({"publish": {"topicPattern": "#"}}, "$"),
        ],
        ids=["plain", "password", "scheme", "port", "no-stream", "stream", "api", "empty", "topic", "both"],
    )
    async def test_what_a_bridge_cant_be(self, client: httpx.AsyncClient, change: Thing, path: str) -> None:
        await self._refused(client, {**CONSUME, **change}, path)

    @pytest.mark.parametrize(
        "publish",
        [
            {"topicPattern": "a/#/b"},
            {"topicPattern": "#", "subject": "$JS.API.{1}"},
            {"topicPattern": "#", "subject": "orders.*"},
            {"topicPattern": "#", "subject": "orders.{x}"},
            {"topicPattern": "#", "filter": "payload.("},
            {"topicPattern": "#", "fromNumber": 10_000},
        ],
        ids=["pattern", "api", "wildcard", "place", "filter", "number"],
    )
    async def test_what_cant_be_sent(self, client: httpx.AsyncClient, publish: Thing) -> None:
        await self._refused(client, {**PUBLISH, "publish": publish}, None)

    async def test_a_secret_that_is_not_there(self, client: httpx.AsyncClient) -> None:
        server = {**CONSUME["server"], "credentials": {"kind": "token", "secretId": "NATS_TOKEN"}}
        await self._refused(client, {**CONSUME, "server": server}, "server.credentials.secretId")

    @pytest.mark.parametrize("change", [{"stream": "OTHER"}, {"consume": {"subjects": ["a"], "begin": "new"}}, PUBLISH])
    async def test_to_become_another_bridge(self, client: httpx.AsyncClient, change: Any) -> None:
        made = await create(client, CONSUME)
        body = change if "direction" in change else {**CONSUME, **change}
        answer = await client.put(f"{PATH}/{made['bridgeId']}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_bridge")

    async def _refused(self, client: httpx.AsyncClient, body: Thing, path: str | None) -> None:
        answer = await client.post(PATH, json=body)
        assert answer.status_code == 400, answer.text
        if path is not None:
            assert answer.json()["details"][0]["path"].startswith(path), answer.text


class TestSecrets:
    async def test_one_that_a_bridge_signs_in_with_says_so(self, client: httpx.AsyncClient) -> None:
        secret = await client.post("/secrets", json={"name": "NATS_TOKEN", "type": "token", "value": "Tok-4711-Geheim"})
        assert secret.status_code == 201, secret.text
        server = {**CONSUME["server"], "credentials": {"kind": "token", "secretId": "NATS_TOKEN"}}
        made = await create(client, {**CONSUME, "server": server})
        path = f"/secrets/{secret.json()['secretId']}"
        [by] = (await client.get(path)).json()["usedBy"]
        assert (by["kind"], by["id"]) == ("bus_bridge", made["bridgeId"])
        assert (await client.delete(f"{PATH}/{made['bridgeId']}")).status_code == 200
        assert (await client.get(path)).json()["usedBy"] == []
