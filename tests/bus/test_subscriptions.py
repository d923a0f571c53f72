"""Subscriptions over HTTP: made, found, replaced, listed and deleted (spec/automation.md, rows 117 to 121)."""

from typing import Any

import httpx
import pytest

from tests.bus.conftest import Thing, publish, pulled, subscribe
from tests.conftest import MakeTenant, Running

PATH = "/bus/subscriptions"
BODY: Thing = {"name": "orders", "topicPattern": "orders/#", "target": {"kind": "queue"}}


async def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


class TestCreate:
    async def test_an_id_of_ones_own_is_taken_once(self, client: httpx.AsyncClient) -> None:
        made = await client.post(f"{PATH}/sub_mine", json=BODY)
        assert (made.status_code, made.json()["subscriptionId"]) == (201, "sub_mine")
        assert (await client.post(f"{PATH}/sub_mine", json={**BODY, "name": "other"})).status_code == 409
        assert (await client.get(f"{PATH}/sub_mine")).json()["name"] == "orders"

    @pytest.mark.parametrize(
        ("more", "path"),
        [
            ({"topicPattern": "orders/#/x"}, "topicPattern"),
            ({"filter": "payload.amount >"}, "filter"),
            ({"target": {"kind": "nowhere"}}, "target"),
            ({"nope": 1}, "nope"),
        ],
    )
    async def test_what_is_wrong_is_named(self, client: httpx.AsyncClient, more: dict[str, Any], path: str) -> None:
        answer = await client.post(PATH, json={**BODY, **more})
        assert answer.status_code == 400, answer.text
        assert any(each["path"].startswith(path) for each in answer.json()["details"]), answer.text
        assert (await client.get(PATH)).json()["items"] == []


class TestReplace:
    async def test_it_counts_for_the_next_message(self, client: httpx.AsyncClient) -> None:
        made = await subscribe(client, **BODY)
        path = f"{PATH}/{made['subscriptionId']}"
        assert (await client.put(path, json={**BODY, "topicPattern": "bills/#"})).status_code == 200
        await publish(client, topic="orders/created", payload=1)
        await publish(client, topic="bills/created", payload=2)
        assert [each["message"]["payload"] for each in await pulled(client, made)] == [2]

    async def test_what_was_read_before_another_change_is_stale(self, client: httpx.AsyncClient) -> None:
        made = await subscribe(client, **BODY)
        path = f"{PATH}/{made['subscriptionId']}"
        seen = {"if-match": (await client.get(path)).headers["etag"]}
        assert (await client.put(path, json={**BODY, "name": "first"}, headers=seen)).status_code == 200
        assert await refused(await client.put(path, json={**BODY, "name": "late"}, headers=seen)) == (409, "stale")
        assert (await client.get(path)).json()["name"] == "first"


class TestList:
    async def test_pages_hold_each_once_newest_first(self, client: httpx.AsyncClient) -> None:
        made = [(await subscribe(client, name=f"s{n}"))["subscriptionId"] for n in range(5)]
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await client.get(PATH, params={"limit": "2", **cursor})).json()
            found += [each["subscriptionId"] for each in page["items"]]
            if page["nextCursor"] is None:
                break
            cursor = {"cursor": page["nextCursor"]}
        assert found == made[::-1]


class TestDelete:
    async def test_it_is_gone_with_what_waited_in_it(self, client: httpx.AsyncClient) -> None:
        made = await subscribe(client, **BODY)
        await publish(client, topic="orders/created", payload=1)
        path = f"{PATH}/{made['subscriptionId']}"
        assert (await client.delete(path)).json()["deleted"] is True
        assert (await client.get(path)).status_code == 404
        assert (await client.delete(path)).status_code == 404
        assert (await client.post(f"{path}/pull", json={})).status_code == 404

    async def test_a_schema_is_deleted_by_its_path(self, client: httpx.AsyncClient) -> None:
        body = {"name": "order", "topicPattern": "orders/#", "schema": {"type": "object"}, "mode": "reject"}
        made = (await client.post("/bus/schemas", json=body)).json()
        assert (await client.delete(f"/bus/schemas/{made['schemaId']}")).status_code == 200
        assert (await client.get(f"/bus/schemas/{made['schemaId']}")).status_code == 404


async def test_another_workspaces_is_not_there(
    client: httpx.AsyncClient, make_tenant: MakeTenant, app: Running
) -> None:
    made = await subscribe(client, **BODY)
    path = f"{PATH}/{made['subscriptionId']}"
    other = await make_tenant()
    async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": other.key}) as stranger:
        answers = [
            await stranger.get(path),
            await stranger.put(path, json=BODY),
            await stranger.delete(path),
            await stranger.post(f"{path}/rotate-secret", json={}),
            await stranger.post(f"{path}/pull", json={}),
        ]
        assert (await stranger.get(PATH)).json()["items"] == []
    assert {answer.status_code for answer in answers} == {404}
