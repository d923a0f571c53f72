"""The routes of secrets over HTTP: metadata for those who may, a value for a person with a reason, a record of all."""

import asyncio
from hashlib import sha256
from typing import Any

import httpx
import msgspec
import pytest

from provenance.core import ids
from provenance.core.actor import Role
from provenance.proof.canonical import canonical
from provenance.secrets import queries
from tests.conftest import MakeTenant, Running, Tenant
from tests.secrets.canaries import canary, events, holds, tables_with
from tests.secrets.people import signed_in

METADATA = {
    "secretId", "workspaceId", "name", "type", "description", "tags", "version", "rotation", "lastAccessedAt", "usedBy",
    "createdAt", "createdBy", "updatedAt", "updatedBy",
}  # fmt: skip


@pytest.fixture
async def admin(app: Running, workspace: Tenant) -> dict[str, str]:
    return await signed_in(app, workspace, Role.ADMIN)


async def made(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await client.post("/secrets", json={"name": "stripe.key", "type": "api_key", "value": canary(), **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def names(app: Running, workspace: Tenant) -> list[str]:
    return [event for event, _, _ in await events(app, workspace)]


class TestCreate:
    async def test_answers_metadata_alone(self, client: httpx.AsyncClient, app: Running, workspace: Tenant) -> None:
        found = await made(client, description="of the shop", tags=["shop", "a"])
        assert found.keys() == METADATA | {"versions"}
        assert found["secretId"].startswith("sec_")
        assert (found["version"], found["tags"], found["workspaceId"]) == (1, ["a", "shop"], workspace.id)
        assert found["rotation"] == {
            "mode": "manual", "everyDays": None, "nextAt": None, "lastAt": None, "graceMinutes": 60,
        }  # fmt: skip
        assert [(each["version"], each["state"]) for each in found["versions"]] == [(1, "current")]
        data = {"name": "stripe.key", "type": "api_key", "version": 1, "rotation": "manual"}
        assert await events(app, workspace) == [("secret.created", found["secretId"], data)]

    async def test_a_name_is_taken_once(self, client: httpx.AsyncClient, app: Running, workspace: Tenant) -> None:
        await made(client)
        again = await client.post("/secrets", json={"name": "stripe.key", "type": "token", "value": "x" * 10})
        assert (again.status_code, again.json()["code"]) == (409, "secret_name_taken")
        assert await names(app, workspace) == ["secret.created"]

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"value": "é" * 32_769}, "secret_too_large"),
            ({"value": ""}, "secret_value_unfit"),
            ({"value": {"user": "a"}}, "secret_value_unfit"),
            ({}, "secret_value_needed"),
            ({"type": "json", "value": "no json"}, "secret_value_unfit"),
            ({"type": "json", "value": "7"}, "secret_value_unfit"),
            ({"type": "riddle", "value": "x"}, "invalid_request"),
            ({"value": "x", "name": "{{x}}"}, "invalid_request"),
            ({"value": "x", "rotation": {"mode": "interval"}}, "missing_field"),
            ({"rotation": {"mode": "generated"}}, "secret_not_generated"),
            ({"value": "x", "surprise": 1}, "invalid_request"),
        ],
    )
    async def test_what_is_wrong_is_refused(self, client: httpx.AsyncClient, body: dict[str, Any], code: str) -> None:
        answer = await client.post("/secrets", json={"name": "n", "type": "api_key", **body})
        assert (answer.status_code, answer.json()["code"]) == (400, code)

    async def test_64_kib_are_kept(self, client: httpx.AsyncClient, admin: dict[str, str]) -> None:
        value = "é" * 32_768
        found = await made(client, value=value)
        answer = await client.post(f"/secrets/{found['secretId']}/reveal", json={"reason": "x"}, headers=admin)
        assert answer.status_code == 400  # the client sends its key as well
        assert answer.json()["code"] == "two_credentials"

    async def test_a_generated_one_needs_no_value(self, client: httpx.AsyncClient) -> None:
        found = await made(client, value=None, type="token", rotation={"mode": "generated", "everyDays": 30})
        assert found["rotation"]["nextAt"] > found["createdAt"]


class TestList:
    async def test_pages_newest_first(self, client: httpx.AsyncClient) -> None:
        ids = [(await made(client, name=f"s{at}"))["secretId"] for at in range(5)]
        seen, cursor, pages = [], None, 0
        while pages == 0 or cursor:
            asked = {"limit": "2", **({"cursor": cursor} if cursor else {})}
            page = (await client.get("/secrets", params=asked)).json()
            assert page.keys() == {"items", "nextCursor"}
            assert all(item.keys() == METADATA for item in page["items"])
            seen += [item["secretId"] for item in page["items"]]
            cursor, pages = page["nextCursor"], pages + 1
        assert (seen, pages) == (ids[::-1], 3)

    async def test_narrows_by_type_and_due_date(self, client: httpx.AsyncClient) -> None:
        await made(client, name="plain")
        due = await made(client, name="due", rotation={"mode": "interval", "everyDays": 1})
        await made(client, name="word", type="password")

        async def listed(**asked: str) -> list[str]:
            return [item["name"] for item in (await client.get("/secrets", params=asked)).json()["items"]]

        assert await listed(type="password") == ["word"]
        assert await listed(dueBefore="2100-01-01T00:00:00Z") == ["due"]
        assert await listed(dueBefore=due["createdAt"]) == []

    async def test_a_cursor_of_another_list_is_refused(self, client: httpx.AsyncClient) -> None:
        for at in range(2):
            await made(client, name=f"s{at}")
        cursor = (await client.get("/secrets", params={"limit": "1"})).json()["nextCursor"]
        answer = await client.get("/secrets", params={"cursor": cursor, "type": "json"})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


class TestUpdate:
    async def test_changes_what_was_sent(self, client: httpx.AsyncClient, app: Running, workspace: Tenant) -> None:
        found = await made(client, description="old")
        path = f"/secrets/{found['secretId']}"
        body = {"description": None, "rotation": {"mode": "interval", "everyDays": 7}, "value": canary()}
        after = (await client.patch(path, json=body)).json()
        assert (after["description"], after["version"], after["rotation"]["everyDays"]) == (None, 2, 7)
        assert after["rotation"]["graceMinutes"] == 60
        assert [each["state"] for each in after["versions"]] == ["current", "previous"]
        assert await names(app, workspace) == ["secret.created", "secret.updated"]

    async def test_nothing_new_leaves_no_row(self, client: httpx.AsyncClient, app: Running, workspace: Tenant) -> None:
        found = await made(client, description="same")
        answer = await client.patch(f"/secrets/{found['secretId']}", json={"description": "same"})
        assert answer.status_code == 200
        assert await names(app, workspace) == ["secret.created"]


class TestRotate:
    async def test_keeps_the_one_before_for_its_grace(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant
    ) -> None:
        found = await made(client)
        path = f"/secrets/{found['secretId']}"
        answer = await client.post(f"{path}/rotate", json={"value": canary()})
        assert answer.json().keys() == {"secretId", "version", "rotatedAt", "nextRotationAt"}
        assert (answer.status_code, answer.json()["version"]) == (200, 2)
        states = [each["state"] for each in (await client.get(path)).json()["versions"]]
        assert states == ["current", "previous"]
        assert await names(app, workspace) == ["secret.created", "secret.rotated"]

    async def test_without_grace_the_one_before_is_gone(self, client: httpx.AsyncClient, app: Running) -> None:
        found = await made(client, rotation={"graceMinutes": 0})
        path = f"/secrets/{found['secretId']}"
        await client.post(f"{path}/rotate", json={"value": canary()})
        assert [each["state"] for each in (await client.get(path)).json()["versions"]] == ["current", "retired"]
        async with app.ledger.db.housekeeping() as tx:
            sql = "SELECT count(*) FROM secret_versions WHERE sealed IS NOT NULL AND valid_until IS NOT NULL"
            assert (await tx.driver_sql(sql + " AND valid_until <= $1", (tx.now,))).scalar_one() == 0

    async def test_needs_a_value_unless_generated(self, client: httpx.AsyncClient) -> None:
        plain = await made(client)
        answer = await client.post(f"/secrets/{plain['secretId']}/rotate", json={})
        assert (answer.status_code, answer.json()["code"]) == (400, "secret_value_needed")
        drawn = await made(client, name="drawn", type="password", value=None, rotation={"mode": "generated"})
        answer = await client.post(f"/secrets/{drawn['secretId']}/rotate", json={})
        assert (answer.status_code, answer.json()["version"]) == (200, 2)

    async def test_many_at_once_make_whole_versions(self, client: httpx.AsyncClient) -> None:
        found = await made(client, type="token", value=None, rotation={"mode": "generated"})
        path = f"/secrets/{found['secretId']}"
        answers = await asyncio.gather(*(client.post(f"{path}/rotate", json={}) for _ in range(8)))
        done = [answer.json()["version"] for answer in answers if answer.status_code == 200]
        assert {answer.status_code for answer in answers} <= {200, 409}
        assert all(answer.json()["code"] == "rotation_running" for answer in answers if answer.status_code == 409)
        assert sorted(done) == list(range(2, len(done) + 2))
        assert (await client.get(path)).json()["version"] == len(done) + 1

    async def test_waits_for_no_other_rotation(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant
    ) -> None:
        found = await made(client)
        secret_id = ids.decode("sec", found["secretId"])
        assert secret_id is not None
        async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
            assert await queries.may_rotate(tx, secret_id)
            answer = await client.post(f"/secrets/{found['secretId']}/rotate", json={"value": canary()})
        assert (answer.status_code, answer.json()["code"]) == (409, "rotation_running")
        assert await names(app, workspace) == ["secret.created"]


class TestReveal:
    @pytest.fixture
    async def web(self, app: Running) -> Any:
        async with httpx.AsyncClient(base_url=app.url, timeout=30, verify=False) as found:
            yield found

    async def test_shows_an_admin_the_value_and_says_so(
        self, web: Any, client: httpx.AsyncClient, app: Running, workspace: Tenant, admin: dict[str, str]
    ) -> None:
        value = canary()
        found = await made(client, value=value)
        answer = await web.post(f"/secrets/{found['secretId']}/reveal", json={"reason": "outage 7"}, headers=admin)
        assert answer.json() == {"value": value, "version": 1, "expiresInSeconds": 60}
        assert answer.headers["cache-control"] == "no-store"
        event, _, data = (await events(app, workspace))[-1]
        assert (event, data) == ("secret.revealed", {"name": "stripe.key", "version": 1, "reason": "outage 7"})
        audit = (await client.get("/audit", params={"eventType": "secret.revealed"})).json()["items"]
        assert [(each["risk"], each["domain"]) for each in audit] == [("high", "secret")]

    @pytest.mark.parametrize("value", [{"user": "u", "parts": [1, "ü"]}, ["a"], '{"user": "u"}'])
    async def test_a_structured_one_stays_structured(
        self, web: Any, client: httpx.AsyncClient, admin: dict[str, str], value: Any
    ) -> None:
        found = await made(client, type="json", value=value)
        answer = await web.post(f"/secrets/{found['secretId']}/reveal", json={"reason": "x"}, headers=admin)
        assert answer.json()["value"] == (value if not isinstance(value, str) else {"user": "u"})

    async def test_needs_a_fresh_sign_in(
        self, web: Any, client: httpx.AsyncClient, app: Running, workspace: Tenant
    ) -> None:
        found = await made(client)
        stale = await signed_in(app, workspace, Role.ADMIN, minutes_ago=60)
        answer = await web.post(f"/secrets/{found['secretId']}/reveal", json={"reason": "x"}, headers=stale)
        assert (answer.status_code, answer.json()["code"]) == (403, "fresh_login_required")

    async def test_neither_an_editor_nor_a_key_sees_it(
        self, web: Any, client: httpx.AsyncClient, app: Running, workspace: Tenant
    ) -> None:
        found = await made(client)
        path = f"/secrets/{found['secretId']}/reveal"
        editor = await signed_in(app, workspace, Role.EDITOR)
        assert (await web.post(path, json={"reason": "x"}, headers=editor)).json()["code"] == "missing_role"
        assert (await client.post(path, json={"reason": "x"})).json()["code"] == "people_only"
        assert await names(app, workspace) == ["secret.created"]

    async def test_needs_a_reason(self, web: Any, client: httpx.AsyncClient, admin: dict[str, str]) -> None:
        found = await made(client)
        answer = await web.post(f"/secrets/{found['secretId']}/reveal", json={"reason": ""}, headers=admin)
        assert answer.status_code == 400

    async def test_a_repeat_keeps_no_copy(
        self, web: Any, client: httpx.AsyncClient, app: Running, admin: dict[str, str]
    ) -> None:
        value = canary()
        found = await made(client, value=value)
        sent = {"json": {"reason": "x"}, "headers": {**admin, "idempotency-key": canary()}}
        first = await web.post(f"/secrets/{found['secretId']}/reveal", **sent)
        again = await web.post(f"/secrets/{found['secretId']}/reveal", **sent)
        assert first.json()["value"] == value
        assert again.json() == {"version": 1, "expiresInSeconds": 60, "shownOnce": True}
        assert await tables_with(app, value) == []


class TestDelete:
    async def test_frees_the_name_and_says_when_it_is_destroyed(
        self, app: Running, client: httpx.AsyncClient, workspace: Tenant, admin: dict[str, str]
    ) -> None:
        found = await made(client)
        async with httpx.AsyncClient(base_url=app.url, verify=False, headers=admin) as web:
            answer = await web.delete(f"/secrets/{found['secretId']}")
        assert answer.json().keys() == {"deleted", "purgeAt"}
        assert answer.json()["deleted"] is True
        assert (await client.get(f"/secrets/{found['secretId']}")).status_code == 404
        assert (await client.get("/secrets")).json()["items"] == []
        await made(client)
        assert await names(app, workspace) == ["secret.created", "secret.deleted", "secret.created"]

    async def test_what_is_in_use_stays(
        self, app: Running, client: httpx.AsyncClient, workspace: Tenant, admin: dict[str, str]
    ) -> None:
        found = await made(client)
        body = {"name": "pager", "integration": "pagerduty", "authType": "api_key"}
        used = await client.post("/connections", json={**body, "credential": "{{secrets.stripe.key}}"})
        async with httpx.AsyncClient(base_url=app.url, verify=False, headers=admin) as web:
            answer = await web.delete(f"/secrets/{found['secretId']}")
        assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
        assert answer.json()["details"] == [{"path": "connection", "issue": used.json()["connectionId"]}]
        assert await names(app, workspace) == ["secret.created"]

    async def test_is_for_admins(self, client: httpx.AsyncClient) -> None:
        found = await made(client)
        assert (await client.delete(f"/secrets/{found['secretId']}")).json()["code"] == "people_only"


class TestOthers:
    async def test_another_workspace_finds_nothing(
        self, app: Running, client: httpx.AsyncClient, make_tenant: MakeTenant
    ) -> None:
        found = await made(client)
        other = await make_tenant()
        abroad = await signed_in(app, other, Role.ADMIN)
        path = f"/secrets/{found['secretId']}"
        async with httpx.AsyncClient(base_url=app.url, verify=False, headers=abroad) as web:
            asked = [
                await web.get(path),
                await web.patch(path, json={"description": "x"}),
                await web.delete(path),
                await web.post(f"{path}/rotate", json={"value": "x"}),
                await web.post(f"{path}/reveal", json={"reason": "x"}),
                await web.get("/secrets/nonsense"),
            ]
            assert [(answer.status_code, answer.json()["code"]) for answer in asked] == [(404, "secret_not_found")] * 6
            assert (await web.get("/secrets")).json() == {"items": [], "nextCursor": None}

    async def test_a_key_needs_the_scope(self, app: Running, workspace: Tenant, make_tenant: MakeTenant) -> None:
        reader = await make_tenant(("data:read",), into=workspace.id)
        async with httpx.AsyncClient(base_url=app.url, verify=False, headers={"x-api-key": reader.key}) as web:
            assert (await web.get("/secrets")).status_code == 200
            refused = await web.post("/secrets", json={"name": "n", "type": "token", "value": canary()})
        assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")


class TestCanaries:
    async def test_a_value_is_in_no_answer_table_or_log(
        self, app: Running, client: httpx.AsyncClient, capfd: pytest.CaptureFixture[str], caplog: Any
    ) -> None:
        caplog.set_level("DEBUG")
        first, second, third = canary(), canary(), canary()
        found = await made(client, value=first)
        path = f"/secrets/{found['secretId']}"
        answers = [
            await client.post("/secrets", json={"name": "stripe.key", "type": "token", "value": second}),
            await client.post("/secrets", json={"name": "x", "type": second, "value": first}),
            await client.post("/secrets", json={"name": "x", "type": "json", "value": third}),
            await client.post("/secrets", json={"name": {"x": third}, "type": "json", "value": [[third]]}),
            await client.post("/secrets", content=b'{"value": "' + third.encode() + b'", }', headers=JSON),
            await client.patch(path, json={"value": second}),
            await client.post(f"{path}/rotate", json={"value": third}),
            await client.post(f"{path}/rotate", json={"value": {"deep": third}}),
            await client.get(path),
            await client.get("/secrets"),
            await client.get("/audit"),
            await client.get("/api/interactions"),
        ]
        values = (first, second, third)
        for answer in answers:
            said = answer.content + repr(answer.headers).encode()
            assert [value for value in values if holds(said, value)] == [], (answer.request.url, answer.text)
        assert await tables_with(app, *values) == []
        out, err = capfd.readouterr()
        logged = (out + err + caplog.text).encode()
        assert [value for value in values if holds(logged, value)] == []


JSON = {"content-type": "application/json"}


class TestRepeats:
    async def test_what_is_kept_of_a_request_is_no_plain_hash_of_it(
        self, app: Running, client: httpx.AsyncClient
    ) -> None:
        """A plain hash of a body with a short password could be guessed at, by whoever has a dump."""
        sent = {"name": "n", "type": "password", "value": "hunter2"}
        headers = {"idempotency-key": canary()}
        first = await client.post("/secrets", json=sent, headers=headers)
        again = await client.post("/secrets", json=sent, headers=headers)
        assert (first.status_code, again.json()) == (201, first.json())
        other = await client.post("/secrets", json={**sent, "value": "hunter3"}, headers=headers)
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
        bodies = {msgspec.json.encode(sent), first.request.content, canonical(sent)}
        async with app.ledger.db.housekeeping() as tx:
            kept = set((await tx.driver_sql("SELECT request FROM idempotency_keys")).scalars())
        assert kept
        assert kept.isdisjoint({sha256(body).digest() for body in bodies})
