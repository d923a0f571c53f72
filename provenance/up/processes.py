"""The two children, `serve` and `worker`. Imports here stay few: the parent reads their statuses."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING

from .gate import wait_at_gate
from .plan import MIGRATE_FIRST, NUMBER, PARENT
from .siblings import are_to_part, parted

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from provenance.core.settings import Settings
    from provenance.core.shared_figures import SharedFigures

#: Statuses after which another start is of no use, and what they say.
WRONG_SETTINGS, NOT_MIGRATED = 2, 4
HOPELESS = {
    WRONG_SETTINGS: "cannot use its settings",
    NOT_MIGRATED: "could not bring the database's schema up to date",
}
_PR_SET_PDEATHSIG = 1
#: Less than the ten seconds the parent gives, so that the lanes can still empty (seconds).
_GRACE = 8


def run_child(name: str) -> int:
    """Run one child by name; return its exit status."""
    _die_with_parent()
    settings = _settings()
    if settings is None:
        return WRONG_SETTINGS
    if settings.log_format == "json":
        # The log's library draws tracebacks with it where it is: three megabytes for nobody.
        sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
    from provenance.core.memory import hold_garbage

    hold_garbage()
    number = os.environ.get(NUMBER, "1")
    _call_it(name if name == "worker" or number == "1" else f"{name}-{number}", settings)
    body = {"serve": serve, "worker": work}[name]
    return body(settings)


def _call_it(name: str, settings: Settings) -> None:
    """Show in the system's list of processes, and in the log, what this one is."""
    from setproctitle import setproctitle

    from provenance.core import logs

    setproctitle(f"provenance: {name}")
    logs.configure(settings, name)


def serve(settings: Settings) -> int:
    """Answer HTTP and WebSocket until SIGTERM or SIGINT; return 0, or 3 when the application cannot start.

    All that needs no database is done before the gate: it takes longer than making one. With `siblings`, this becomes
    the other servers and the worker as well.
    """
    import uvicorn

    from provenance.core.express import ExpressProtocol
    from provenance.core.transport import objection
    from provenance.features import loops
    from provenance.main import create_app
    from provenance.realtime.serving import Serving, shared_sockets
    from provenance.realtime.socket import MESSAGE_BYTES

    refused = objection(settings)
    if refused is not None:
        print(f"error: {refused}", file=sys.stderr)
        return WRONG_SETTINGS
    app = create_app(settings)
    if are_to_part():
        loops()  # the worker's modules, to be shared like the others
    if not wait_at_gate():
        return 0
    if are_to_part():
        name = parted()
        _die_with_parent()
        _call_it(name, settings)
        if name == "worker":
            return work(settings)
        if name != "serve":
            os.environ[NUMBER] = name.removeprefix("serve-")
            os.environ.pop(MIGRATE_FIRST, None)  # the first has done it
    if os.environ.pop(MIGRATE_FIRST, None) and not _migrate_apart(settings.database_url):
        return NOT_MIGRATED
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=ExpressProtocol,
        ws="websockets-sansio",
        ws_max_size=MESSAGE_BYTES,
        ws_ping_interval=30,
        ws_ping_timeout=30,
        ws_per_message_deflate=False,  # 40 kB a connection, and its frames are written once for all
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,  # the door judges them itself
        ssl_context_factory=_tls(settings),
        backlog=2048,
        timeout_graceful_shutdown=_GRACE,
    )
    if settings.servers == 1:
        server = Serving(config)
        server.run()
    else:
        server = Serving(config, _shared_figures(settings))
        server.run(shared_sockets(settings.host, settings.port))
    return 0 if server.started else 3


def _shared_figures(settings: Settings) -> SharedFigures | None:
    """Return what exchanges figures with the other servers of a `provenance up`; None for one started alone."""
    from provenance.core.shared_figures import SharedFigures

    parent = os.environ.get(PARENT)
    if parent is None:
        return None
    return SharedFigures(settings.data_dir / "figures", parent, int(os.environ[NUMBER]))


def _tls(settings: Settings) -> Callable[..., ssl.SSLContext] | None:
    """Return what makes the TLS context, or None for plain HTTP."""
    from provenance.core.transport import tls_context

    cert, key = settings.tls_cert, settings.tls_key
    return None if cert is None or key is None else lambda *_: tls_context(cert, key)


def work(settings: Settings) -> int:
    """Run the background processes until SIGTERM or SIGINT; return 0."""
    import uvloop

    from provenance import worker

    uvloop.run(worker.run(settings))
    return 0


def _migrate_apart(database_url: str | None) -> bool:
    """Bring the schema up to date in a copy of this process, whose libraries go when it is done."""
    from provenance.core.masking import mask

    assert database_url is not None
    copy = os.fork()
    if copy == 0:
        status = 1
        try:
            from provenance.migrate import upgrade

            upgrade(database_url)
            status = 0
        except Exception:
            sys.stderr.write(mask(traceback.format_exc()))
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]) == 0


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
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("the parent is gone")
