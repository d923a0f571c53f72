"""Passkeys: register, sign in, list, remove; and every answer that does not prove anything."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.conftest import Running
from tests.identity.conftest import MakePerson, Someone, age_session, bearer, events, sign_in
from tests.identity.passkeys.authenticator import PRESENT, Authenticator


def new_authenticator(app: Running) -> Authenticator:
    return Authenticator("127.0.0.1", app.url)


async def registered(
    web: httpx.AsyncClient, authenticator: Authenticator, headers: dict[str, str], name: str = "Phone"
) -> httpx.Response:
    begun = (await web.post("/auth/passkeys/register/begin", headers=headers)).json()
    body = {
        "challengeId": begun["challengeId"],
        "credential": authenticator.create(begun["publicKey"]),
        "name": name,
    }
    return await web.post("/auth/passkeys/register/finish", json=body, headers=headers)


async def asserted(web: httpx.AsyncClient, authenticator: Authenticator, **more: Any) -> httpx.Response:
    begun = (await web.post("/auth/passkeys/authenticate/begin")).json()
    body = {"challengeId": begun["challengeId"], "credential": authenticator.get(begun["publicKey"]), **more}
    return await web.post("/auth/passkeys/authenticate/finish", json=body)


class TestRegister:
    async def test_a_passkey_is_stored_and_recorded(
        self, app: Running, web: httpx.AsyncClient, someone: Someone
    ) -> None:
        headers = bearer(await sign_in(web, someone))
        made = await registered(web, new_authenticator(app), headers)
        assert made.json()["name"] == "Phone"
        listed = (await web.get("/auth/passkeys", headers=headers)).json()
        assert listed["items"] == [made.json()]
        assert (await events(app, someone.workspace.id))[-1][1]["change"] == "added"

    async def test_a_credential_is_registered_once(
        self, app: Running, web: httpx.AsyncClient, someone: Someone, make_person: MakePerson
    ) -> None:
        authenticator = new_authenticator(app)
        await registered(web, authenticator, bearer(await sign_in(web, someone)))
        again = await registered(web, authenticator, bearer(await sign_in(web, await make_person())))
        assert (again.status_code, again.json()["code"]) == (409, "passkey_known")

    async def test_a_challenge_is_for_who_asked_and_works_once(
        self, app: Running, web: httpx.AsyncClient, someone: Someone, make_person: MakePerson
    ) -> None:
        mine, theirs = bearer(await sign_in(web, someone)), bearer(await sign_in(web, await make_person()))
        begun = (await web.post("/auth/passkeys/register/begin", headers=mine)).json()
        credential = new_authenticator(app).create(begun["publicKey"])
        body = {"challengeId": begun["challengeId"], "credential": credential}
        seen = [
            (await web.post("/auth/passkeys/register/finish", json=body, headers=headers)).status_code
            for headers in (theirs, mine, mine)
        ]
        assert seen == [400, 200, 400]

    async def test_a_stale_sign_in_is_not_enough(self, app: Running, web: httpx.AsyncClient, someone: Someone) -> None:
        signed_in = await sign_in(web, someone)
        await age_session(app, signed_in, 16)
        answer = await web.post("/auth/passkeys/register/begin", headers=bearer(signed_in))
        assert answer.json()["code"] == "fresh_login_required"

    async def test_another_site_or_an_unverified_user_is_refused(
        self, app: Running, web: httpx.AsyncClient, someone: Someone
    ) -> None:
        headers = bearer(await sign_in(web, someone))
        elsewhere, careless = Authenticator("127.0.0.1", "https://evil.example"), new_authenticator(app)
        careless.flags = PRESENT
        for authenticator in (elsewhere, careless):
            answer = await registered(web, authenticator, headers)
            assert (answer.status_code, answer.json()["code"]) == (400, "passkey_unusable")


Spoil = Callable[[Authenticator], None]


class TestAuthenticate:
    async def test_it_signs_its_owner_in(self, app: Running, web: httpx.AsyncClient, someone: Someone) -> None:
        authenticator = new_authenticator(app)
        await registered(web, authenticator, bearer(await sign_in(web, someone)))
        found = (await asserted(web, authenticator)).json()
        assert found["user"]["userId"] == someone.id
        assert (await web.get("/auth/me", headers=bearer(found))).json()["mfa"]["passkeys"] == 1
        assert (await events(app, someone.workspace.id))[-1][1]["methods"] == ["passkey"]
        browser = await asserted(web, authenticator, mode="browser")
        assert "HttpOnly" in browser.headers["set-cookie"]

    async def test_the_options_name_nobody(self, web: httpx.AsyncClient) -> None:
        options = (await web.post("/auth/passkeys/authenticate/begin")).json()["publicKey"]
        assert options.get("allowCredentials", []) == []
        assert options["userVerification"] == "required"

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda key: setattr(key, "origin", "https://evil.example"),
            lambda key: setattr(key, "rp_id", "evil.example"),
            lambda key: setattr(key, "flags", PRESENT),
            lambda key: setattr(key, "count", -1),
            lambda key: setattr(key, "_key", Authenticator("x", "x")._key),
            lambda key: setattr(key, "id", b"of nobody here.."),
        ],
    )
    async def test_what_proves_nothing_is_refused(
        self, app: Running, web: httpx.AsyncClient, someone: Someone, spoil: Spoil
    ) -> None:
        authenticator = new_authenticator(app)
        await registered(web, authenticator, bearer(await sign_in(web, someone)))
        assert (await asserted(web, authenticator)).status_code == 200
        spoil(authenticator)
        answer = await asserted(web, authenticator)
        assert (answer.status_code, answer.json()["code"]) == (401, "passkey_refused")

    @pytest.mark.parametrize("credential", [{}, {"rawId": 1}, {"rawId": "AAAA", "response": {}}, {"rawId": "%%"}])
    async def test_what_is_no_credential_is_refused(self, web: httpx.AsyncClient, credential: dict[str, Any]) -> None:
        begun = (await web.post("/auth/passkeys/authenticate/begin")).json()
        body = {"challengeId": begun["challengeId"], "credential": credential}
        assert (await web.post("/auth/passkeys/authenticate/finish", json=body)).status_code == 401

    async def test_an_answer_is_heard_once(self, app: Running, web: httpx.AsyncClient, someone: Someone) -> None:
        authenticator = new_authenticator(app)
        await registered(web, authenticator, bearer(await sign_in(web, someone)))
        begun = (await web.post("/auth/passkeys/authenticate/begin")).json()
        body = {"challengeId": begun["challengeId"], "credential": authenticator.get(begun["publicKey"])}
        seen = [(await web.post("/auth/passkeys/authenticate/finish", json=body)).status_code for _ in range(2)]
        assert seen == [200, 401]


class TestRemove:
    async def test_a_removed_one_opens_nothing(self, app: Running, web: httpx.AsyncClient, someone: Someone) -> None:
        headers, authenticator = bearer(await sign_in(web, someone)), new_authenticator(app)
        found = (await registered(web, authenticator, headers)).json()["passkeyId"]
        assert (await web.delete(f"/auth/passkeys/{found}", headers=headers)).json()["removed"] is True
        assert (await asserted(web, authenticator)).status_code == 401
        assert (await web.delete(f"/auth/passkeys/{found}", headers=headers)).status_code == 404

    async def test_another_persons_is_not_found(
        self, app: Running, web: httpx.AsyncClient, someone: Someone, make_person: MakePerson
    ) -> None:
        mine, theirs = bearer(await sign_in(web, someone)), bearer(await sign_in(web, await make_person()))
        found = (await registered(web, new_authenticator(app), mine)).json()["passkeyId"]
        assert (await web.delete(f"/auth/passkeys/{found}", headers=theirs)).status_code == 404
