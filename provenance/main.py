"""The HTTP application: `create_app` puts the features, the hot dispatch and the door together."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib import import_module
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import WebSocketRoute

from provenance import __version__, operations
from provenance.bus.messages.express import express_handlers as publishing
from provenance.bus.messages.schemas import BODY_LIMITS as BUS_BODY_LIMITS
from provenance.core.door import App, Door, ExpressHandler, HotHandler
from provenance.core.memory import settle_memory
from provenance.core.routing import Route, install_error_rendering
from provenance.core.settings import Settings
from provenance.core.transport import Proxies
from provenance.datastores.running import OBJECT_PATHS
from provenance.features import ROUTES, load_tasks
from provenance.ledger.interactions import hot
from provenance.ledger.interactions.batch import BATCH_BODY_LIMIT
from provenance.ledger.witness.cosigning import BODY_LIMIT as WITNESS_BODY_LIMIT
from provenance.openapi import document
from provenance.parts import Parts
from provenance.realtime.socket import Sockets
from provenance.runs import hot as hot_starts
from provenance.runs.express import express_handlers as starting_runs
from provenance.runs.webhooks.service import BODY_LIMIT as WEBHOOK_BODY_LIMIT
from provenance.skills.schemas import PACKAGE_BYTES
from provenance.workflows.definition import BODY_LIMIT as DEFINITION_BODY_LIMIT

log: Any = structlog.get_logger("main")

BODY_LIMITS = (
    {"/api/interactions/batch": BATCH_BODY_LIMIT, "/witness/add-checkpoint": WITNESS_BODY_LIMIT}
    | dict.fromkeys(("/workflows", "/workflows/"), DEFINITION_BODY_LIMIT)
    | {"/webhooks/": WEBHOOK_BODY_LIMIT, "/skill-uploads/": PACKAGE_BYTES}
    | BUS_BODY_LIMITS
)
"""Limits of bodies unlike the usual one, by path or first segment."""


def create_app(settings: Settings) -> Door:
    """Build the application of one process.

    ``settings.database_url`` must be set: the commands resolve the embedded server's address before.
    """
    assert settings.database_url is not None, "the command line resolves the database before it serves"
    load_tasks()  # an erasure that is applied again after a restore asks them what to forget
    parts = Parts(settings, settings.database_url)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        started = time.monotonic()
        app.state.first = await parts.start()
        settle_memory()
        log.info("serving", seconds=round(time.monotonic() - started, 3), first_start=app.state.first is not None)
        yield
        await parts.stop()
        log.info("stopped")

    app = _framework(lifespan)
    parts.tell(app.state)
    app.router.routes.append(WebSocketRoute("/ws", Sockets(parts.realtime, parts.authenticate, parts.limiter)))
    app.router.route_class = Route
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    app.state.routers = [operations.router, *feature_routers()]
    for router in app.state.routers:  # flat: included routers are asked twice, which costs half a millisecond a request
        app.router.routes.extend(router.routes)
    install_error_rendering(app)
    door = Door(
        app,
        hot=_hot(parts) if settings.hot_dispatch else {},
        express=_express(parts) if settings.hot_dispatch else {},
        body_limits=BODY_LIMITS,
        around=_cors(settings.cors_origins) if settings.cors_origins else None,
        denied=parts.denials.note,
        proxies=Proxies(settings.trusted_proxies),
        passing=OBJECT_PATHS,
    )
    door.framework = app
    return door


def _framework(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    return FastAPI(
        title="Provenance",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # the door measures and logs, on both paths
    )


def _express(parts: Parts) -> dict[bytes, ExpressHandler]:
    """Return what answers plain posts at the connection (decision 17)."""
    known = parts.authenticate.remembered
    starts = starting_runs(parts.runs, known)
    return hot.express_handlers(parts.ledger, known) | publishing(parts.bus, known) | starts


def _hot(parts: Parts) -> dict[tuple[str, str], HotHandler]:
    """Return the handlers of the busiest posts, which come before the framework."""
    starts = hot_starts.handlers(parts.ledger.db, parts.runs, parts.authenticate)
    return hot.handlers(parts.ledger, parts.authenticate) | starts


def _cors(origins: list[str]) -> Callable[[App], App]:
    """Let browsers of these origins call the API."""
    return partial(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["x-request-id", "retry-after"],
    )


def feature_routers() -> list[APIRouter]:
    """Return each router of `features.ROUTES` once, in its order."""
    modules = dict.fromkeys(module for served in ROUTES.values() for module in served)
    return [import_module(module).router for module in modules]
