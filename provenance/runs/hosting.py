"""What both processes that hold runs share: committing their checkpoints, evaluating, recording what came late."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from provenance.core.db import problem_of
from provenance.core.errors import Invalid
from provenance.engine import service as engine_service
from provenance.engine.running import Engine
from provenance.engine.schemas import Checkpoint
from provenance.expressions import Expression, ExpressionError
from provenance.ledger.service import record
from provenance.runs import telling
from provenance.runs.activity import Activity
from provenance.runs.doers import Doers
from provenance.runs.drive import Drive
from provenance.runs.gates import Gate, Place
from provenance.runs.interpreting import Failed, Result
from provenance.runs.outbox import Outbox

log: Any = structlog.get_logger("runs")

_REFUSED = ("22", "23")
"""SQLSTATE classes of values that don't fit."""

Evaluate = Callable[[Expression, dict[str, Any]], Awaitable[Any]]


class Hosting:
    """One process's part in carrying runs. Subclasses say which runs they hold, and what a refusal means."""

    inline_only = False

    def __init__(self, engine: Engine, doers: Doers, gate: Gate, evaluate: Evaluate) -> None:
        """Take the engine, the kinds carried out here, who asks people, and where unbounded expressions are made."""
        self.engine = engine
        self.doers = doers
        self._gate = gate
        self._evaluate = evaluate
        self._side_work: set[asyncio.Task[None]] = set()

    def submit(self, drive: Drive, checkpoint: Checkpoint, out: Outbox) -> None:
        """Commit a checkpoint: with many others, or with the requests it makes in a transaction of its own."""
        if out.concerns_people:
            self.aside(self._ask(drive, checkpoint, out))
        else:
            self.engine.submit(checkpoint)

    async def evaluate(self, expression: Expression, values: dict[str, Any]) -> Any:
        """Return the value of an expression that is not bounded. Raises ExpressionError."""
        try:
            return await self._evaluate(expression, values)
        except ExpressionError:
            raise
        except Exception as error:
            log.error("evaluation_failed", exc_info=error)
            raise ExpressionError("the expression can't be evaluated now") from None

    def fault(self, place: Place, outcome: Any) -> str | None:
        """Say why an outcome is no decision of people's; None when it is one."""
        return self._gate.fault(place, outcome)

    def late(self, drive: Drive, activity: Activity, result: Result) -> None:
        """Put an outcome on record that changes no state any more."""
        code = result.code if isinstance(result, Failed) else "succeeded"
        self.aside(self._record_late(drive, activity, code))

    def aside(self, work: Awaitable[None]) -> None:
        """Do something beside the runs; a failure of it is logged."""
        task = asyncio.ensure_future(self._guarded(work))
        self._side_work.add(task)
        task.add_done_callback(self._side_work.discard)

    async def settle_aside(self) -> None:
        """Wait until what was begun aside is done."""
        while self._side_work:
            await asyncio.wait(list(self._side_work))

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:
            log.warning("side_work_failed", error=type(error).__name__)

    async def _ask(self, drive: Drive, checkpoint: Checkpoint, out: Outbox) -> None:
        applied: bool | BaseException
        try:
            applied = await self._commit_asking(drive, checkpoint, out)
        except Exception as error:
            applied = problem_of(error) or _refusal_of(error) or error
        checkpoint.settle(applied)

    async def _commit_asking(self, drive: Drive, checkpoint: Checkpoint, out: Outbox) -> bool:
        ledger, workspace_id = self.engine.ledger, checkpoint.key.workspace_id
        sealed = await ledger.sealed(workspace_id, checkpoint.deeds)
        async with ledger.db.housekeeping(workspace_id) as tx:
            if not await engine_service.write_rows(tx, checkpoint):
                return False
            for slot, why in out.withdrawn.items():
                await self._gate.withdraw(tx, drive.facts, slot, why)
            for slot, asking in out.asks.items():
                place = Place(drive.facts, drive.plan.checksum, slot, asking.attempt)
                await self._gate.request(tx, place, asking)
            if sealed or tx.recorded:
                await ledger.append(tx, sealed)
        ledger.wakeups.grew(workspace_id)
        self.engine.grew(workspace_id)
        return True

    async def _record_late(self, drive: Drive, activity: Activity, code: str) -> None:
        workspace_id: uuid.UUID = drive.facts.key.workspace_id
        async with self.engine.ledger.db.housekeeping(workspace_id) as tx:
            record(tx, telling.late(drive.facts, activity, code).fact)


def _refusal_of(error: Exception) -> Invalid | None:
    """Name what the database will never store, however often it is tried: the run is to fail."""
    state = getattr(getattr(error, "orig", error), "sqlstate", None) or ""
    if not state.startswith(_REFUSED):
        return None
    log.error("question_refused", error=type(error).__name__, state=state)
    return Invalid("The database can't store a value of this run.", code="unstorable")
