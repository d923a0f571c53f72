"""Queue ingestion: where to push, with which token, and what a message may say."""

import asyncio
from typing import Any

import httpx
import pytest

from provenance.core.ids import new_uuid_text
from provenance.core.settings import Settings
from tests.conftest import MakeTenant, Running, Tenant, make_tenant_of, running
from tests.ledger.test_interactions import SMALL, post

NULLS = dict.fromkeys(("x-uowid", "x-userid", "x-interaction-timestamp", "x-span-id", "x-parent-span-id"))


async def config_of(client: httpx.AsyncClient, url: str = "/platform/queue/config") -> dict[str, Any]:
    answer = await client.get(url)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def push(client: httpx.AsyncClient, config: dict[str, Any], **message: Any) -> httpx.Response:
    """Push as a queue client does: the token alone, no API key."""
    async with httpx.AsyncClient(timeout=30, verify=False) as stranger:
        return await stranger.post(
            config["queueUrl"],
            json={**SMALL, **message},
            headers={"authorization": f"Bearer {config['queueToken']}"},
        )


class TestConfig:
    async def test_it_names_this_server_as_the_client_sees_it(self, client: httpx.AsyncClient, app: Running) -> None:
        found = await config_of(client)
        assert set(found) == {"provisioned", "queueUrl", "queueToken", "apiUrl"}
        assert (found["provisioned"], found["apiUrl"]) == (True, app.url + "/api")
        assert found["queueUrl"].startswith(app.url + "/platform/queue/")
        assert found["queueToken"].startswith("pvq_")

    async def test_the_host_is_the_requests_own(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/platform/queue/config", headers={"host": "records.example.com:8443"})
        assert answer.json()["apiUrl"] == "http://records.example.com:8443/api"

    async def test_double_slashes_are_tolerated(self, client: httpx.AsyncClient, app: Running) -> None:
        assert await config_of(client, app.url + "//platform/queue/config") == await config_of(client)

    async def test_an_empty_body_with_a_json_type_is_tolerated(self, client: httpx.AsyncClient) -> None:
        answer = await client.request(
            "GET", "/platform/queue/config", headers={"content-type": "application/json"}, content=b""
        )
        assert answer.status_code == 200
        answer = await client.post("/platform/queue/rotate", headers={"content-type": "application/json"}, content=b"")
        assert answer.status_code == 200

    async def test_the_token_is_the_same_until_it_is_rotated(self, client: httpx.AsyncClient) -> None:
        assert await config_of(client) == await config_of(client)

    async def test_it_needs_the_scope_to_write(self, client: httpx.AsyncClient, make_tenant: MakeTenant) -> None:
        reader = await make_tenant(("interactions:read",))
        answer = await client.get("/platform/queue/config", headers={"x-api-key": reader.key})
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
        writer = await make_tenant(("interactions:write",))
        answer = await client.get("/platform/queue/config", headers={"x-api-key": writer.key})
        assert answer.status_code == 200

    @pytest.mark.parametrize("public", ["https://records.example.com", "https://records.example.com/base/"])
    async def test_public_url_wins(self, settings: Settings, public: str) -> None:
        async with running(settings.model_copy(update={"public_url": public})) as server:
            tenant = await make_tenant_of(server.ledger)
            headers = {"x-api-key": tenant.key}
            async with httpx.AsyncClient(base_url=server.url, headers=headers, verify=False) as client:
                found = await config_of(client)
        assert found["apiUrl"] == public.rstrip("/") + "/api"
        assert found["queueUrl"].startswith(public.rstrip("/") + "/platform/queue/")


class TestPush:
    async def test_a_message_is_a_row(self, client: httpx.AsyncClient) -> None:
        uow, span, parent = new_uuid_text(), new_uuid_text(), new_uuid_text()
        headers = {
            "x-uowid": uow,
            "x-userid": "user-7",
            "x-interaction-timestamp": "2026-01-31T12:00:00.123456+00:00",
            "x-span-id": span,
            "x-parent-span-id": parent,
        }
        answer = await push(client, await config_of(client), _headers=headers, interaction={"a": 1})
        assert answer.status_code == 201, answer.text
        row = answer.json()
        assert (row["uowId"], row["userId"], row["spanId"], row["parentSpanId"]) == (uow, "user-7", span, parent)
        assert (row["createdDate"], row["occurredAt"]) == ("2026-01-31T12:00:00.123Z", "1769860800123456000")
        assert (row["interaction"], row["recordedBy"]) == ({"a": 1}, "queue")

    async def test_the_headers_values_may_be_null(self, client: httpx.AsyncClient) -> None:
        answer = await push(client, await config_of(client), _headers=NULLS)
        assert (answer.status_code, answer.json()["spanId"]) == (201, None)

    async def test_the_span_makes_a_repeat_harmless(self, client: httpx.AsyncClient) -> None:
        config, headers = await config_of(client), {**NULLS, "x-span-id": new_uuid_text()}
        first = await push(client, config, _headers=headers)
        again = await push(client, config, _headers=headers)
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()

    async def test_a_bad_value_is_named(self, client: httpx.AsyncClient) -> None:
        config = await config_of(client)
        answer = await push(client, config, _headers={**NULLS, "x-uowid": "x"})
        assert (answer.status_code, answer.json()["details"][0]["path"]) == (400, "x-uowid")
        answer = await push(client, config, _headers={**NULLS, "x-span-id": 7})
        assert (answer.status_code, answer.json()["details"][0]["path"]) == (400, "_headers.x-span-id")

    async def test_it_lands_in_the_tokens_workspace(self, client: httpx.AsyncClient, make_tenant: MakeTenant) -> None:
        other = await make_tenant()
        await push(client, await config_of(client))
        assert (await post(client))["interactionNumber"] == 2
        assert (await post(client, {"x-api-key": other.key}))["interactionNumber"] == 1


class TestRotate:
    async def test_old_tokens_answer_401_and_the_new_one_works(self, client: httpx.AsyncClient) -> None:
        old = await config_of(client)
        new = (await client.post("/platform/queue/rotate")).json()
        assert new["queueToken"] != old["queueToken"]
        answer = await push(client, old)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
        assert (await push(client, new)).status_code == 201
        assert await config_of(client) == new

    async def test_it_reaches_the_other_server_within_a_second_or_so(
        self, client: httpx.AsyncClient, app: Running, second: Running
    ) -> None:
        there = await config_of(client, second.url + "/platform/queue/config")
        assert (await push(client, there)).status_code == 201
        new = (await client.post("/platform/queue/rotate")).json()
        async with asyncio.timeout(30):
            while (await push(client, there)).status_code != 401:
                await asyncio.sleep(0.05)
        there = await config_of(client, second.url + "/platform/queue/config")
        assert there["queueToken"] == new["queueToken"]

    async def test_a_token_of_one_workspace_opens_no_other(
        self, client: httpx.AsyncClient, workspace: Tenant, make_tenant: MakeTenant
    ) -> None:
        """The same generation and signature under another workspace's name are worth nothing."""
        config = await config_of(client)
        other = (await make_tenant()).id.removeprefix("ws_")
        prefix, _, generation, signature = config["queueToken"].split("_")
        forged = {**config, "queueToken": "_".join((prefix, other, generation, signature))}
        assert (await push(client, forged)).status_code == 401

    async def test_it_is_recorded(self, client: httpx.AsyncClient) -> None:
        await client.post("/platform/queue/rotate")
        rows = (await client.get("/api/interactions", params={"platform": "only"})).json()["data"]
        assert [(row["resourceTypeMnemonic"], row["actionMnemonic"]) for row in rows] == [("QUEUE", "ROTATED")]
        assert rows[0]["interaction"] == {"generation": 2}
