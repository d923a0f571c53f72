"""A target of webhooks on the loopback: it keeps what came, and answers what it is told to."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web


@dataclass
class Target:
    """What came, and what is answered: a status, or a function of the request that gives one; None hangs up."""

    url: str = ""
    answer: Callable[["Came"], int | None] | int = 200
    headers: dict[str, str] = field(default_factory=dict)
    came: list["Came"] = field(default_factory=list)

    def payloads(self) -> list[Any]:
        return [each.json["payload"] for each in self.came]


@dataclass
class Came:
    """One request."""

    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@asynccontextmanager
async def listening() -> AsyncIterator[Target]:
    """Listen for as long as the block lasts."""
    target = Target()

    async def handle(request: web.Request) -> web.StreamResponse:
        came = Came({name.lower(): value for name, value in request.headers.items()}, await request.read())
        target.came.append(came)
        status = target.answer if isinstance(target.answer, int) else target.answer(came)
        if status is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.Response(status=status, text="said", headers=target.headers)

    app = web.Application(client_max_size=4_000_000)
    app.router.add_route("*", "/{any:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    target.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield target
    finally:
        await runner.cleanup()
