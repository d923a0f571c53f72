"""What the workflows of the crash demo call: a service that honours Idempotency-Key, and is sometimes no help."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable

from aiohttp import web

SLOW_SECONDS = 1.6
"""Longer than the steps of the demo have: the effect happens, its answer comes too late."""


class Target:
    """Counts effects and calls by key. An effect that arrives again under its key is answered and not done again.

    ``fatal`` is called now and then in the middle of a call, when the effect is done and its answer is not given.
    """

    def __init__(self, odds: random.Random, fatal: Callable[[], None]) -> None:
        self.effects: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.troubles: Counter[str] = Counter()
        self.deaths = 0
        self.url = ""
        self._odds = odds
        self._fatal = fatal
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a port of the loopback."""
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close it."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        await request.read()
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return web.json_response({"path": request.path})
        self.calls[key] += 1
        first = self.calls[key] == 1
        chance = self._odds.random() if first else 1.0
        if chance < 0.02:
            self.troubles["failed before the effect"] += 1
            return web.json_response({}, status=503)
        if key not in self.effects:
            self.effects[key] += 1
        if chance < 0.04:
            self.troubles["failed after the effect"] += 1
            return web.json_response({}, status=503)
        if chance < 0.06:
            self.troubles["answered too late"] += 1
            await asyncio.sleep(SLOW_SECONDS)
        elif first and self.deaths:
            self.deaths -= 1
            self.troubles["died with the caller before the answer"] += 1
            self._fatal()
        return web.json_response({"key": key})
