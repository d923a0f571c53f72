"""Live events of the SDK against the real server, and against connections that break."""

import asyncio
from typing import Any

import httpx
import pytest

from provenance_client import AsyncClient, Client, InvalidRequest, NotAllowed, Unreachable
from provenance_client.api.events import Listening
from tests.conftest import MakeTenant, Running, Tenant
from tests.realtime.conftest import order

SECONDS = 10


async def test_frames_come_and_go_on_after_a_break(app: Running, client: httpx.AsyncClient, workspace: Tenant) -> None:
    hub = app.door.framework.state.realtime
    async with AsyncClient(api_url=app.url, api_key=workspace.key) as api, asyncio.timeout(SECONDS):
        frames = api.events(filters={"resource_type": ["ORDER"], "where": "interaction.total > 1"}, last_seq=0)
        heard = []
        for total in range(12):
            await client.post("/api/interactions", json=order(f"order-{total}", interaction={"total": total}))
            if total in (4, 8):
                hub.leave()
            if total > 1:
                heard.append((await anext(frames))["data"]["resourceId"])
    assert heard == [f"order-{total}" for total in range(2, 12)]


async def test_the_blocking_face_says_the_same(app: Running, client: httpx.AsyncClient, workspace: Tenant) -> None:
    def first(*channels: str) -> str:
        with Client(api_url=app.url, api_key=workspace.key) as api:
            return str(next(api.events(*channels, last_seq=0))["type"])

    await client.post("/api/interactions", json=order())
    assert await asyncio.to_thread(first) == "interaction"
    with pytest.raises(InvalidRequest, match="is no channel"):
        await asyncio.to_thread(first, "nothing")


async def test_who_may_not_listen_hears_so(app: Running, make_tenant: MakeTenant) -> None:
    narrow = await make_tenant(("runs:read",))
    async with AsyncClient(api_url=app.url, api_key=narrow.key) as api:
        with pytest.raises(NotAllowed):
            await anext(api.events("audit"))


class TestListening:
    """What is done with each line, whatever the connection."""

    def frame(self, seq: int, channel: str = "runs", number: bool = True) -> list[str]:
        data = f'data: {{"type":"run.step","channel":"{channel}","seq":{seq},"data":{{}}}}'
        return [*([f"id: {seq}"] if number else []), "event: run.step", data, ""]

    def taken(self, listening: Listening, lines: list[str]) -> list[Any]:
        return [frame["seq"] for line in lines if (frame := listening.take(line)) is not None]

    def test_a_row_that_was_cut_in_half_is_asked_for_again_and_not_told_twice(self) -> None:
        listening = Listening(("runs", "audit"), last_seq=3)
        assert self.taken(listening, [*self.frame(4, number=False), "id: 4", "event: audit.event", 'data: {"ty']) == [4]
        assert listening.last_seq == 3
        listening.begin()
        assert self.taken(listening, [*self.frame(4, number=False), *self.frame(4, "audit")]) == [4]
        assert listening.last_seq == 4

    def test_a_position_moves_on_without_a_frame(self) -> None:
        listening = Listening(("runs",))
        lines = ["id: 9", "event: position", 'data: {"type":"position","channel":null,"seq":9}', "", ": still here", ""]
        assert self.taken(listening, lines) == []
        assert listening.last_seq == 9

    def test_waits_grow_and_are_bounded(self) -> None:
        listening = Listening(("runs",))
        with pytest.raises(Unreachable):
            listening.wait(Unreachable("nobody was ever there"))
        waits = [listening.wait(None) for _ in range(40)]
        assert waits[0] <= 0.25
        assert max(waits) <= 10
