"""The bodies of the three children: `serve`, `worker`, `migrate`.

Each loads its libraries first and then waits at the gate; without a gate it begins at once.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from .gate import wait_at_gate
from .plan import PARENT

if TYPE_CHECKING:
    from provenance.core.settings import Settings

_PR_SET_PDEATHSIG = 1
#: Less than the ten seconds the parent gives, so that the lanes can still empty (seconds).
_GRACE = 8


def run_child(name: str) -> int:
    """Run one child by name; return its exit status."""
    _die_with_parent()
    settings = _settings()
    if settings is None:
        return 2
    body = {"serve": serve, "worker": work, "migrate": migrate}[name]
    return body(settings)


def serve(settings: Settings) -> int:
    """Answer HTTP and WebSocket until SIGTERM or SIGINT; return 0, or 3 when the application cannot start."""
    import uvicorn

    from provenance.main import create_app

    if not wait_at_gate():
        return 0
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio" if find_spec("websockets") else "none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        backlog=2048,
        timeout_graceful_shutdown=_GRACE,
    )
    server = uvicorn.Server(config)
    server.run()
    return 0 if server.started else 3


def work(settings: Settings) -> int:
    """Run the background processes until SIGTERM or SIGINT; return 0."""
    import asyncio

    import uvloop

    from provenance import worker

    if not wait_at_gate():
        return 0

    async def until_told() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await worker.run(settings, stop)

    uvloop.run(until_told())
    return 0


def migrate(settings: Settings) -> int:
    """Bring the schema up to date; return 0, or 2 without a database address."""
    from provenance.features import load_tables
    from provenance.migrate import upgrade

    load_tables()
    if not wait_at_gate():
        return 0
    if settings.database_url is None:
        print("error: DATABASE_URL is not set", file=sys.stderr)
        return 2
    upgrade(settings.database_url)
    return 0


def _settings() -> Settings | None:
    """Read the settings, or say which of them are wrong, without their values: one may be a secret."""
    from pydantic import ValidationError

    from provenance.core.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            name = "PROVENANCE_" + "_".join(map(str, problem["loc"])).upper()
            print(f"error: {name}: {problem['msg']}", file=sys.stderr)
        return None


def _die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the parent dies (Linux; elsewhere the watchdog alone sees to it)."""
    parent = os.environ.get(PARENT)
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("the parent is gone")
