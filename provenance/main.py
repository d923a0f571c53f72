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
from provenance.audit.denials import Denials
from provenance.billing.running import Billing
from provenance.bootstrap import first_start
from provenance.bus.inbound.service import Inbox
from provenance.bus.keys.resolving import Credentials
from provenance.bus.messages.express import Remembered
from provenance.bus.messages.express import express_handlers as publishing
from provenance.bus.messages.schemas import BODY_LIMITS as BUS_BODY_LIMITS
from provenance.bus.running import Bus
from provenance.connections.notifying import ConnectionsWay
from provenance.connections.running import Connections
from provenance.core.door import App, Authenticate, Door, ExpressHandler, HotHandler
from provenance.core.egress import Egress
from provenance.core.keyring import Keyring, load_masters
from provenance.core.limits import Limiter
from provenance.core.memory import settle_memory
from provenance.core.objects import Objects
from provenance.core.routing import Route, install_error_rendering
from provenance.core.settings import Settings
from provenance.core.transport import Proxies
from provenance.datastores.running import OBJECT_PATHS
from provenance.datastores.running import Running as Datastores
from provenance.expressions import Evaluator
from provenance.features import ROUTES, load_tasks
from provenance.identity.members.erasing import tombstones
from provenance.identity.running import Identity
from provenance.ledger.erasure.reapplying import reapply
from provenance.ledger.interactions import hot
from provenance.ledger.interactions.batch import BATCH_BODY_LIMIT
from provenance.ledger.service import Ledger
from provenance.ledger.witness.cosigning import BODY_LIMIT as WITNESS_BODY_LIMIT
from provenance.openapi import document
from provenance.realtime.hub import Hub
from provenance.realtime.socket import Sockets
from provenance.runs import hot as hot_starts
from provenance.runs.asking import People
from provenance.runs.express import express_handlers as starting_runs
from provenance.runs.of_workflows import RunsSeenByWorkflows
from provenance.runs.runtime import Runs
from provenance.runs.shelf import WorkflowShelf
from provenance.runs.webhooks.service import BODY_LIMIT as WEBHOOK_BODY_LIMIT
from provenance.runs.webhooks.service import Webhooks
from provenance.skills.calling import Skills
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
    ledger = Ledger(settings, settings.database_url)
    identity = Identity(settings, ledger)
    authenticate = Credentials(identity.authenticate, ledger.db, identity.epoch)
    denials = Denials(ledger.db)
    evaluator = Evaluator()
    egress = Egress(settings.egress_allow)
    billing = Billing(ledger, egress)
    shelf, gate = WorkflowShelf(ledger), People(ledger)
    runs = Runs(ledger, shelf, slots=settings.serve_slots, evaluate=evaluator.value, gate=gate)
    webhooks = Webhooks(ledger, runs)
    bus = Bus(ledger)
    limiter = Limiter(ledger.db, per_minute=settings.rate_limit_per_minute, burst=settings.rate_limit_burst)
    hub = Hub(ledger, identity.epoch, most_connections=settings.live_connections)
    connections, objects = Connections(ledger, egress), Objects.of(settings)
    skills = Skills(ledger, objects, egress, connections)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        started = time.monotonic()
        keyring = Keyring(await load_masters(settings, ledger.db), ledger.db)
        ledger.use(keyring)
        app.state.first = await first_start(settings, ledger)
        await reapply(ledger.db, settings.data_dir)
        await identity.start()
        limiter.start()
        denials.start()
        ledger.start(keyring)
        bus.start()
        runs.start()
        webhooks.start()
        hub.start()
        settle_memory()
        log.info("serving", seconds=round(time.monotonic() - started, 3), first_start=app.state.first is not None)
        yield
        await hub.stop()
        await webhooks.stop()
        await runs.stop()
        await bus.stop()
        await evaluator.close()
        await denials.stop()
        await limiter.stop()
        await identity.stop()
        await skills.close()
        await egress.close()
        await ledger.stop()
        log.info("stopped")

    app = _framework(lifespan)
    app.state.settings, app.state.ledger, app.state.db = settings, ledger, ledger.db
    app.state.evaluator, app.state.runs, app.state.runs_of_workflows = evaluator, runs, RunsSeenByWorkflows()
    app.state.identity, app.state.authenticate, app.state.limiter = identity, authenticate, limiter
    app.state.engine, app.state.bus, app.state.inbox = runs.engine, bus, Inbox(bus)
    app.state.egress, app.state.connections, app.state.skills = egress, connections, skills
    app.state.tombstones, app.state.objects = tombstones, objects
    app.state.slack_way = ConnectionsWay(connections)
    app.state.datastores = Datastores.of(ledger, objects)
    app.state.webhooks, app.state.realtime, app.state.billing = webhooks, hub, billing
    app.router.routes.append(WebSocketRoute("/ws", Sockets(hub, authenticate, limiter)))
    app.router.route_class = Route
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    app.state.routers = [operations.router, *feature_routers()]
    for router in app.state.routers:  # flat: included routers are asked twice, which costs half a millisecond a request
        app.router.routes.extend(router.routes)
    install_error_rendering(app)
    door = Door(
        app,
        hot=_hot(ledger, runs, authenticate) if settings.hot_dispatch else {},
        express=_express(ledger, bus, runs, authenticate.remembered) if settings.hot_dispatch else {},
        body_limits=BODY_LIMITS,
        around=_cors(settings.cors_origins) if settings.cors_origins else None,
        denied=denials.note,
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


def _express(ledger: Ledger, bus: Bus, runs: Runs, remembered: Remembered) -> dict[bytes, ExpressHandler]:
    return hot.express_handlers(ledger, remembered) | publishing(bus, remembered) | starting_runs(runs, remembered)


def _hot(ledger: Ledger, runs: Runs, authenticate: Authenticate) -> dict[tuple[str, str], HotHandler]:
    """Return the handlers of the busiest posts, which come before the framework."""
    return hot.handlers(ledger, authenticate) | hot_starts.handlers(ledger.db, runs, authenticate)


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
