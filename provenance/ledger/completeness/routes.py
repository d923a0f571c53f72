"""Routes of the completeness map: answers for one id, and how far the map is."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from provenance.core.actor import Actor, Role, Scope
from provenance.core.errors import Invalid
from provenance.core.routing import Db, Reader, Route, require
from provenance.ledger.completeness import service
from provenance.ledger.completeness.schemas import CompletenessStatus, Subject
from provenance.ledger.dependencies import RunningLedger
from provenance.ledger.interactions.filters import Text, Uuid

router = APIRouter(route_class=Route, tags=["completeness"])

Auditor = Annotated[Actor, require(Scope.AUDIT_READ, Role.EDITOR)]
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer: proven by itself with the keys of the log and of the map.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


async def one_subject(
    request: Request,
    resource_id: Annotated[Text | None, Query(alias="resourceId", description="Exact.")] = None,
    user_id: Annotated[Text | None, Query(alias="userId")] = None,
    uow_id: Annotated[Uuid | None, Query(alias="uowId")] = None,
) -> Subject:
    """Return the one id that is asked for. Raises Invalid for none, or more than one."""
    asked = [name for name, _ in request.query_params.multi_items() if name in ("resourceId", "userId", "uowId")]
    if len(asked) != 1:
        raise Invalid.at("$", "give exactly one of resourceId, userId and uowId, once")
    if resource_id is not None:
        return Subject("r", resource_id)
    return Subject("u", user_id) if user_id is not None else Subject("uow", str(uow_id))


@router.get("/api/log/completeness", operation_id="completeness.get", response_class=Response, responses=_ANSWER)
async def get(
    actor: Auditor,
    db: Db,
    ledger: RunningLedger,
    subject: Annotated[Subject, Depends(one_subject)],
    covers: Annotated[
        int | None, Query(ge=0, le=2**62, description="An interactionNumber that the answer must cover.")
    ] = None,
    indices: Annotated[bool, Query(description="false: only their number and the chain over them.")] = True,
) -> Response:
    """Every signed interaction that names one id, or that there is none, with the proof that it is all."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        found = await service.answer(tx, keys, subject, covers=covers, listed=indices)
    return Response(found, media_type="application/json", headers={"cache-control": "no-store"})


@router.get("/api/log/completeness/status", operation_id="completeness.status", response_model=CompletenessStatus)
async def status(actor: Reader, db: Db) -> CompletenessStatus:
    """How far the completeness map is: rows recorded, rows signed in the log, rows that the signed map has."""
    async with db.read(actor) as tx:
        return await service.status(tx)
