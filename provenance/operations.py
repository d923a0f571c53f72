"""Routes for those who run the server: health, readiness, metrics, the API's own description."""

import asyncio
import contextlib
from importlib.resources import files

import msgspec
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from sqlalchemy import text

from provenance.bus.bridges import figures as bridges
from provenance.core.db import Database
from provenance.core.errors import Unavailable
from provenance.core.routing import Db, Route
from provenance.ledger.self_audit import service as self_audit
from provenance.migrate import head

_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
)

INCIDENTS = Gauge("provenance_ledger_incidents", "Findings of the self-audit: anything but 0 is an alarm.")

router = APIRouter(route_class=Route, tags=["operations"])


@router.get("/healthz", operation_id="operations.healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/api/health", operation_id="operations.health")
async def health() -> dict[str, str]:
    """The process answers (the path of the ledger's API)."""
    return {"status": "ok"}


class NotReady(Unavailable):
    """The server answers but can't do its work yet."""

    code = "not_ready"


@router.get("/readyz", operation_id="operations.readyz")
async def readyz(db: Db, request: Request) -> dict[str, str]:
    """The server can take work: database reachable, schema current, disk not full."""
    await _ensure_current(db)
    request.app.state.ledger.guard.ensure()
    return {"status": "ready"}


async def _ensure_current(db: Database) -> None:
    try:
        async with asyncio.timeout(5), db.housekeeping() as tx:
            migrated = await tx.execute(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
            version = text("SELECT version_num FROM alembic_version")
            revision = (await tx.execute(version)).scalar_one_or_none() if migrated.scalar_one() else None
    except TimeoutError:
        raise NotReady("The database does not answer within five seconds.") from None
    if revision != head():
        raise NotReady("The database's schema is not current. Run: provenance migrate")


@router.get("/metrics", operation_id="operations.metrics", response_class=Response)
async def metrics(db: Db) -> Response:
    """Figures for Prometheus."""
    with contextlib.suppress(Unavailable):  # the other figures are there without a database
        INCIDENTS.set(await self_audit.count(db))
        await bridges.measure(db)
    return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})


@router.get("/docs/openapi.json", operation_id="operations.openapi")
async def openapi(request: Request) -> Response:
    """The OpenAPI 3.1 document of this server."""
    return Response(msgspec.json.encode(request.app.openapi()), media_type="application/json")


@router.get("/docs", operation_id="operations.docs", response_class=Response)
async def docs() -> Response:
    """The API on one page, readable without any other site."""
    return _page()


@router.get("/docs/errors", operation_id="operations.errors", response_class=Response)
async def errors() -> Response:
    """Every error code on the same page; an error's ``type`` points here."""
    return _page()


def _page() -> Response:
    page = files("provenance").joinpath("docs.html").read_bytes()
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
    )
    return Response(page, media_type="text/html", headers={"content-security-policy": policy})
