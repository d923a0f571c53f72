"""The routes of connections over HTTP: what is kept, what is shown, what is refused, and the row each write leaves."""

from typing import Any

import httpx
import pytest

from provenance.connections import service
from provenance.connections.errors import ConnectionPaused, HostNotAllowed
from provenance.connections.running import Request
from provenance.core.actor import Role
from provenance.secrets.schemas import Purpose
from tests.conftest import MakeTenant, Running, Tenant
from tests.connections.conftest import STEP, Builder, connections_of
from tests.connections.outside import CLIENT, SECRET, Outside
from tests.secrets.canaries import canary, events, holds, tables_with
from tests.secrets.people import signed_in

SHOWN = {
    "connectionId", "workspaceId", "name", "integration", "authType", "environment", "status", "config", "account",
    "scopes", "expiresAt", "lastRefreshedAt", "lastUsedAt", "lastError", "usedBy", "createdAt", "createdBy",
    "updatedAt", "updatedBy",
}  # fmt: skip


async def recorded(builder: Builder, *types: str) -> list[str]:
    return [event for event, _, _ in await events(builder.app, builder.workspace, *(types or ("connection",)))]


class TestCreate:
    async def test_answers_no_credential(self, builder: Builder) -> None:
        key = canary()
        made = await builder.make("pagerduty", "api_key", credential={"apiKey": key}, environment="staging")
        assert made.keys() == SHOWN
        assert (made["status"], made["environment"], made["authType"]) == ("active", "staging", "api_key")
        [(event, object_id, data)] = await events(builder.app, builder.workspace, "connection")
        assert (event, object_id, data["integration"]) == ("connection.created", made["connectionId"], "pagerduty")
        assert await tables_with(builder.app, key) == []

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"integration": "fax"}, "unknown_integration"),
            ({"authType": "oauth2"}, "wrong_auth_type"),
            ({"authType": "magic"}, "wrong_auth_type"),
            ({"credential": None}, "bad_credential"),
            ({"credential": {"pin": "1"}}, "bad_credential"),
            ({"credential": {"apiKey": ""}}, "bad_credential"),
            ({"credential": "a\r\nX-Evil: 1"}, "bad_credential"),
            ({"credential": {"apiKey": {"a": "b"}}}, "bad_credential"),
            ({"config": {"apiKey": "x"}}, "bad_connection_config"),
            ({"config": {"note": "x" * 20_000}}, "bad_connection_config"),
            ({"config": {"allowedHosts": ["a b"]}}, "bad_connection_config"),
            ({"integration": "zendesk", "credential": {"email": "a", "apiToken": "b"}}, "bad_connection_config"),
            (
                {
                    "integration": "zendesk",
                    "credential": {"email": "a", "apiToken": "b"},
                    "config": {"subdomain": "evil.example/"},
                },
                "bad_connection_config",
            ),
            ({"integration": "http", "credential": "k", "config": {"baseUrl": "ftp://x"}}, "bad_connection_config"),
            (
                {"integration": "http", "credential": "k", "config": {"baseUrl": "https://u:p@x"}},
                "bad_connection_config",
            ),
            (
                {"integration": "http", "authType": "oauth2", "config": {"baseUrl": "https://x.example"}},
                "bad_connection_config",
            ),
            (
                {
                    "integration": "snowflake",
                    "authType": "service_account",
                    "credential": {"privateKey": "no key"},
                    "config": {"account": "acme", "user": "r"},
                },
                "bad_credential",
            ),
            ({"credential": "{{secrets.nothing}}"}, "secret_not_found"),
            ({"credential": "{{secrets.a+b}}"}, "bad_secret_reference"),
            ({"name": ""}, "invalid_request"),
            ({"surprise": 1}, "invalid_request"),
        ],
    )
    async def test_what_is_wrong_is_refused(self, builder: Builder, body: dict[str, Any], code: str) -> None:
        whole = {"name": "n", "integration": "pagerduty", "authType": "api_key", "credential": "the-key", **body}
        answer = await builder.web.post("/connections", json=whole)
        assert (answer.status_code, answer.json()["code"]) == (404 if code == "secret_not_found" else 400, code)
        assert "the-key" not in answer.text
        assert await recorded(builder) == []

    async def test_a_name_is_taken_once(self, builder: Builder) -> None:
        made = await builder.make("pagerduty", "api_key", credential="k")
        body = {"name": made["name"], "integration": "github", "authType": "oauth2"}
        again = await builder.web.post("/connections", json=body)
        assert (again.status_code, again.json()["code"]) == (409, "connection_name_taken")


class TestList:
    async def test_pages_and_narrows(self, builder: Builder) -> None:
        ids = [(await builder.make("github"))["connectionId"] for _ in range(3)]
        other = (await builder.make("pagerduty", "api_key", credential="k"))["connectionId"]
        page = (await builder.web.get("/connections", params={"limit": 3})).json()
        assert page.keys() == {"items", "nextCursor"}
        assert all(item.keys() == SHOWN for item in page["items"])
        rest = (await builder.web.get("/connections", params={"limit": 3, "cursor": page["nextCursor"]})).json()
        assert [item["connectionId"] for item in page["items"] + rest["items"]] == [other, *ids[::-1]]
        assert rest["nextCursor"] is None

        async def listed(**asked: str) -> int:
            return len((await builder.web.get("/connections", params=asked)).json()["items"])

        assert (await listed(integration="github"), await listed(status="active"), await listed(status="error")) == (
            3, 1, 0,
        )  # fmt: skip


class TestUpdate:
    async def test_pause_and_resume(self, builder: Builder) -> None:
        connection_id = await builder.connected("github")
        path = f"/connections/{connection_id}"
        assert (await builder.web.patch(path, json={"status": "paused"})).json()["status"] == "paused"
        with pytest.raises(ConnectionPaused):
            await connections_of(builder.app).call(builder.actor, connection_id, Request("GET", "/user"), STEP)
        assert (await builder.web.patch(path, json={"status": "active"})).json()["status"] == "active"
        assert (await builder.web.patch(path, json={"status": "active"})).status_code == 200
        updated = ["connection.updated"] * 2
        assert await recorded(builder) == ["connection.created", "connection.authorized", *updated]

    async def test_what_was_never_authorised_is_not_resumed(self, builder: Builder) -> None:
        made = await builder.make("github")
        answer = await builder.web.patch(f"/connections/{made['connectionId']}", json={"status": "active"})
        assert (answer.status_code, answer.json()["code"]) == (409, "connection_pending")

    async def test_the_config_is_merged(self, builder: Builder) -> None:
        made = await builder.make("github", config={"channel": "a", "note": {"x": 1}})
        path = f"/connections/{made['connectionId']}"
        after = (await builder.web.patch(path, json={"config": {"channel": None, "b": [1]}})).json()
        assert after["config"] == {"note": {"x": 1}, "b": [1]}
        names = [(await builder.make("github"))["name"]]
        taken = await builder.web.patch(path, json={"name": names[0]})
        assert (taken.status_code, taken.json()["code"]) == (409, "connection_name_taken")

    async def test_nobody_learns_a_key_by_moving_the_address(self, builder: Builder, outside: Outside) -> None:
        key = outside.keys["http"] = canary()
        config = {"baseUrl": f"{outside.url}/http", "header": "x-key"}
        made = await builder.make("http", "api_key", config=config, credential=key)
        path = f"/connections/{made['connectionId']}"
        for moved in ({"baseUrl": "https://evil.example"}, {"allowedHosts": ["evil.example"]}):
            answer = await builder.web.patch(path, json={"config": moved})
            assert (answer.status_code, answer.json()["code"]) == (409, "credential_needed")
        again = await builder.web.patch(path, json={"config": {"allowedHosts": ["b.example"]}, "credential": key})
        assert again.status_code == 200

    async def test_moving_an_authorised_one_gives_up_its_tokens(self, builder: Builder) -> None:
        connection_id = await builder.connected("github")
        path = f"/connections/{connection_id}"
        after = (await builder.web.patch(path, json={"config": {"allowedHosts": ["evil.example"]}})).json()
        assert (after["status"], after["expiresAt"]) == ("pending", None)


class TestDelete:
    async def test_what_is_in_use_stays(self, builder: Builder) -> None:
        made = await builder.make("pagerduty", "api_key", credential="k")
        user = Purpose("workflow", "wf_1")
        async with builder.app.ledger.db.housekeeping(builder.actor.workspace_id) as tx:
            await service.refer(tx, [made["connectionId"]], user)
        path = f"/connections/{made['connectionId']}"
        answer = await builder.web.delete(path)
        assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
        async with builder.app.ledger.db.housekeeping(builder.actor.workspace_id) as tx:
            await service.refer(tx, [], user)
        assert (await builder.web.delete(path)).json() == {"deleted": True}


class TestOthers:
    async def test_another_workspace_finds_nothing(
        self, builder: Builder, caller: Running, make_tenant: MakeTenant
    ) -> None:
        made = await builder.make("github")
        path = f"/connections/{made['connectionId']}"
        abroad = await signed_in(caller, await make_tenant(), Role.ADMIN)
        async with httpx.AsyncClient(base_url=caller.url, verify=False, headers=abroad) as web:
            asked = [
                await web.get(path),
                await web.patch(path, json={"name": "x"}),
                await web.delete(path),
                await web.post(f"{path}/authorize", json={}),
                await web.post(f"{path}/test", json={}),
                await web.get("/connections/nonsense"),
            ]
            assert (await web.get("/connections")).json() == {"items": [], "nextCursor": None}
        assert [(each.status_code, each.json()["code"]) for each in asked] == [(404, "connection_not_found")] * 6

    async def test_a_viewer_reads_and_a_key_needs_the_scope(
        self, builder: Builder, workspace: Tenant, make_tenant: MakeTenant
    ) -> None:
        viewer = await signed_in(builder.app, workspace, Role.VIEWER)
        reader = await make_tenant(("connections:read",), into=workspace.id)
        for headers, code in ((viewer, "missing_role"), ({"x-api-key": reader.key}, "missing_scope")):
            async with httpx.AsyncClient(base_url=builder.app.url, verify=False, headers=headers) as web:
                assert (await web.get("/connections")).status_code == 200
                body = {"name": "n", "integration": "github", "authType": "oauth2"}
                answer = await web.post("/connections", json=body)
                assert (answer.status_code, answer.json()["code"]) == (403, code)


class TestSecrets:
    async def test_a_credential_may_refer_to_one(self, builder: Builder, outside: Outside) -> None:
        outside.keys["pagerduty"] = value = canary()
        body = {"name": "pd", "type": "api_key", "value": value}
        secret = (await builder.web.post("/secrets", json=body)).json()
        made = await builder.make("pagerduty", "api_key", credential="{{ secrets.pd }}")
        [used_by] = (await builder.web.get(f"/secrets/{secret['secretId']}")).json()["usedBy"]
        assert (used_by["kind"], used_by["id"]) == ("connection", made["connectionId"])
        reply = await connections_of(builder.app).call(
            builder.actor, made["connectionId"], Request("GET", "/abilities"), STEP
        )
        assert reply.status == 200
        outside.keys["pagerduty"] = canary()
        await builder.web.post(f"/secrets/{secret['secretId']}/rotate", json={"value": outside.keys["pagerduty"]})
        tested = (await builder.web.post(f"/connections/{made['connectionId']}/test", json={})).json()
        assert tested["ok"] is True
        assert await recorded(builder, "secret", "connection") == [
            "secret.created", "connection.created", "secret.accessed", "connection.accessed", "secret.rotated",
            "secret.accessed", "connection.tested",
        ]  # fmt: skip
        await builder.web.delete(f"/connections/{made['connectionId']}")
        assert (await builder.web.get(f"/secrets/{secret['secretId']}")).json()["usedBy"] == []
        assert await tables_with(builder.app, value) == []


class TestCalls:
    async def test_a_key_goes_to_its_hosts_alone(self, builder: Builder, outside: Outside) -> None:
        outside.keys["http"] = canary()
        config = {"baseUrl": f"{outside.url}/http", "header": "x-key", "testPath": "/status"}
        made = await builder.make("http", "api_key", config=config, credential=outside.keys["http"])
        connections, connection_id = connections_of(builder.app), made["connectionId"]
        good = await connections.call(
            builder.actor, connection_id, Request("GET", "/a", {"X-Key": "mine", "accept": "x/y"}), STEP
        )
        assert good.body == b'{"path":"/a"}'
        for url in (
            "https://evil.example/",
            "http://127.0.0.1:1/",
            f"{outside.url}@evil.example/",
            "https://127.0.0.1/",
            "//evil.example",
        ):
            try:
                reply = await connections.call(builder.actor, connection_id, Request("GET", url), STEP)
            except HostNotAllowed:
                continue
            assert reply.status == 200  # a path below the base
        assert {headers["host"] for _, _, headers, _ in outside.calls} == {outside.url.removeprefix("http://")}

    async def test_an_echo_shows_no_credential(self, builder: Builder, outside: Outside) -> None:
        key, password = canary(), canary()
        basic = await builder.make(
            "http",
            "api_key",
            config={"baseUrl": f"{outside.url}/http"},
            credential={"username": "somebody", "password": password},
        )
        many = await builder.make(
            "http", "api_key", config={"baseUrl": f"{outside.url}/http"}, credential={"headers": {"x-a": key}}
        )
        for made, value in ((basic, password), (many, key)):
            reply = await connections_of(builder.app).call(
                builder.actor, made["connectionId"], Request("POST", "/echo", {}, b"x"), STEP
            )
            assert b"***" in reply.body
            assert not holds(reply.body, value)

    async def test_client_credentials_are_renewed_by_themselves(self, builder: Builder, outside: Outside) -> None:
        config = {
            "baseUrl": f"{outside.url}/http", "tokenUrl": f"{outside.url}/http/token", "clientId": CLIENT,
            "scopes": ["read"], "testPath": "/status",
        }  # fmt: skip
        made = await builder.make("http", "service_account", config=config, credential=SECRET)
        assert (made["status"], made["scopes"]) == ("active", ["read"])
        call = connections_of(builder.app).call
        for _ in range(2):
            assert (await call(builder.actor, made["connectionId"], Request("GET", "/a"), STEP)).status == 200
        assert [form["grant_type"] for form in outside.asked("/http/token")] == ["client_credentials"]
        outside.tokens.clear()
        assert (await call(builder.actor, made["connectionId"], Request("GET", "/a"), STEP)).status == 200
        assert len(outside.asked("/http/token")) == 2
        wrong = await builder.web.patch(f"/connections/{made['connectionId']}", json={"credential": "not the secret"})
        assert wrong.status_code == 200
        tested = (await builder.web.post(f"/connections/{made['connectionId']}/test", json={})).json()
        assert (tested["ok"], tested["status"]) == (False, "error")
        assert "invalid_client" in tested["error"]
        assert "not the secret" not in tested["error"]
