"""A device is signed in from a browser: the whole way, and each answer on it."""

from typing import Any

import httpx
import pytest

from tests.conftest import Running
from tests.identity.conftest import Someone, age_session, bearer, events, sign_in


async def ask(web: httpx.AsyncClient, begun: dict[str, Any]) -> httpx.Response:
    return await web.post("/auth/device/token", json={"deviceCode": begun["deviceCode"]})


async def patient(app: Running) -> None:
    """Let every device have asked long ago."""
    async with app.ledger.db.housekeeping() as tx:
        await tx.driver_sql("UPDATE device_requests SET polled_at = 0")


@pytest.fixture
async def begun(web: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await web.post("/auth/device/code", json={"clientName": "laptop"})).json()
    return found


class TestDevice:
    async def test_it_waits_is_approved_and_is_signed_in_once(
        self, app: Running, web: httpx.AsyncClient, someone: Someone, begun: dict[str, Any]
    ) -> None:
        assert begun["verificationUriComplete"].endswith(f"?code={begun['userCode']}")
        waiting = await ask(web, begun)
        assert (waiting.status_code, waiting.json()["code"]) == (400, "authorization_pending")
        assert waiting.json()["error"] == "authorization_pending"
        typed = begun["userCode"].lower().replace("-", " ")
        headers = bearer(await sign_in(web, someone))
        approved = await web.post("/auth/device/approve", json={"userCode": typed}, headers=headers)
        assert approved.json() == {"clientName": "laptop", "status": "approved"}
        found = (await ask(web, begun)).json()
        assert found["user"]["userId"] == someone.id
        assert (await web.get("/auth/me", headers=bearer(found))).status_code == 200
        assert (await ask(web, begun)).json()["code"] == "expired_token"
        assert (await events(app, someone.workspace.id))[-1][1]["methods"] == ["device"]

    async def test_it_is_told_to_slow_down(self, app: Running, web: httpx.AsyncClient, begun: dict[str, Any]) -> None:
        assert [(await ask(web, begun)).json()["code"] for _ in range(2)] == ["authorization_pending", "slow_down"]
        await patient(app)
        assert (await ask(web, begun)).json()["code"] == "authorization_pending"

    async def test_it_is_denied(self, web: httpx.AsyncClient, someone: Someone, begun: dict[str, Any]) -> None:
        headers = bearer(await sign_in(web, someone))
        body = {"userCode": begun["userCode"]}
        assert (await web.post("/auth/device/deny", json=body, headers=headers)).json()["status"] == "denied"
        assert (await ask(web, begun)).json()["code"] == "access_denied"
        assert (await web.post("/auth/device/approve", json=body, headers=headers)).status_code == 404

    async def test_a_code_runs_out(
        self, app: Running, web: httpx.AsyncClient, someone: Someone, begun: dict[str, Any]
    ) -> None:
        async with app.ledger.db.housekeeping() as tx:
            await tx.driver_sql("UPDATE device_requests SET expires_at = 1")
        assert (await ask(web, begun)).json()["code"] == "expired_token"
        body, headers = {"userCode": begun["userCode"]}, bearer(await sign_in(web, someone))
        answer = await web.post("/auth/device/approve", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_user_code")

    async def test_trying_codes_out_is_slowed(self, web: httpx.AsyncClient, someone: Someone) -> None:
        headers = bearer(await sign_in(web, someone))
        seen = [
            (await web.post("/auth/device/approve", json={"userCode": f"AAAA-AAA{n}"}, headers=headers)).status_code
            for n in range(7)
        ]
        assert seen[:5] == [404] * 5
        assert seen[-1] == 429

    async def test_approving_needs_a_fresh_sign_in(
        self, app: Running, web: httpx.AsyncClient, someone: Someone, begun: dict[str, Any]
    ) -> None:
        signed_in = await sign_in(web, someone)
        await age_session(app, signed_in, 16)
        body = {"userCode": begun["userCode"]}
        answer = await web.post("/auth/device/approve", json=body, headers=bearer(signed_in))
        assert answer.json()["code"] == "fresh_login_required"

    async def test_an_unknown_device_code_has_expired(self, web: httpx.AsyncClient) -> None:
        assert (await ask(web, {"deviceCode": "pvd_x"})).json()["code"] == "expired_token"
