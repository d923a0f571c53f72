"""Change a password, forget it, set it anew by mail: with what an attacker would try."""

import time

import httpx
import pytest

from tests.conftest import Running
from tests.identity.conftest import (
    MailCatcher,
    Someone,
    bearer,
    events,
    new_email,
    sign_in,
    some_address,
    token_in,
)

NEW = "a much better passphrase"


class TestChange:
    async def test_the_new_one_counts_and_other_sessions_end(
        self, app: Running, web: httpx.AsyncClient, someone: Someone
    ) -> None:
        here, elsewhere = await sign_in(web, someone), await sign_in(web, someone)
        body = {"currentPassword": someone.password, "newPassword": NEW}
        assert (await web.post("/auth/password/change", json=body, headers=bearer(here))).json() == {"done": True}
        assert (await web.get("/auth/me", headers=bearer(here))).status_code == 200
        assert (await web.post("/auth/refresh", json={"refreshToken": elsewhere["refreshToken"]})).status_code == 401
        assert (await web.post("/auth/login", json=someone.credentials)).status_code == 401
        someone.password = NEW
        await sign_in(web, someone)
        recorded = await events(app, someone.workspace.id, someone.id)
        assert ("auth.password_reset", {"step": "changed"}) in recorded

    async def test_the_present_one_is_asked_for(self, web: httpx.AsyncClient, someone: Someone) -> None:
        headers = bearer(await sign_in(web, someone))
        for current in ({}, {"currentPassword": "wrong horse battery"}):
            answer = await web.post("/auth/password/change", json={**current, "newPassword": NEW}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "bad_credentials")

    @pytest.mark.parametrize("weak", ["", "elevenchars", "a" * 40, "ab" * 20, "x" * 257])
    async def test_a_weak_one_is_refused_without_repeating_it(
        self, web: httpx.AsyncClient, someone: Someone, weak: str
    ) -> None:
        body = {"currentPassword": someone.password, "newPassword": weak}
        answer = await web.post("/auth/password/change", json=body, headers=bearer(await sign_in(web, someone)))
        assert (answer.status_code, answer.json()["code"]) == (400, "weak_password")
        assert len(weak) < 3 or weak not in answer.text


class TestForgot:
    async def test_the_mailed_link_sets_a_new_password_once(
        self, mailing: Running, mail_web: httpx.AsyncClient, mails: MailCatcher, someone: Someone
    ) -> None:
        old = await sign_in(mail_web, someone)
        assert (await mail_web.post("/auth/password/forgot", json={"email": someone.email})).json() == {"done": True}
        token = token_in(await mails.to(someone.email))
        weak = await mail_web.post("/auth/password/reset", json={"token": token, "password": "short"})
        assert weak.status_code == 400
        body = {"token": token, "password": NEW}
        assert (await mail_web.post("/auth/password/reset", json=body)).json() == {"done": True}
        again = await mail_web.post("/auth/password/reset", json=body)
        assert (again.status_code, again.json()["code"]) == (400, "ticket_spent")
        assert (await mail_web.post("/auth/login", json=someone.credentials)).status_code == 401
        assert (await mail_web.post("/auth/refresh", json={"refreshToken": old["refreshToken"]})).status_code == 401
        someone.password = NEW
        await sign_in(mail_web, someone)
        steps = [data["step"] for event, data in await events(mailing, None, someone.id) if "password" in event]
        assert steps == ["requested", "completed"]

    async def test_only_the_newest_link_works(
        self, mail_web: httpx.AsyncClient, mails: MailCatcher, someone: Someone
    ) -> None:
        tokens = []
        for _ in range(2):
            await mail_web.post("/auth/password/forgot", json={"email": someone.email})
            tokens.append(token_in(await mails.to(someone.email)))
        old, new = [
            (await mail_web.post("/auth/password/reset", json={"token": token, "password": NEW})).status_code
            for token in tokens
        ]
        assert (old, new) == (400, 200)

    async def test_an_unknown_account_gets_the_same_answer_in_the_same_time(
        self, mail_web: httpx.AsyncClient, mails: MailCatcher, someone: Someone
    ) -> None:
        async def ask(email: str) -> tuple[str, float]:
            began = time.perf_counter()
            headers = {"x-forwarded-for": some_address()}
            answer = await mail_web.post("/auth/password/forgot", json={"email": email}, headers=headers)
            return answer.text, time.perf_counter() - began

        nobody = new_email()
        known = sorted([await ask(someone.email) for _ in range(3)], key=lambda each: each[1])
        unknown = sorted([await ask(nobody) for _ in range(3)], key=lambda each: each[1])
        assert known[0][0] == unknown[0][0]
        assert known[1][1] < 0.5
        assert unknown[1][1] < 0.5
        await mails.to(someone.email)
        assert mails.to_now(nobody) == 0

    async def test_a_mailbox_is_not_flooded(
        self, mailing: Running, mail_web: httpx.AsyncClient, mails: MailCatcher, someone: Someone
    ) -> None:
        for _ in range(8):
            answer = await mail_web.post("/auth/password/forgot", json={"email": someone.email})
            assert answer.status_code == 200
        await mailing.door.framework.state.identity.mail.stop()
        assert mails.to_now(someone.email) <= 3

    async def test_without_a_mail_server_the_answer_is_the_same(self, web: httpx.AsyncClient, someone: Someone) -> None:
        assert (await web.post("/auth/password/forgot", json={"email": someone.email})).json() == {"done": True}

    async def test_a_link_does_not_point_where_the_asker_says(
        self, mail_web: httpx.AsyncClient, mails: MailCatcher, someone: Someone
    ) -> None:
        headers = {"host": "evil.example", "x-forwarded-host": "evil.example"}
        await mail_web.post("/auth/password/forgot", json={"email": someone.email}, headers=headers)
        assert "evil.example" not in await mails.to(someone.email)


class TestReset:
    @pytest.mark.parametrize("token", ["", "x", "pvt_" + "a" * 43])
    async def test_an_unknown_token_is_refused(self, web: httpx.AsyncClient, token: str) -> None:
        answer = await web.post("/auth/password/reset", json={"token": token, "password": NEW})
        assert (answer.status_code, answer.json()["code"]) == (400, "ticket_spent")
