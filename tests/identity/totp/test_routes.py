"""One-time codes: enrol, confirm, sign in, no code twice, recovery codes, disable."""

import time

import httpx
import pyotp
import pytest

from tests.conftest import Running
from tests.identity.conftest import Someone, age_session, bearer, events, sign_in


def code(secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).generate_otp(int(time.time()) // 30 + steps)


async def enrolled(web: httpx.AsyncClient, someone: Someone) -> tuple[str, list[str], dict[str, str]]:
    """Switch one-time codes on; return the secret, the recovery codes and the headers of the session."""
    headers = bearer(await sign_in(web, someone))
    secret = (await web.post("/auth/totp/enrol", headers=headers)).json()["secret"]
    confirmed = await web.post("/auth/totp/confirm", json={"otp": code(secret)}, headers=headers)
    assert confirmed.status_code == 200, confirmed.text
    return secret, confirmed.json()["recoveryCodes"], headers


class TestEnrol:
    async def test_the_secret_is_for_an_authenticator_and_counts_once_confirmed(
        self, web: httpx.AsyncClient, someone: Someone
    ) -> None:
        headers = bearer(await sign_in(web, someone))
        answer = await web.post("/auth/totp/enrol", headers=headers)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json()["otpauthUri"].startswith("otpauth://totp/Provenance:")
        await sign_in(web, someone)
        wrong = await web.post("/auth/totp/confirm", json={"otp": "000000"}, headers=headers)
        assert (wrong.status_code, wrong.json()["code"]) == (400, "wrong_otp")

    async def test_a_stale_sign_in_is_not_enough(self, app: Running, web: httpx.AsyncClient, someone: Someone) -> None:
        signed_in = await sign_in(web, someone)
        await age_session(app, signed_in, 16)
        answer = await web.post("/auth/totp/enrol", headers=bearer(signed_in))
        assert (answer.status_code, answer.json()["code"]) == (403, "fresh_login_required")

    async def test_an_account_that_has_codes_is_not_enrolled_again(
        self, web: httpx.AsyncClient, someone: Someone
    ) -> None:
        _, _, headers = await enrolled(web, someone)
        answer = await web.post("/auth/totp/enrol", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "totp_already_enrolled")


class TestSignIn:
    async def test_the_code_is_asked_for_and_works_once(
        self, app: Running, web: httpx.AsyncClient, someone: Someone
    ) -> None:
        secret, _, _ = await enrolled(web, someone)
        asked = await web.post("/auth/login", json=someone.credentials)
        assert (asked.status_code, asked.json()["code"]) == (401, "otp_required")
        wrong = await web.post("/auth/login", json={**someone.credentials, "otp": "000000"})
        assert (wrong.status_code, wrong.json()["code"]) == (401, "bad_credentials")
        otp = code(secret, 1)  # the present one was used to confirm
        assert (await web.post("/auth/login", json={**someone.credentials, "otp": otp})).status_code == 200
        again = await web.post("/auth/login", json={**someone.credentials, "otp": otp})
        assert again.status_code == 401
        assert (await events(app, someone.workspace.id, someone.id))[-1][1]["methods"] == ["password", "otp"]

    async def test_leaving_the_code_out_washes_no_wrong_one_away(
        self, web: httpx.AsyncClient, someone: Someone
    ) -> None:
        await enrolled(web, someone)
        seen = []
        for _ in range(4):
            for otp in ({"otp": "000000"}, {"otp": "000001"}, {}):
                seen.append((await web.post("/auth/login", json={**someone.credentials, **otp})).status_code)
        assert seen[-1] == 429

    async def test_no_password_no_word_about_codes(self, web: httpx.AsyncClient, someone: Someone) -> None:
        await enrolled(web, someone)
        answer = await web.post("/auth/login", json={**someone.credentials, "password": "wrong horse battery"})
        assert answer.json()["code"] == "bad_credentials"

    async def test_a_recovery_code_works_once(self, web: httpx.AsyncClient, someone: Someone) -> None:
        _, recovery, headers = await enrolled(web, someone)
        assert len(set(recovery)) == 10
        body = {**someone.credentials, "otp": recovery[0].upper()}
        assert (await web.post("/auth/login", json=body)).status_code == 200
        assert (await web.post("/auth/login", json=body)).status_code == 401
        me = (await web.get("/auth/me", headers=headers)).json()
        assert me["mfa"] == {"totp": True, "passkeys": 0, "recoveryCodesLeft": 9}


class TestRenew:
    async def test_new_recovery_codes_replace_the_old(self, web: httpx.AsyncClient, someone: Someone) -> None:
        _, old, headers = await enrolled(web, someone)
        new = (await web.post("/auth/totp/recovery-codes", headers=headers)).json()["recoveryCodes"]
        assert not set(old) & set(new)
        assert (await web.post("/auth/login", json={**someone.credentials, "otp": old[0]})).status_code == 401
        assert (await web.post("/auth/login", json={**someone.credentials, "otp": new[0]})).status_code == 200


class TestDisable:
    async def test_with_a_code_sign_in_needs_none_any_more(
        self, app: Running, web: httpx.AsyncClient, someone: Someone
    ) -> None:
        secret, _, headers = await enrolled(web, someone)
        wrong = await web.post("/auth/totp/disable", json={"otp": "000000"}, headers=headers)
        assert wrong.status_code == 400
        right = await web.post("/auth/totp/disable", json={"otp": code(secret, 1)}, headers=headers)
        assert right.json() == {"enabled": False}
        await sign_in(web, someone)
        changes = [data["change"] for event, data in await events(app, someone.workspace.id) if "mfa" in event]
        assert changes == ["enrolment_begun", "enabled", "disabled"]

    @pytest.mark.parametrize("path", ["/auth/totp/disable", "/auth/totp/confirm"])
    async def test_guessing_codes_is_slowed(self, web: httpx.AsyncClient, someone: Someone, path: str) -> None:
        _, _, headers = await enrolled(web, someone)
        seen = [(await web.post(path, json={"otp": "000000"}, headers=headers)).status_code for _ in range(8)]
        assert seen[-1] == 429
