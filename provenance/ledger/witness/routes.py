"""Routes of witnessing: what logs call at a witness, and our newest cosigned head."""

from typing import Any

from fastapi import APIRouter, Response

from provenance.core.routing import Db, Incoming, Reader, Route
from provenance.ledger.dependencies import RunningLedger
from provenance.ledger.witness import cosigning, service
from provenance.proof.add_checkpoint import SIZE_TYPE

router = APIRouter(route_class=Route, tags=["witness"])

FRESH = {"cache-control": "no-store"}


def _text(description: str, kind: str = "text/plain") -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": {"type": "string"}}}}


@router.post(
    "/witness/add-checkpoint",
    operation_id="witness.add_checkpoint",
    response_class=Response,
    responses={
        200: _text("Our cosignature, a line to go under the checkpoint."),
        400: _text("The request is malformed, or its old size is larger than the checkpoint's."),
        403: _text("No key that is trusted for the log has signed the checkpoint."),
        404: _text("The log is not witnessed here."),
        409: _text("The size cosigned last: the old size is another, or the root of that size is.", SIZE_TYPE),
        422: _text("The consistency proof does not fit."),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "A request as c2sp.org/tlog-witness describes it.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
async def add_checkpoint(exchange: Incoming, ledger: RunningLedger) -> Response:
    """Cosign the head of a log that this installation witnesses (c2sp.org/tlog-witness)."""
    verdict = await cosigning.add_checkpoint(ledger, exchange.body)
    return Response(verdict.text, verdict.status, {**FRESH, "content-type": verdict.content_type})


@router.get(
    "/witness/key",
    operation_id="witness.key",
    response_class=Response,
    responses={200: _text("The verifier key (signed-note, cosignature/v1) of our witness.")},
)
async def key(ledger: RunningLedger) -> Response:
    """The verifier key of this installation as a witness."""
    return Response(await cosigning.verifier_key(ledger) + "\n", media_type="text/plain", headers=FRESH)


@router.get(
    "/api/log/cosigned",
    operation_id="witness.cosigned",
    response_class=Response,
    responses={200: _text("A signed head with the cosignatures of witnesses under it.")},
)
async def cosigned(actor: Reader, db: Db) -> Response:
    """The newest head of the workspace's log that a witness has signed."""
    async with db.read(actor) as tx:
        head = await service.newest_cosigned(tx)
    return Response(head.note, media_type="text/plain", headers=FRESH)
