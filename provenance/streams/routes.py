"""Routes of audit streams: admins set them up, whoever reads the audit sees how far they are."""

from typing import Annotated

from fastapi import APIRouter

from provenance.core.actor import Actor, Role, Scope
from provenance.core.routing import Db, Route, require
from provenance.identity.access.dependencies import person
from provenance.ledger.dependencies import RunningLedger
from provenance.streams import service, testing
from provenance.streams.schemas import Deleted, Replay, Stream, StreamCreate, Streams, StreamUpdate, TestResult

router = APIRouter(route_class=Route, tags=["streams"])

Auditor = Annotated[Actor, require(Scope.AUDIT_READ, Role.EDITOR)]
Admin = Annotated[Actor, person(Role.ADMIN)]
FreshAdmin = Annotated[Actor, person(Role.ADMIN, fresh=True)]


@router.get("/audit/streams", operation_id="streams.list", response_model=Streams)
async def list_streams(actor: Auditor, db: Db, ledger: RunningLedger) -> Streams:
    """The workspace's streams and how far each is."""
    async with db.read(actor) as tx:
        return await service.list_all(tx, ledger.catalogues)


@router.post("/audit/streams", operation_id="streams.create", status_code=201, response_model=Stream)
async def create(asked: StreamCreate, actor: FreshAdmin, db: Db, ledger: RunningLedger) -> Stream:
    """Send the audit's events to another system from now on; secrets of the target are never shown again."""
    async with db.write(actor) as tx:
        return await service.create(tx, ledger.catalogues, ledger.keyring, asked)


@router.get("/audit/streams/{stream_id}", operation_id="streams.get", response_model=Stream)
async def get(stream_id: str, actor: Auditor, db: Db, ledger: RunningLedger) -> Stream:
    """One stream: what is configured, what was acknowledged, how far it lags, what the target said last."""
    async with db.read(actor) as tx:
        return await service.get(tx, ledger.catalogues, stream_id)


@router.patch("/audit/streams/{stream_id}", operation_id="streams.update", response_model=Stream)
async def update(stream_id: str, asked: StreamUpdate, actor: FreshAdmin, db: Db, ledger: RunningLedger) -> Stream:
    """Rename, pause, go on, filter otherwise, or point elsewhere; what failed before is tried again at once."""
    async with db.write(actor) as tx:
        return await service.change(tx, ledger.catalogues, ledger.keyring, stream_id, asked)


@router.delete("/audit/streams/{stream_id}", operation_id="streams.delete", response_model=Deleted)
async def delete(stream_id: str, actor: FreshAdmin, db: Db) -> Deleted:
    """Send nothing there any more, and forget the target with its secrets."""
    async with db.write(actor) as tx:
        return await service.delete(tx, stream_id)


@router.post("/audit/streams/{stream_id}/test", operation_id="streams.test", response_model=TestResult)
async def test(stream_id: str, actor: Admin, db: Db, ledger: RunningLedger) -> TestResult:
    """Send one event that says it is a test, and answer what came back."""
    return await testing.test(ledger, db, actor, stream_id)


@router.post("/audit/streams/{stream_id}/replay", operation_id="streams.replay", response_model=Stream)
async def replay(stream_id: str, asked: Replay, actor: Admin, db: Db, ledger: RunningLedger) -> Stream:
    """Send again from a number on; a number beyond the acknowledged one passes by what lies between."""
    async with db.write(actor) as tx:
        return await service.replay(tx, ledger.catalogues, stream_id, asked)
