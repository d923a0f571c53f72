"""What the API's overview says of authentication, pages, errors, rate limits and security, replayed to the letter."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from provenance.core.actor import Role, Scope
from provenance.core.settings import Settings
from tests.conftest import Running, Tenant, fresh_database, make_tenant_of, running
from tests.identity.conftest import Someone, bearer, make_person_of, sign_in, some_address

PROBLEM = {"type", "title", "status", "code", "detail", "error", "details", "requestId"}
WORD = {"title": "Invoice", "mnemonic": "INVOICE"}


def refused(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Assert the status in its one shape; return the body."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body.keys() == PROBLEM
    assert body["status"] == status
    return body


@pytest.fixture
async def curl(app: Running) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody with a terminal, at an address of their own."""
    async with httpx.AsyncClient(base_url=app.url, headers={"x-forwarded-for": some_address()}, timeout=30) as found:
        yield found


@pytest.fixture
async def admin(app: Running, workspace: Tenant) -> Someone:
    return await make_person_of(app, workspace, Role.ADMIN)


@pytest.fixture
async def jwt(curl: httpx.AsyncClient, admin: Someone) -> dict[str, str]:
    return bearer(await sign_in(curl, admin))


async def new_key(curl: httpx.AsyncClient, jwt: dict[str, str], *scopes: str) -> tuple[str, dict[str, str]]:
    """Create a key as Settings → API Keys does; return its id and the header that carries it."""
    answer = await curl.post("/workspace/api-keys", json={"name": "ci", "scopes": list(scopes)}, headers=jwt)
    assert answer.status_code == 201, answer.text
    return answer.json()["keyId"], {"x-api-key": answer.json()["key"]}


class TestAuthentication:
    async def test_a_jwt_lasts_an_hour_and_carries_memberships_and_roles(
        self, curl: httpx.AsyncClient, admin: Someone
    ) -> None:
        signed_in = await sign_in(curl, admin)
        assert (signed_in["tokenType"], signed_in["expiresIn"]) == ("Bearer", 3600)
        part = signed_in["accessToken"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        assert claims["exp"] - claims["iat"] == 3600
        assert claims["sub"] == admin.id
        assert claims["ws"] == admin.workspace.id
        assert claims["role"] == "admin"
        assert claims["memberships"] == [{"ws": admin.workspace.id, "role": "admin"}]

    async def test_the_client_refreshes_before_it_ends(self, curl: httpx.AsyncClient, admin: Someone) -> None:
        signed_in = await sign_in(curl, admin)
        answer = await curl.post("/auth/refresh", json={"refreshToken": signed_in["refreshToken"]})
        assert answer.status_code == 200
        assert (await curl.get("/auth/me", headers=bearer(answer.json()))).status_code == 200

    async def test_a_key_carries_its_scopes_and_works_until_it_is_revoked(
        self, curl: httpx.AsyncClient, jwt: dict[str, str]
    ) -> None:
        assert len(Scope) == 16
        key_id, key = await new_key(curl, jwt, "audit:read")
        assert (await curl.get("/audit", headers=key)).status_code == 200
        assert refused(await curl.get("/api/actions", headers=key), 403)["code"] == "missing_scope"
        assert (await curl.delete(f"/workspace/api-keys/{key_id}", headers=jwt)).status_code == 200
        assert refused(await curl.get("/audit", headers=key), 401)["code"] == "not_authenticated"

    async def test_each_credential_has_its_header(
        self, curl: httpx.AsyncClient, jwt: dict[str, str], workspace: Tenant
    ) -> None:
        token = jwt["authorization"].removeprefix("Bearer ")
        for crossed in ({"authorization": f"Bearer {workspace.key}"}, {"x-api-key": token}):
            refused(await curl.get("/audit", headers=crossed), 401)
        both = refused(await curl.get("/audit", headers={**jwt, "x-api-key": workspace.key}), 400)
        assert both["code"] == "two_credentials"


class TestPagination:
    @pytest.mark.parametrize("who", ["key", "jwt"])
    async def test_audit_with_cursor_and_limit(
        self, curl: httpx.AsyncClient, jwt: dict[str, str], workspace: Tenant, who: str
    ) -> None:
        for _ in range(3):
            await new_key(curl, jwt, "audit:read")
        headers = jwt if who == "jwt" else {"x-api-key": workspace.key}
        first = (await curl.get("/audit?limit=1", headers=headers)).json()
        assert first.keys() == {"items", "nextCursor"}
        assert first["nextCursor"].startswith("eyJ")
        page = (await curl.get(f"/audit?cursor={first['nextCursor']}&limit=100", headers=headers)).json()
        assert page["nextCursor"] is None
        seen = [event["eventId"] for event in first["items"] + page["items"]]
        assert len(set(seen)) == len(seen) >= 3
        assert seen == sorted(seen, reverse=True)

    async def test_whoever_follows_the_cursor_to_null_has_seen_all(
        self, curl: httpx.AsyncClient, jwt: dict[str, str]
    ) -> None:
        for _ in range(4):
            await new_key(curl, jwt, "audit:read")
        seen: list[str] = []
        query = "/audit?eventType=apikey.created&limit=1"
        cursor: str | None = ""
        while cursor is not None:
            page = (await curl.get(query + (f"&cursor={cursor}" if cursor else ""), headers=jwt)).json()
            seen += [event["eventId"] for event in page["items"]]
            cursor = page["nextCursor"]
        assert len(set(seen)) == len(seen) == 4

    async def test_a_cursor_of_nobody_is_400(self, client: httpx.AsyncClient) -> None:
        assert refused(await client.get("/audit?cursor=eyJ...&limit=100"), 400)["code"] == "bad_cursor"


class TestErrorTable:
    async def test_200_and_201(self, client: httpx.AsyncClient) -> None:
        assert (await client.post("/api/actions", json=WORD)).status_code == 201
        assert (await client.get("/api/actions/INVOICE")).status_code == 200

    async def test_400_check_the_body(self, client: httpx.AsyncClient) -> None:
        body = refused(await client.post("/api/actions", json={"title": 7}), 400)
        assert body["details"]

    @pytest.mark.parametrize("method", ["POST", "PUT"])
    async def test_400_without_the_content_type(self, client: httpx.AsyncClient, method: str) -> None:
        path = "/api/actions" if method == "POST" else "/api/actions/INVOICE"
        body = refused(await client.request(method, path, content=json.dumps(WORD)), 400)
        assert body["code"] == "unsupported_content_type"

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"authorization": "Bearer YOUR_JWT"},
            {"x-api-key": "YOUR_KEY"},
            {"authorization": "Basic dXNlcjpwYXNz"},
            {"authorization": "YOUR_JWT"},
        ],
    )
    async def test_401_invalid_or_missing_credentials(self, curl: httpx.AsyncClient, headers: dict[str, str]) -> None:
        answer = await curl.get("/audit", headers=headers)
        assert refused(answer, 401)["code"] == "not_authenticated"
        assert answer.headers["www-authenticate"].startswith("Bearer")

    async def test_403_insufficient_scope_or_role(
        self, app: Running, curl: httpx.AsyncClient, jwt: dict[str, str], workspace: Tenant
    ) -> None:
        _, key = await new_key(curl, jwt, "runs:write")
        assert refused(await curl.get("/audit", headers=key), 403)["code"] == "missing_scope"
        viewer = await make_person_of(app, workspace, Role.VIEWER)
        answer = await curl.get("/audit", headers=bearer(await sign_in(curl, viewer)))
        assert refused(answer, 403)["code"] == "missing_role"

    async def test_404_not_found_also_for_another_workspaces(self, app: Running, client: httpx.AsyncClient) -> None:
        await client.post("/api/actions", json=WORD)
        abroad = await make_tenant_of(app.ledger)
        for path in ("/api/actions/INVOICE", "/api/actions/0a1b2c3d-0000-4000-8000-00000000000a", "/nowhere"):
            refused(await client.get(path, headers={"x-api-key": abroad.key}), 404)

    async def test_409_the_resource_exists_already(self, client: httpx.AsyncClient) -> None:
        await client.post("/api/actions", json=WORD)
        assert refused(await client.post("/api/actions", json=WORD), 409)["code"] == "mnemonic_taken"

    async def test_500_says_nothing_of_the_cause(self, postgres_url: str, tmp_path: Path) -> None:
        async with fresh_database(postgres_url) as url:
            settings = Settings(database_url=url, data_dir=tmp_path, port=0, min_free_bytes=0)
            async with running(settings) as broken:
                tenant = await make_tenant_of(broken.ledger)
                async with broken.ledger.db.housekeeping() as tx:
                    await tx.driver_sql("ALTER TABLE catalogue RENAME TO elsewhere")
                with capture_logs() as lines:
                    async with httpx.AsyncClient(base_url=broken.url, headers={"x-api-key": tenant.key}) as client:
                        body = refused(await client.get("/api/actions"), 500)
        assert [line["request_id"] for line in lines if "exc_info" in line] == [body["requestId"]]
        assert body["code"] == "internal_error"
        assert "catalogue" not in json.dumps(body)


class TestRateLimits:
    @pytest.fixture
    async def strict(self, settings: Settings, app: Running) -> AsyncIterator[httpx.AsyncClient]:
        """A server that lets everybody call three times, and then once in ten seconds."""
        few = settings.model_copy(update={"rate_limit_per_minute": 6, "rate_limit_burst": 3})
        async with running(few) as server, httpx.AsyncClient(base_url=server.url, timeout=30) as found:
            yield found

    async def test_429_with_the_seconds_to_wait_for_each_key_and_each_person(
        self, strict: httpx.AsyncClient, jwt: dict[str, str], app: Running, workspace: Tenant
    ) -> None:
        second = await make_tenant_of(app.ledger, into=workspace.id)
        for headers in (jwt, {"x-api-key": workspace.key}, {"x-api-key": second.key}):
            for left in (2, 1, 0):
                answer = await strict.get("/audit", headers=headers)
                assert (answer.status_code, answer.headers["ratelimit-remaining"]) == (200, str(left))
            answer = await strict.get("/audit", headers=headers)
            assert refused(answer, 429)["code"] == "rate_limited"
            assert 1 <= int(answer.headers["retry-after"]) <= 10


class TestSecurity:
    async def test_what_matters_leaves_an_audit_event(
        self, curl: httpx.AsyncClient, jwt: dict[str, str], admin: Someone
    ) -> None:
        key_id, _ = await new_key(curl, jwt, "audit:read")
        await curl.delete(f"/workspace/api-keys/{key_id}", headers=jwt)
        events = (await curl.get("/audit", headers=jwt)).json()["items"]
        told = {event["eventType"]: event for event in events}
        assert {"auth.login", "apikey.created", "apikey.revoked"} <= told.keys()
        assert told["apikey.revoked"]["actorId"] == admin.id
        assert told["apikey.revoked"]["objectId"] == key_id
