"""API keys over HTTP: shown once, refused at once when revoked, ended or from elsewhere; when they came last."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from provenance.core.actor import Role, Scope
from provenance.core.clock import iso_millis
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.conftest import identity_of
from tests.identity.people import As, MakeAs, rows

KEYS = "/workspace/api-keys"
RECORD = {"resourceType": "ORDER", "resourceId": "o-1", "action": "CREATE", "origin": "TEST"}


async def made(admin: As, **more: Any) -> dict[str, Any]:
    answer = await admin.post(KEYS, json={"name": "ci", "scopes": ["interactions:write", "interactions:read"], **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def keyed(app: Running, key: dict[str, Any], address: str | None = None) -> httpx.AsyncClient:
    headers = {"x-api-key": key["key"]}
    if address is not None:
        headers["x-forwarded-for"] = address
    return httpx.AsyncClient(base_url=app.url, headers=headers, verify=False)


def soon(**span: float) -> str:
    return (datetime.now(UTC) + timedelta(**span)).isoformat()


class TestCreate:
    async def test_the_key_is_shown_once_and_works(self, app: Running, workspace: Tenant, admin: As) -> None:
        key = await made(admin)
        assert key["key"].startswith(key["prefix"] + "_")
        assert key["keyId"] == "key_" + key["prefix"].removeprefix("pv_")
        async with keyed(app, key) as client:
            assert (await client.post("/api/interactions", json=RECORD)).status_code == 201
            assert (await client.get("/audit")).status_code == 403
        [shown] = [each for each in (await admin.get(KEYS)).json()["items"] if each["keyId"] == key["keyId"]]
        assert shown == {name: value for name, value in key.items() if name != "key"}
        assert (shown["createdBy"], shown["lastUsedAt"], shown["revokedAt"]) == (admin.id, None, None)
        assert (shown["expiresAt"], shown["ipAllowList"]) == (None, [])
        [(event, subject, data)] = await rows(app, workspace.id, "APIKEY")
        assert (event, subject, data["scopes"]) == ("apikey.created", key["keyId"], shown["scopes"])
        assert key["key"].split("_")[2] not in str(data)

    async def test_one_to_sixteen_scopes(self, admin: As) -> None:
        everything = [scope.value for scope in Scope]
        assert sorted((await made(admin, scopes=everything))["scopes"]) == sorted(everything)
        assert (await made(admin, scopes=["runs:read", "runs:read"]))["scopes"] == ["runs:read"]

    @pytest.mark.parametrize(
        ("wrong", "path"),
        [
            ({"scopes": []}, "scopes"),
            ({"scopes": ["everything"]}, "scopes[0]"),
            ({"scopes": None}, "scopes"),
            ({"name": " "}, "name"),
            ({"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
            ({"expiresAt": "tomorrow"}, "expiresAt"),
            ({"expiresAt": "2999-01-01T00:00:00Z"}, "expiresAt"),
            ({"ipAllowList": ["localhost"]}, "ipAllowList[0]"),
        ],
    )
    async def test_what_is_not_valid_is_named(self, admin: As, wrong: dict[str, Any], path: str) -> None:
        answer = await admin.post(KEYS, json={"name": "ci", "scopes": ["runs:read"], **wrong})
        assert (answer.status_code, answer.json()["details"][0]["path"]) == (400, path)

    async def test_the_domain_of_its_event_is_auth(self, admin: As) -> None:
        await made(admin)
        found = (await admin.get("/audit", params={"eventType": "apikey.created"})).json()["items"]
        assert [(each["domain"], each["objectName"]) for each in found] == [("auth", "ci")]


class TestList:
    async def test_pages_newest_first(self, admin: As) -> None:
        keys = [(await made(admin, name=f"k{number}"))["keyId"] for number in range(3)]
        first = (await admin.get(KEYS, params={"limit": 2})).json()
        rest = (await admin.get(KEYS, params={"limit": 2, "cursor": first["nextCursor"]})).json()
        seen = [each["keyId"] for each in first["items"] + rest["items"]]
        assert seen[:3] == keys[::-1]
        assert rest["nextCursor"] is None
        assert len(seen) == 4, "the workspace's own key is the oldest"

    async def test_another_workspaces_are_not_there(self, admin: As, make_as: MakeAs, make_tenant: MakeTenant) -> None:
        theirs = await made(await make_as(Role.ADMIN, await make_tenant()))
        assert theirs["keyId"] not in (await admin.get(KEYS)).text
        assert await admin.say("DELETE", f"{KEYS}/{theirs['keyId']}") == (404, "api_key_not_found")


class TestAccess:
    async def test_only_administrators_may(self, make_as: MakeAs, client: httpx.AsyncClient) -> None:
        calls = [
            ("GET", KEYS, None),
            ("POST", KEYS, {"name": "x", "scopes": ["runs:read"]}),
            ("DELETE", f"{KEYS}/x", None),
        ]
        for method, path, body in calls:
            for role in (Role.VIEWER, Role.EDITOR):
                assert (await (await make_as(role)).say(method, path, body))[0] == 403
            answer = await client.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "people_only")


class TestRevoke:
    async def test_counts_at_once_and_once(self, app: Running, workspace: Tenant, admin: As) -> None:
        key = await made(admin)
        async with keyed(app, key) as client:
            for _ in range(2):
                assert (await client.post("/api/interactions", json=RECORD)).status_code == 201
            first = await admin.delete(f"{KEYS}/{key['keyId']}")
            assert (await client.post("/api/interactions", json=RECORD)).status_code == 401
        assert (first.status_code, set(first.json())) == (200, {"keyId", "revokedAt"})
        assert (await admin.delete(f"{KEYS}/{key['keyId']}")).json() == first.json()
        assert [event for event, _, _ in await rows(app, workspace.id, "APIKEY")] == [
            "apikey.created",
            "apikey.revoked",
        ]

    @pytest.mark.parametrize("wrong", ["key_nonsense", "nonsense", "key_", "pv_x"])
    async def test_an_unknown_one_is_not_found(self, admin: As, wrong: str) -> None:
        assert await admin.say("DELETE", f"{KEYS}/{wrong}") == (404, "api_key_not_found")


class TestExpiry:
    async def test_what_is_remembered_does_not_outlive_it(self, app: Running, admin: As) -> None:
        key = await made(admin, expiresAt=soon(seconds=1.5))
        until = time.time() + 10
        async with keyed(app, key) as client:
            assert (await client.post("/api/interactions", json=RECORD)).status_code == 201
            while (status := (await client.post("/api/interactions", json=RECORD)).status_code) == 201:
                assert time.time() < until
                await asyncio.sleep(0.05)
            assert status == 401
            assert iso_millis(time.time_ns()) >= key["expiresAt"]


class TestAddresses:
    async def test_from_elsewhere_it_is_refused_on_both_ways(self, app: Running, admin: As) -> None:
        key = await made(admin, ipAllowList=["10.1.0.0/16", "2001:db8::1", "10.1.2.3/16"])
        assert key["ipAllowList"] == ["10.1.0.0/16", "2001:db8::1/128"]
        async with keyed(app, key) as direct:  # from 127.0.0.1, over the express and over the framework
            for answer in [
                await direct.post("/api/interactions", json=RECORD),
                await direct.post("/api/interactions", json=RECORD),
                await direct.get("/api/actions"),
            ]:
                assert (answer.status_code, answer.json()["code"]) == (403, "address_not_allowed")

    @pytest.mark.parametrize(
        ("address", "status"),
        [("10.1.255.7", 201), ("::ffff:10.1.0.9", 201), ("2001:db8::1", 201), ("10.2.0.1", 403), ("2001:db8::2", 403)],
    )
    async def test_the_clients_address_decides(self, app: Running, admin: As, address: str, status: int) -> None:
        key = await made(admin, ipAllowList=["10.1.0.0/16", "2001:db8::1"])
        async with keyed(app, key, address) as client:
            assert (await client.post("/api/interactions", json=RECORD)).status_code == status

    async def test_where_from_is_not_recorded(self, app: Running, workspace: Tenant, admin: As) -> None:
        await made(admin, ipAllowList=["10.1.0.0/16"])
        [(_, _, data)] = await rows(app, workspace.id, "APIKEY")
        assert data["networks"] == 1
        assert "10.1" not in str(data)


class TestLastUsed:
    async def test_is_stored_together_and_at_most_once_a_minute(self, app: Running, admin: As) -> None:
        last_used = identity_of(app).last_used
        key = await made(admin)
        await last_used.flush()
        async with keyed(app, key) as client:
            await client.post("/api/interactions", json=RECORD)
            await last_used.flush()
            first = await stamp(admin, key)
            assert first is not None
            assert key["createdAt"] <= first <= iso_millis(time.time_ns())
            await client.post("/api/interactions", json=RECORD)
            await last_used.flush()
            assert await stamp(admin, key) == first
            minute_ago = "UPDATE api_keys SET last_used_at = last_used_at - 60000000000 WHERE id = $1"
            async with app.ledger.db.housekeeping() as tx:
                await tx.driver_sql(minute_ago, (key["keyId"].removeprefix("key_"),))
            await client.post("/api/interactions", json=RECORD)
            await last_used.flush()
        assert (await stamp(admin, key) or "") > first

    async def test_it_moves_no_epoch(self, app: Running, admin: As) -> None:
        key = await made(admin)
        async with keyed(app, key) as client:
            await client.get("/workspace")
        async with app.ledger.db.housekeeping() as tx:
            stamped = "UPDATE api_keys SET last_used_at = 1 WHERE id = $1"
            before = (await tx.driver_sql("SELECT epoch FROM auth_epoch")).scalar_one()
            await tx.driver_sql(stamped, (key["keyId"].removeprefix("key_"),))
            assert (await tx.driver_sql("SELECT epoch FROM auth_epoch")).scalar_one() == before


async def stamp(admin: As, key: dict[str, Any]) -> str | None:
    [shown] = [each for each in (await admin.get(KEYS)).json()["items"] if each["keyId"] == key["keyId"]]
    found: str | None = shown["lastUsedAt"]
    return found
