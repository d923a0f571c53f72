"""Kind `skill`: a call in the sandbox of this worker, of the version that the workflow is pinned to."""

from typing import Any

from provenance.core.actor import Actor, Kind
from provenance.core.errors import Problem
from provenance.ledger.service import Ledger
from provenance.runs import queries
from provenance.runs.doers.contract import Call
from provenance.runs.events import SYSTEM, step_span, wire_id, workflow_wire_id
from provenance.runs.interpreting.results import Done, Failed, Park, Result
from provenance.runs.live.telling import StepLog, Telling, Watched
from provenance.skills import service
from provenance.skills.calling import Call as SkillCall
from provenance.skills.calling import Skills, Unit
from provenance.skills.schemas import shown_line

REFERRER = "workflow"
_TRANSIENT = {"sandbox_failed": "unavailable"}


class Skill:
    """Calls the skill and takes its output; its log stays with the step, whether it failed or not."""

    def __init__(self, ledger: Ledger, skills: Skills, telling: Telling) -> None:
        """Take the running ledger, the skills of this worker, and whom to tell what they write while they run."""
        self._ledger = ledger
        self._skills = skills
        self._telling = telling

    def waits(self, call: Call) -> Park | None:
        """A skill is waited for on the spot."""
        return None

    def resume(self, call: Call, outcome: Any) -> Result:
        """No wait of it is ever opened."""
        raise AssertionError("a skill never parks")

    async def perform(self, call: Call) -> Result:
        """Call the skill; what it may use is bounded by its own limits and by the step's time."""
        run = Watched(call.workspace_id, call.run_id)
        with self._telling.of_step(run, call.step.key, call.iteration, call.attempt) as log:
            return await self._perform(call, log)

    async def _perform(self, call: Call, log: StepLog) -> Result:
        skill_id = str(call.config["skillId"])
        try:
            called = await self._skills.call(
                SkillCall(
                    Actor(Kind.SYSTEM, SYSTEM[0], call.workspace_id),
                    skill_id,
                    call.config.get("version") or await self._pinned(call, skill_id),
                    call.config.get("input", call.input),
                    seconds=call.seconds,
                    idempotency_key=call.idempotency_key,
                    unit=Unit(call.run_id, step_span(call.run_id, call.step.key, call.iteration)),
                    data={"runId": wire_id(call.run_id), "stepKey": call.step.key},
                    headers=call.trace,
                    on_log=lambda line: log.write(line.at, line.level, line.message),
                )
            )
        except Problem as problem:
            detail: dict[str, Any] = {"details": problem.details} if problem.details else {}
            return Failed("unavailable" if problem.status == 503 else problem.code, problem.detail, detail=detail)
        logs = [shown_line(line).model_dump(by_alias=True) for line in called.outcome.logs]
        error = called.outcome.error
        if error is not None:
            code = _TRANSIENT.get(error["code"], error["code"])
            return Failed(code, error["message"], logs=logs, detail={"skillVersion": called.version})
        return Done(called.outcome.output, logs=logs)

    async def _pinned(self, call: Call, skill_id: str) -> int | None:
        """Return the version noted when the workflow's version went live; None where none was: the current one."""
        async with self._ledger.db.housekeeping(call.workspace_id) as tx:
            run = await queries.one(tx, call.run_id)
            assert run is not None, "a step belongs to a run"
            return await service.pinned(tx, REFERRER, workflow_wire_id(call.workflow_id), run.version, skill_id)
