"""Sign in, use the token by role, refresh, sign out: over HTTP, with every refusal."""

import time

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from provenance.core.actor import Role
from provenance.identity.sessions.signing import _REGISTRY
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.conftest import MakePerson, Someone, bearer, events, new_email, sign_in

WORD = {"mnemonic": "PIGEON", "title": "Pigeon"}


class TestLogin:
    async def test_the_answer_has_the_contracts_fields(self, web: httpx.AsyncClient, someone: Someone) -> None:
        answer = await web.post("/auth/login", json=someone.credentials)
        assert answer.headers["cache-control"] == "no-store"
        assert "set-cookie" not in answer.headers
        found = answer.json()
        assert set(found) == {"accessToken", "tokenType", "expiresIn", "refreshToken", "user", "workspace"}
        assert (found["tokenType"], found["expiresIn"]) == ("Bearer", 3600)
        assert found["user"] == {"userId": someone.id, "email": someone.email, "name": None}
        assert found["workspace"]["workspaceId"] == someone.workspace.id
        assert found["workspace"]["role"] == "editor"

    async def test_the_token_has_the_claims_and_a_published_key_signs_it(
        self, web: httpx.AsyncClient, someone: Someone
    ) -> None:
        token = (await sign_in(web, someone))["accessToken"]
        keys = KeySet.import_key_set((await web.get("/auth/jwks.json")).json())
        found = jwt.decode(token, keys, registry=_REGISTRY)
        assert found.header["alg"] == "EdDSA"
        assert found.header["kid"] in {key.kid for key in keys.keys}
        claims = found.claims
        assert (claims["sub"], claims["ws"], claims["role"]) == (someone.id, someone.workspace.id, "editor")
        assert claims["memberships"] == [{"ws": someone.workspace.id, "role": "editor"}]
        assert claims["exp"] - claims["iat"] == 3600
        assert {"iss", "jti", "groups", "sid"} <= set(claims)
        assert someone.email.lower() not in str(claims).lower()

    async def test_the_published_keys_hold_nothing_private(self, web: httpx.AsyncClient) -> None:
        for key in (await web.get("/auth/jwks.json")).json()["keys"]:
            assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}

    async def test_the_address_is_found_whatever_its_case(self, web: httpx.AsyncClient, someone: Someone) -> None:
        answer = await web.post("/auth/login", json={**someone.credentials, "email": f" {someone.email.upper()} "})
        assert answer.status_code == 200

    async def test_a_wrong_password_and_an_unknown_account_answer_alike(
        self, web: httpx.AsyncClient, someone: Someone
    ) -> None:
        wrong = await web.post("/auth/login", json={**someone.credentials, "password": "wrong horse battery"})
        unknown = await web.post("/auth/login", json={"email": new_email(), "password": "wrong horse battery"})
        assert wrong.status_code == unknown.status_code == 401
        first, second = wrong.json(), unknown.json()
        assert first["code"] == "bad_credentials"
        assert {**first, "requestId": ""} == {**second, "requestId": ""}

    async def test_an_unknown_account_takes_as_long(self, web: httpx.AsyncClient, make_person: MakePerson) -> None:
        async def seconds(email: str) -> float:
            began = time.perf_counter()
            await web.post("/auth/login", json={"email": email, "password": "wrong horse battery"})
            return time.perf_counter() - began

        known = sorted([await seconds((await make_person()).email) for _ in range(5)])[2]
        unknown = sorted([await seconds(new_email()) for _ in range(5)])[2]
        assert 0.5 < known / unknown < 2

    async def test_it_is_recorded_in_the_workspace_without_the_address(
        self, app: Running, web: httpx.AsyncClient, someone: Someone
    ) -> None:
        await sign_in(web, someone)
        [(event, data)] = await events(app, someone.workspace.id)
        assert event == "auth.login"
        assert data["methods"] == ["password"]
        await web.post("/auth/login", json={**someone.credentials, "password": "x"})
        assert [each for each, _ in await events(app, None, someone.id)] == ["auth.login_failed"]

    async def test_a_person_chooses_among_their_workspaces(
        self, web: httpx.AsyncClient, someone: Someone, make_tenant: MakeTenant
    ) -> None:
        other = await make_tenant()
        refused = await web.post("/auth/login", json={**someone.credentials, "workspaceId": other.id})
        assert (refused.status_code, refused.json()["code"]) == (403, "no_membership")
        assert (await sign_in(web, someone, workspaceId=someone.workspace.id))["workspace"]["role"] == "editor"

    @pytest.mark.parametrize(
        "body", [{}, {"email": "a@b.c"}, {"email": 1, "password": "x"}, {"email": "a", "password": "x", "mode": "y"}]
    )
    async def test_a_body_that_is_none_is_refused(self, web: httpx.AsyncClient, body: dict[str, object]) -> None:
        assert (await web.post("/auth/login", json=body)).status_code == 400


class TestToken:
    @pytest.mark.parametrize(
        ("role", "reads", "writes"), [(Role.VIEWER, 200, 403), (Role.EDITOR, 200, 201), (Role.ADMIN, 200, 201)]
    )
    async def test_it_opens_the_ledger_by_role(
        self, web: httpx.AsyncClient, make_person: MakePerson, role: Role, reads: int, writes: int
    ) -> None:
        headers = bearer(await sign_in(web, await make_person(role)))
        assert (await web.get("/api/actions", headers=headers)).status_code == reads
        assert (await web.post("/api/actions", json=WORD, headers=headers)).status_code == writes

    async def test_a_token_and_a_key_together_are_refused(
        self, web: httpx.AsyncClient, someone: Someone, workspace: Tenant
    ) -> None:
        headers = {**bearer(await sign_in(web, someone)), "x-api-key": workspace.key}
        answer = await web.get("/api/actions", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "two_credentials")

    async def test_whatever_else_is_sent_is_refused(self, web: httpx.AsyncClient, someone: Someone) -> None:
        token = (await sign_in(web, someone))["accessToken"]
        _, body, signature = token.split(".")
        none = "eyJhbGciOiJub25lIn0"
        for sent in ("x", token[:-3], f"{none}.{body}.", f"{none}.{body}.{signature}"):
            answer = await web.get("/api/actions", headers={"authorization": f"Bearer {sent}"})
            assert answer.status_code == 401, sent
        assert (await web.get("/api/actions", headers={"authorization": f"Basic {token}"})).status_code == 401
        assert (await web.get("/api/actions", headers={"x-api-key": f"Bearer {token}"})).status_code == 401


class TestRefresh:
    async def test_it_hands_out_the_next_tokens(self, web: httpx.AsyncClient, someone: Someone) -> None:
        first = await sign_in(web, someone)
        answer = await web.post("/auth/refresh", json={"refreshToken": first["refreshToken"]})
        second = answer.json()
        assert set(second) == set(first)
        assert second["refreshToken"] != first["refreshToken"]
        assert second["accessToken"] != first["accessToken"]
        assert (await web.get("/auth/me", headers=bearer(second))).status_code == 200

    async def test_a_second_use_ends_the_session(self, app: Running, web: httpx.AsyncClient, someone: Someone) -> None:
        first = await sign_in(web, someone)
        second = (await web.post("/auth/refresh", json={"refreshToken": first["refreshToken"]})).json()
        again = await web.post("/auth/refresh", json={"refreshToken": first["refreshToken"]})
        assert (again.status_code, again.json()["code"]) == (401, "session_over")
        heir = await web.post("/auth/refresh", json={"refreshToken": second["refreshToken"]})
        assert heir.status_code == 401
        assert (await events(app, someone.workspace.id))[-1][1]["why"] == "refresh_token_reused"
        assert (await web.get("/auth/me", headers=bearer(second))).status_code == 401

    @pytest.mark.parametrize("token", [None, "", "nonsense"])
    async def test_any_other_token_is_refused(self, web: httpx.AsyncClient, token: str | None) -> None:
        answer = await web.post("/auth/refresh", json={} if token is None else {"refreshToken": token})
        assert (answer.status_code, answer.json()["code"]) == (401, "session_over")


class TestBrowser:
    async def test_the_refresh_token_is_a_cookie_that_scripts_cannot_read(
        self, web: httpx.AsyncClient, someone: Someone
    ) -> None:
        answer = await web.post("/auth/login", json={**someone.credentials, "mode": "browser"})
        found = answer.json()
        assert found["refreshToken"] is None
        assert found["expiresIn"] <= 900
        cookie = answer.headers["set-cookie"]
        for part in ("provenance_refresh=pvr_", "HttpOnly", "Path=/auth;", "SameSite=strict"):
            assert part in cookie
        refreshed = await web.post("/auth/refresh", json={})
        assert refreshed.status_code == 200
        assert refreshed.json()["refreshToken"] is None
        assert (await web.post("/auth/logout", json={})).json() == {"signedOut": True}
        assert (await web.post("/auth/refresh", json={})).status_code == 401

    async def test_behind_https_the_cookie_travels_by_https_alone(
        self, web: httpx.AsyncClient, someone: Someone
    ) -> None:
        body = {**someone.credentials, "mode": "browser"}
        answer = await web.post("/auth/login", json=body, headers={"x-forwarded-proto": "https"})
        assert "Secure" in answer.headers["set-cookie"]


class TestLogout:
    @pytest.mark.parametrize("by", ["refreshToken", "accessToken"])
    async def test_it_ends_the_session(self, app: Running, web: httpx.AsyncClient, someone: Someone, by: str) -> None:
        found = await sign_in(web, someone)
        headers = bearer(found) if by == "accessToken" else {}
        body = {"refreshToken": found["refreshToken"]} if by == "refreshToken" else {}
        assert (await web.post("/auth/logout", json=body, headers=headers)).json() == {"signedOut": True}
        assert (await web.post("/auth/refresh", json={"refreshToken": found["refreshToken"]})).status_code == 401
        assert [event for event, _ in await events(app, someone.workspace.id)] == ["auth.login", "auth.logout"]

    async def test_a_token_of_nobody_answers_the_same(self, web: httpx.AsyncClient) -> None:
        assert (await web.post("/auth/logout", json={"refreshToken": "x"})).json() == {"signedOut": True}


class TestMe:
    async def test_it_shows_the_account(self, web: httpx.AsyncClient, someone: Someone) -> None:
        found = (await web.get("/auth/me", headers=bearer(await sign_in(web, someone)))).json()
        assert (found["userId"], found["email"]) == (someone.id, someone.email)
        assert [each["workspaceId"] for each in found["memberships"]] == [someone.workspace.id]
        assert found["mfa"] == {"totp": False, "passkeys": 0, "recoveryCodesLeft": 0}

    async def test_a_key_has_no_account(self, web: httpx.AsyncClient, workspace: Tenant) -> None:
        answer = await web.get("/auth/me", headers={"x-api-key": workspace.key})
        assert (answer.status_code, answer.json()["code"]) == (403, "people_only")


class TestSession:
    async def test_permissions_follow_the_role(self, web: httpx.AsyncClient, make_person: MakePerson) -> None:
        seen = {}
        for role in (Role.VIEWER, Role.EDITOR):
            headers = bearer(await sign_in(web, await make_person(role)))
            seen[role] = (await web.get("/auth/session", headers=headers)).json()
        viewer, editor = seen[Role.VIEWER], seen[Role.EDITOR]
        assert (viewer["role"], editor["role"]) == ("viewer", "editor")
        assert "actions.list" in viewer["permissions"]
        assert "actions.create" not in viewer["permissions"]
        assert set(viewer["permissions"]) < set(editor["permissions"])
        assert viewer["groups"] == []
