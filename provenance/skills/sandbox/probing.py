"""What this machine's sandbox is, asked from outside of a running server: `provenance doctor`."""

import asyncio
from typing import NamedTuple

from provenance.skills.sandbox.errors import RuntimeUnavailable
from provenance.skills.sandbox.level import Level
from provenance.skills.sandbox.schemas import Runtime
from provenance.skills.sandbox.server import Server


class Probed(NamedTuple):
    """The level that code is confined at, None where nothing starts, and the version of each runtime that works."""

    level: Level | None
    runtimes: dict[str, str | None]


def probe() -> Probed:
    """Start each runtime's server, ask what it reached, and end it."""
    return asyncio.run(_probe())


async def _probe() -> Probed:
    level: Level | None = None
    runtimes: dict[str, str | None] = {}
    for runtime in Runtime:
        try:
            server = await Server.start(runtime, warm=0)
        except RuntimeUnavailable:
            runtimes[runtime.value] = None
            continue
        level = level or server.level
        runtimes[runtime.value] = server.version
        await server.close()
    return Probed(level, runtimes)
