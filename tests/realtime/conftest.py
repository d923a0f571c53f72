"""A real WebSocket client that speaks the contract: asks, hears, and waits for what it asked for."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from provenance.core.ids import decode
from tests.conftest import Running, Tenant
from tests.identity.people import admin, make_as

__all__ = ["admin", "make_as"]

SECONDS = 10


class Ear:
    """One connection to `/ws`, and what it has heard so far."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []
        self._asked = 0

    async def next(self) -> list[dict[str, Any]]:
        """Wait for one message and return its frames."""
        found = json.loads(await asyncio.wait_for(self.socket.recv(), SECONDS))
        frames = found if isinstance(found, list) else [found]
        self.heard += frames
        return frames

    async def ask(self, action: str, **members: Any) -> dict[str, Any]:
        """Send a message and return its answer; what comes in between is kept."""
        self._asked += 1
        await self.socket.send(json.dumps({"action": action, "id": self._asked, **members}))
        while True:
            for frame in await self.next():
                if frame.get("id") == self._asked:
                    self.heard.remove(frame)
                    return frame

    async def until(self, enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Listen until the frames that are of channels are enough, and return them."""
        while not enough(self.frames):
            await self.next()
        return self.frames

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [frame for frame in self.heard if frame.get("channel")]

    @property
    def numbers(self) -> list[int]:
        return [frame["seq"] for frame in self.frames]


Listen = Callable[..., Awaitable[Ear]]


def ws(app: Running) -> str:
    return app.url.replace("http", "ws") + "/ws"


@pytest.fixture
async def listen(app: Running, workspace: Tenant) -> AsyncIterator[Listen]:
    """A factory of connections: ``await listen()`` with the workspace's key, or with headers or subprotocols."""
    async with AsyncExitStack() as opened:

        async def make(headers: dict[str, str] | None = None, subprotocols: list[str] | None = None) -> Ear:
            if headers is None:
                headers = {} if subprotocols else {"x-api-key": workspace.key}
            client = connect(
                ws(app), additional_headers=headers, subprotocols=subprotocols, compression=None, proxy=None
            )
            return Ear(await opened.enter_async_context(client))

        yield make


async def head(app: Running, workspace: Tenant) -> int:
    async with app.ledger.db.housekeeping(decode("ws", workspace.id)) as tx:
        sql = "SELECT coalesce(max(number), 0) FROM interactions WHERE workspace_id = $1"
        return int((await tx.driver_sql(sql, (tx.workspace_id,))).scalar() or 0)


def order(resource_id: str = "order-1", **fields: Any) -> dict[str, Any]:
    return {"resourceId": resource_id, "resourceType": "ORDER", "action": "CREATE", "origin": "SHOP"} | fields
