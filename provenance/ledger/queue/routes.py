"""Routes of queue ingestion."""

from fastapi import APIRouter, Request, Response

from provenance.core.routing import Db, Incoming, Route, Writer
from provenance.ledger.dependencies import RunningLedger
from provenance.ledger.interactions.routes import answer_of, body_of, to_response
from provenance.ledger.interactions.schemas import ref_to
from provenance.ledger.queue import service
from provenance.ledger.queue.schemas import QueueConfig

router = APIRouter(route_class=Route, tags=["queue"])


def base_url(request: Request) -> str:
    """Return the address under which the client reached us: PUBLIC_URL, or the request's own scheme and host."""
    public: str | None = request.app.state.settings.public_url
    return (public or f"{request.url.scheme}://{request.url.netloc}").rstrip("/")


@router.get("/platform/queue/config", operation_id="queue.config")
async def config(request: Request, actor: Writer, ledger: RunningLedger) -> QueueConfig:
    """Where to push interactions, and with which token."""
    return await service.config(ledger, actor, base_url(request))


@router.post("/platform/queue/rotate", operation_id="queue.rotate")
async def rotate(request: Request, actor: Writer, db: Db, ledger: RunningLedger) -> QueueConfig:
    """Make every queue token handed out so far invalid; answer the new one."""
    async with db.write(actor) as tx:
        await service.rotate(tx, ledger)
    await ledger.catalogues.refreshed(actor.workspace_id)
    return await service.config(ledger, actor, base_url(request))


@router.post(
    service.PUSH_PATH,
    operation_id="queue.push",
    status_code=201,
    response_class=Response,
    responses={
        201: answer_of("Interaction", "Durable."),
        200: answer_of("Interaction", "Durable since before."),
    },
    openapi_extra=body_of(ref_to("InteractionCreate")) | {"security": [{"queueToken": []}]},
)
async def push(exchange: Incoming, ledger: RunningLedger) -> Response:
    """Record one interaction, with the queue token as Bearer and the headers inside the body as ``_headers``."""
    return to_response(await service.push(ledger, exchange))
