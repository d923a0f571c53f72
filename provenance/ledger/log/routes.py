"""Routes of the log: the tlog-tiles read API for the workspace and for outsiders, proofs, status."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from provenance.core.actor import Actor, Role
from provenance.core.db import Database
from provenance.core.ids import parse_uuid
from provenance.core.routing import Db, Reader, Route, require
from provenance.ledger.dependencies import RunningLedger
from provenance.ledger.log import reopening, service
from provenance.ledger.log.errors import NoSuchLog
from provenance.ledger.log.schemas import Consistency, LogKeys, LogSettings, LogStatus
from provenance.ledger.witness import service as witnessing

router = APIRouter(route_class=Route, tags=["log"])

FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
FRESH = {"cache-control": "no-store"}
_PUBLISHED = re.compile(r"(?P<origin>.+?)/(?P<what>checkpoint|key|tile/.+)")

Admin = Annotated[Actor, require(None, Role.ADMIN)]


def text_answer(description: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entry of an answer in plain text."""
    return {200: {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}}


def bytes_answer(description: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entry of an answer in bytes."""
    schema = {"type": "string", "contentMediaType": "application/octet-stream"}
    return {200: {"description": description, "content": {"application/octet-stream": {"schema": schema}}}}


@router.get(
    "/api/log/checkpoint",
    operation_id="log.checkpoint",
    response_class=Response,
    responses=text_answer("The newest signed head, a note as tlog-checkpoint writes it."),
)
async def checkpoint(actor: Reader, db: Db) -> Response:
    """The newest signed head of the workspace's log."""
    async with db.read(actor) as tx:
        head = await service.newest_head(tx)
    return Response(head.note, media_type="text/plain", headers=FRESH)


@router.get(
    "/api/log/tile/{path:path}",
    operation_id="log.tile",
    response_class=Response,
    responses=bytes_answer("Hashes of a tile, or with entries/… the entries of a bundle (tlog-tiles)."),
)
async def tile(path: str, actor: Reader, db: Db, ledger: RunningLedger) -> Response:
    """A tile of hashes (``<level>/<index>[.p/<width>]``) or of entries (``entries/<index>[.p/<width>]``)."""
    async with db.read(actor) as tx:
        found = await service.tile(tx, ledger.catalogues, f"tile/{path}")
    return Response(found, media_type="application/octet-stream", headers=FOREVER)


@router.get(
    "/api/log/key",
    operation_id="log.key",
    response_class=Response,
    responses=text_answer("The verifier key (signed-note) of the newest heads."),
)
async def key(actor: Reader, db: Db) -> Response:
    """The verifier key of the workspace's log."""
    async with db.read(actor) as tx:
        found = await service.verifier_key(tx)
    return Response(found + "\n", media_type="text/plain", headers=FRESH)


@router.get("/api/log/keys", operation_id="log.keys", response_model=LogKeys)
async def keys(actor: Reader, db: Db) -> LogKeys:
    """Every signing key the log has had, each named by a note of the one before."""
    async with db.read(actor) as tx:
        return await service.keys(tx)


@router.get("/api/log/consistency", operation_id="log.consistency", response_model=Consistency)
async def consistency(
    actor: Reader,
    db: Db,
    old: Annotated[int, Query(alias="from", ge=0, le=2**62, description="The smaller size.")],
    new: Annotated[
        int | None, Query(alias="to", ge=0, le=2**62, description="The larger size; the newest head.")
    ] = None,
) -> Consistency:
    """The proof that the log of one size is a prefix of the log of another (RFC 9162, 2.1.4)."""
    async with db.read(actor) as tx:
        return await service.consistency(tx, old, new)


@router.get("/api/log/status", operation_id="log.status", response_model=LogStatus)
async def status(actor: Reader, db: Db) -> LogStatus:
    """How far the log is: rows recorded, rows under a signed head, and whether something is wrong."""
    async with db.read(actor) as tx:
        return await service.status(tx)


@router.put("/api/log/settings", operation_id="log.change", response_model=LogStatus)
async def change(body: LogSettings, actor: Admin, db: Db) -> LogStatus:
    """Say how much of the log outsiders may read."""
    async with db.write(actor) as tx:
        await service.publish(tx, body.public_log)
        return await service.status(tx)


@router.post("/api/log/rotate-key", operation_id="log.rotate_key", response_model=LogKeys)
async def rotate_key(actor: Admin, db: Db, ledger: RunningLedger) -> LogKeys:
    """Sign with a new key from now on; the old one signs a note that names it."""
    generation = await ledger.keyring.rotate(actor.workspace_id)
    fresh = await ledger.keyring.of(actor.workspace_id)
    async with db.write(actor) as tx:
        await reopening.rotate_key(tx, fresh, generation)
        return await service.keys(tx)


@router.get(
    "/api/interactions/{interaction_id}/proof",
    operation_id="log.proof",
    response_class=Response,
    responses={
        200: {
            "description": "A tlog-proof file; with Accept: application/json the proof with envelope and content.",
            "content": {
                "text/plain": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "object"}},
            },
        }
    },
)
async def proof(
    interaction_id: str,
    request: Request,
    actor: Reader,
    db: Db,
    ledger: RunningLedger,
    cosigned: Annotated[bool, Query(description="Against the newest head that a witness has signed.")] = False,
) -> Response:
    """The proof of one interaction against the newest signed head."""
    async with db.read(actor) as tx:
        head = await witnessing.newest_cosigned(tx) if cosigned else None
        proven = await service.prove(tx, ledger.catalogues, parse_uuid(interaction_id), head=head)
    if "application/json" not in request.headers.get("accept", ""):
        return Response(proven.proof_file, media_type="text/plain", headers=FRESH)
    service.refuse_masked(proven.row, sees_platform=actor.reads_platform_rows)
    return Response(proven.document, media_type="application/json", headers=FRESH)


@router.get("/log/{path:path}", operation_id="log.published", response_class=Response)
async def published(path: str, db: Db, ledger: RunningLedger) -> Response:
    """What outsiders see of a published log: ``<origin>/checkpoint``, ``<origin>/key``, ``<origin>/tile/…``."""
    match = _PUBLISHED.fullmatch(path)
    if match is None:
        raise NoSuchLog("Ask for /log/<origin>/checkpoint, /log/<origin>/key or /log/<origin>/tile/…")
    body, kind = await _published(db, ledger, match["origin"], match["what"])
    return Response(body, media_type=kind)


async def _published(db: Database, ledger: RunningLedger, origin: str, what: str) -> tuple[str | bytes, str]:
    async with db.housekeeping() as tx:
        inside = tx.inside(await service.published(tx, origin, whole=what.startswith("tile/")))
        if what == "checkpoint":
            return (await service.newest_head(inside)).note, "text/plain"
        if what == "key":
            return await service.verifier_key(inside) + "\n", "text/plain"
        return await service.tile(inside, ledger.catalogues, what), "application/octet-stream"
