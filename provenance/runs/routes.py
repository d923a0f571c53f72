"""Routes of runs (spec/automation.md, rows 71 to 77)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from provenance.core.actor import Actor, Role, Scope
from provenance.core.cursors import DEFAULT_LIMIT, MAX_LIMIT
from provenance.core.objects import Objects
from provenance.core.routing import Db, Route, require
from provenance.ledger.dependencies import RunningLedger
from provenance.ledger.interactions.listing_routes import json_answer
from provenance.runs import bulk as many
from provenance.runs import service
from provenance.runs.outputs.service import Outputs
from provenance.runs.runtime import Runs
from provenance.runs.schemas import (
    Run,
    RunBulk,
    RunBulkResult,
    RunCancel,
    RunCancelled,
    RunCreate,
    RunDeleted,
    RunFilters,
    RunReplay,
    RunReplayed,
    RunStarted,
    RunSteps,
    WorkflowTrigger,
)
from provenance.runs.schemas import Runs as RunsPage

router = APIRouter(route_class=Route, tags=["runs"])

Reader = Annotated[Actor, require(Scope.RUNS_READ, Role.VIEWER)]
Writer = Annotated[Actor, require(Scope.RUNS_WRITE, Role.EDITOR)]
Cursor = Annotated[str | None, Query(max_length=512, description="nextCursor of the page before.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


async def runs_of(request: Request) -> Runs:
    """Return the running application's runs."""
    found: Runs = request.app.state.runs
    return found


async def objects_of(request: Request) -> Objects:
    """Return the running application's object store."""
    found: Objects = request.app.state.objects
    return found


RunningRuns = Annotated[Runs, Depends(runs_of)]
ObjectStore = Annotated[Objects, Depends(objects_of)]


class Asked(RunFilters):
    """The query of a page of runs."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor = None

    @property
    def filters(self) -> RunFilters:
        """The filters alone, to which a cursor is bound."""
        return RunFilters.model_validate(self.model_dump(by_alias=True, exclude={"limit", "cursor"}))


@router.get("/runs", operation_id="runs.list")
async def list_runs(asked: Annotated[Asked, Query()], actor: Reader, db: Db, ledger: RunningLedger) -> RunsPage:
    """Runs, newest first, each with what it waits for."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.page(tx, keys, asked.filters, limit=asked.limit, cursor=asked.cursor)


@router.post("/runs", operation_id="runs.create", status_code=201, response_model_exclude_none=True)
async def create(body: RunCreate, actor: Writer, db: Db, runs: RunningRuns) -> RunStarted:
    """Start a run of a deployed workflow; with wait the answer comes when it has ended."""
    return await service.start(db, runs, actor, body.workflow_id, body)


@router.post(
    "/workflows/{workflow_id}/trigger", operation_id="runs.trigger", status_code=201, response_model_exclude_none=True
)
async def trigger(workflow_id: str, body: WorkflowTrigger, actor: Writer, db: Db, runs: RunningRuns) -> RunStarted:
    """Start a run of this workflow; with wait the answer comes when it has ended."""
    return await service.start(db, runs, actor, workflow_id, body)


@router.post("/runs/bulk", operation_id="runs.bulk", response_model_exclude_none=True)
async def bulk(body: RunBulk, actor: Writer, db: Db, runs: RunningRuns) -> RunBulkResult:
    """Cancel the runs that match and go on, or replay those that match and have ended; 200 at most."""
    return await many.bulk(db, runs, actor, body)


@router.get("/runs/{run_id}", operation_id="runs.get")
async def get(run_id: str, actor: Reader, db: Db) -> Run:
    """One run: how it stands, what went in, what came out."""
    async with db.read(actor) as tx:
        return await service.one(tx, run_id)


@router.delete("/runs/{run_id}", operation_id="runs.delete")
async def delete(
    run_id: str, actor: Annotated[Actor, require(Scope.RUNS_WRITE, Role.ADMIN, people_only=True)], db: Db
) -> RunDeleted:
    """Remove the data of a run that has ended; what it recorded stays."""
    async with db.write(actor) as tx:
        return await service.delete(tx, run_id)


@router.post("/runs/{run_id}/cancel", operation_id="runs.cancel")
async def cancel(run_id: str, body: RunCancel, actor: Writer, db: Db, runs: RunningRuns) -> RunCancelled:
    """End a run now."""
    async with db.write(actor) as tx:
        return await service.cancel(tx, runs, run_id, body.reason)


@router.post("/runs/{run_id}/replay", operation_id="runs.replay", status_code=201)
async def replay(run_id: str, body: RunReplay, actor: Writer, db: Db, runs: RunningRuns) -> RunReplayed:
    """Start a new run like one that has ended: of the live or its own version, from any step on."""
    async with db.write(actor) as tx:
        return await service.replay(tx, runs, run_id, body, given="input" in body.model_fields_set)


@router.get("/runs/{run_id}/steps", operation_id="runs.steps")
async def steps(
    run_id: str,
    actor: Reader,
    db: Db,
    ledger: RunningLedger,
    runs: RunningRuns,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> RunSteps:
    """The steps of a run in the order in which they started."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.steps(tx, runs, keys, run_id, limit=limit, cursor=cursor)


@router.get(
    "/runs/{run_id}/steps/{step_id}/output",
    operation_id="runs.step_output",
    response_model=None,
    responses=json_answer("The output as it is, whatever its JSON type.", {}),
)
async def step_output(
    run_id: str,
    step_id: str,
    actor: Reader,
    db: Db,
    objects: ObjectStore,
    iteration: Annotated[int, Query(ge=0, le=1_000_000, description="Which item of its forEach; 0: the step.")] = 0,
) -> Response:
    """What a step gave, of any size: what outputRef in the list of steps points at."""
    async with db.read(actor) as tx:
        found = await service.step_output(tx, run_id, step_id, iteration)
    return Response(await Outputs(db, objects).text(actor.workspace_id, found), media_type="application/json")
