"""A local service that workflows call: it honours Idempotency-Key, counts, and fails when it is told to."""

import asyncio
from collections import Counter, deque
from typing import Any

from aiohttp import web


class Target:
    """What was done, by key: an effect that arrives again under the same key is answered and not done again."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.calls: list[web.Request] = []
        self.bodies: list[Any] = []
        self.failures: deque[int] = deque()
        self.hold: asyncio.Event | None = None
        self.says: dict[str, Any] = {}
        self._answers: dict[str, Any] = {}
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.calls.append(request)
        text = await request.text()
        self.bodies.append(text)
        if self.hold is not None:
            await self.hold.wait()
        if self.failures and (status := self.failures.popleft()) >= 400:
            return web.json_response({"no": status}, status=status)
        key = request.headers.get("Idempotency-Key")
        if key is not None and key not in self._answers:
            self.done[key] += 1
            self._answers[key] = {"key": key, "path": request.path, "nth": len(self._answers) + 1}
        answer = self._answers[key] if key else {"path": request.path, "query": dict(request.query)}
        return web.json_response({**answer, **self.says})
