"""Every refusal of a known caller leaves authz.denied; many of one kind leave one row a minute with their count."""

import asyncio
from typing import Any

import httpx

from provenance.audit import denials
from provenance.audit.denials import Denials
from provenance.core.door import Exchange
from tests.audit.test_reading import listed
from tests.conftest import MakeTenant, Running, Tenant


async def denied(client: httpx.AsyncClient, count: int) -> list[dict[str, Any]]:
    """Wait for so many refusals to be recorded."""
    async with asyncio.timeout(20):
        while len(found := await listed(client, eventType="authz.denied")) < count:
            await asyncio.sleep(0.05)
    return found


class TestDenials:
    async def test_a_refusal_names_who_what_and_why(
        self, app: Running, client: httpx.AsyncClient, workspace: Tenant, make_tenant: MakeTenant
    ) -> None:
        reader = await make_tenant(("interactions:read",), into=workspace.id)
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": reader.key}) as other:
            refused = await other.get("/audit")
            assert refused.status_code == 403
            assert (await other.post("/api/actions", json={})).status_code == 403
        events = await denied(client, 2)
        by_object = {event["objectId"]: event for event in events}
        event = by_object["GET /audit"]
        assert (event["outcome"], event["risk"], event["domain"]) == ("denied", "high", "auth")
        assert event["detail"] == {
            "method": "GET", "route": "/audit", "path": "/audit", "reason": "missing_scope", "count": 1,
        }  # fmt: skip
        assert event["requestId"] == refused.headers["x-request-id"]
        assert event["actorId"].removeprefix("key_") in reader.key

    async def test_a_stranger_leaves_nothing(self, app: Running, client: httpx.AsyncClient) -> None:
        async with httpx.AsyncClient(base_url=app.url) as stranger:
            assert (await stranger.get("/audit")).status_code == 401
        assert await listed(client) == []

    async def test_a_storm_is_one_row_and_its_count(
        self, app: Running, client: httpx.AsyncClient, workspace: Tenant, monkeypatch: Any
    ) -> None:
        actor = await app.door.framework.state.authenticate({b"x-api-key": workspace.key.encode()})
        noted = Denials(app.ledger.db)

        def refuse() -> None:
            exchange = Exchange("GET", "/x", {}, b"", "req_a", "127.0.0.1", "http", b"", actor)
            noted.note(exchange, "/x", "missing_scope")

        refuse()
        await noted.flush()
        for _ in range(500):
            refuse()
        await noted.flush()
        counts = [event["detail"]["count"] for event in await denied(client, 1)]
        assert counts == [1]
        monkeypatch.setattr(denials, "WINDOW_SECONDS", 0.0)
        await noted.flush()
        counts = [event["detail"]["count"] for event in await denied(client, 2)]
        assert counts == [500, 1]
