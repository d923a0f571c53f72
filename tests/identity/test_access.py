"""Which keys are no good: none, wrong ones in every way, a revoked one; the table of permissions is in conventions."""

import asyncio
import json
import re
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import text

from provenance.core.routing import access_of
from provenance.features import ROUTES
from provenance.identity.schemas import ApiKey
from provenance.main import feature_routers
from tests.asking import ask
from tests.conftest import MakeTenant, Running, Tenant

GUARDED = [
    (method, route.path_format)
    for router in feature_routers()
    for route in router.routes
    if isinstance(route, APIRoute) and access_of(route.dependant) is not None
    for method in sorted(route.methods or ())
]
ID = "0a1b2c3d-0000-4000-8000-00000000000a"


def concrete(path: str) -> str:
    return re.sub(r"\{\w+\}", ID, path)


async def call(client: httpx.AsyncClient, method: str, path: str, key: str | None) -> httpx.Response:
    """Call with a body that is no JSON: who may not pass learns nothing of it."""
    content: dict[str, Any] = {}
    if method not in ("GET", "DELETE"):
        content = {"content": b"{", "headers": {"content-type": "application/json"}}
    request = client.build_request(method, concrete(path), **content)
    if key is not None:
        request.headers["x-api-key"] = key
    return await client.send(request)


@pytest.fixture
async def stranger(app: Running) -> Any:
    async with httpx.AsyncClient(base_url=app.url, timeout=30, verify=False) as found:
        yield found


class TestEveryRoute:
    async def test_without_a_valid_key_it_is_401(
        self, app: Running, stranger: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        _, key_id, secret = workspace.key.split("_")
        wrong = [
            None,
            "",
            "nonsense",
            ApiKey.random().text,
            f"pv_{key_id}_{secret[:-1]}{'a' if secret[-1] != 'a' else 'b'}",
            f"pv_{key_id}_{secret}x",
            f"pv_{ApiKey.random().id}_{secret}",
            workspace.key.upper(),
        ]
        early = {path for _, path in app.door._hot} | {path.decode() for path in app.door.express}
        assert early & {path for _, path in GUARDED}
        for method, path in GUARDED:
            for key in wrong:
                headers = {} if key is None else {"x-api-key": key}
                answer = await ask(app.door, method, concrete(path), headers)
                told = answer.status, json.loads(answer.body)["code"]
                assert told == (401, "not_authenticated"), (method, path, key)
                if path in early:  # what reads the connection may answer these before the application is asked
                    over = await call(stranger, method, path, key)
                    assert (over.status_code, over.json()["code"]) == (401, "not_authenticated"), (method, path, key)

    def test_the_table_is_not_empty(self) -> None:
        assert len(GUARDED) >= 18
        assert {path for _, path in GUARDED} >= {"/api/interactions", "/api/origins"}
        assert len(ROUTES) >= 5


class TestRevoked:
    async def test_a_revoked_key_stops_within_a_second_or_so(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant
    ) -> None:
        assert (await client.get("/api/actions")).status_code == 200
        async with app.ledger.db.housekeeping() as tx:
            revoke = text("UPDATE api_keys SET revoked_at = 1 WHERE id = :id")
            await tx.execute(revoke, {"id": workspace.key.split("_")[1]})
        async with asyncio.timeout(30):
            while (await client.get("/api/actions")).status_code != 401:
                await asyncio.sleep(0.05)
        assert (await client.get("/api/actions")).status_code == 401


class TestWords:
    async def test_no_refusal_repeats_a_key_or_names_a_status(
        self, stranger: httpx.AsyncClient, make_tenant: MakeTenant
    ) -> None:
        key = (await make_tenant(("bus:read",))).key
        for sent in (None, key, key[:-1] + "Z"):
            body = (await call(stranger, "POST", "/api/interactions", sent)).text
            told = re.sub(r'"status":\d+', "", body)
            assert "401" not in told
            assert "403" not in told
            assert key.split("_")[2][:12] not in body

    async def test_401_and_403_tell_what_to_do(self, stranger: httpx.AsyncClient, make_tenant: MakeTenant) -> None:
        missing = (await call(stranger, "GET", "/api/actions", None)).json()
        assert "x-api-key" in missing["detail"]
        key = (await make_tenant(("bus:read",))).key
        lacking = (await call(stranger, "GET", "/api/actions", key)).json()
        assert "interactions:read" in lacking["detail"]
