"""Server-sent events: the twin of the WebSocket."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from provenance.core.actor import Role
from provenance.core.settings import Settings
from provenance.identity.running import Identity
from tests.conftest import Running, make_tenant_of, running
from tests.identity.people import As, MakeAs
from tests.realtime.conftest import order


class Heard:
    """The events of one response as they come."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.events: list[dict[str, Any]] = []

    async def next(self) -> dict[str, Any]:
        """Wait for the next event that says something."""
        event: dict[str, Any] = {}
        async with asyncio.timeout(30):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if name in ("id", "event", "data"):
                    event[name] = json.loads(value) if name == "data" else value
                elif not line and "data" in event:
                    self.events.append(event)
                    return event
        raise EOFError


@asynccontextmanager
async def hearing(client: httpx.AsyncClient, query: str, **headers: str) -> AsyncIterator[Heard]:
    async with client.stream("GET", f"/events?{query}", headers=headers) as response:
        assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        yield Heard(response)


async def test_events_come_with_their_number_and_go_on_after_it(client: httpx.AsyncClient) -> None:
    query = "channel=interactions&filter=resourceType%3DORDER"
    async with hearing(client, query) as heard:
        assert (await heard.next())["event"] == "ack"
        row = (await client.post("/api/interactions", json=order("order-1"))).json()
        first = await heard.next()
    assert (first["event"], first["id"]) == ("interaction", str(row["interactionNumber"]))
    assert first["data"]["data"]["resourceId"] == "order-1"
    for each in range(2, 5):
        await client.post("/api/interactions", json=order(f"order-{each}"))
    async with hearing(client, query, **{"Last-Event-ID": first["id"]}) as heard:
        await heard.next()
        assert [(await heard.next())["data"]["data"]["resourceId"] for _ in range(3)] == [
            f"order-{each}" for each in range(2, 5)
        ]


@pytest.mark.parametrize(
    ("query", "code"),
    [("", "invalid_request"), ("channel=nothing", "unknown_channel"), ("channel=runs&filter=q%3Dx", "invalid_filter")],
)
async def test_what_makes_no_sense_is_refused_at_once(client: httpx.AsyncClient, query: str, code: str) -> None:
    answer = await client.get(f"/events?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_a_channel_beyond_ones_role_is_refused(make_as: MakeAs) -> None:
    viewer = await make_as(Role.VIEWER)
    assert await viewer.say("GET", "/events?channel=audit") == (403, "missing_role")


async def test_it_ends_when_the_token_does(app: Running, admin: As) -> None:
    identity: Identity = app.door.framework.state.identity
    claims = await identity.signing.verified(admin.headers["authorization"].removeprefix("Bearer ").encode())
    assert claims is not None
    short = f"Bearer {identity.signing.sign({**claims, 'exp': int(time.time()) + 1})}"
    async with hearing(admin, "channel=runs", authorization=short) as heard:
        await heard.next()
        assert (await heard.next())["data"]["code"] == "credential_ended"
        with pytest.raises(EOFError):
            await heard.next()


async def test_a_server_that_stops_says_so_and_does_not_wait(settings: Settings) -> None:
    begun = asyncio.Event()

    async def listen(url: str, key: str) -> str:
        async with httpx.AsyncClient(base_url=url, headers={"x-api-key": key}, verify=False) as client:  # noqa: SIM117
            async with hearing(client, "channel=runs") as heard:
                await heard.next()
                begun.set()
                return str((await heard.next())["data"]["code"])

    async with running(settings) as other:
        tenant = await make_tenant_of(other.ledger)
        listening = asyncio.create_task(listen(other.url, tenant.key))
        await begun.wait()
        started = time.monotonic()
    assert await listening == "server_stopping"
    assert time.monotonic() - started < 20
