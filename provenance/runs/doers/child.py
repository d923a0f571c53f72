"""Kind `workflow`: starts another workflow's run, once, and waits for its end where asked to."""

from collections.abc import Awaitable, Callable
from typing import Any

from provenance.core.errors import Problem
from provenance.core.ids import decode
from provenance.engine.schemas import WaitKind
from provenance.runs.doers.contract import Call
from provenance.runs.events import SYSTEM, wire_id
from provenance.runs.interpreting.results import Done, Failed, Park, Result
from provenance.runs.starting import Start
from provenance.workflows.plan import TriggerType

Begin = Callable[[Start, int | None], Awaitable[str]]
"""Starts a run, of a version where one is named, and returns its id. A start key that was seen is no second run."""


class Child:
    """The start has the key of its wait, so that a step that is carried out again finds the same run."""

    def __init__(self, begin: Begin) -> None:
        """Take what starts runs."""
        self._begin = begin

    def waits(self, call: Call) -> Park | None:
        """The wait is there before the child is: however fast it ends, its end finds it."""
        return Park(WaitKind.CHILD, call.seconds) if call.config.get("wait", True) else None

    async def perform(self, call: Call) -> Result:
        """Start the child."""
        workflow_id = decode("wf", str(call.config["workflowId"]))
        if workflow_id is None:
            return Failed("workflow_not_deployed", "workflowId names no workflow.")
        waits = bool(call.config.get("wait", True))
        start = Start(
            workspace_id=call.workspace_id,
            workflow_id=workflow_id,
            acting=SYSTEM,
            type=TriggerType.API,
            input=call.config.get("input", call.input),
            start_key=f"child:{call.token}",
            hop_count=call.hop_count + 1,
            correlation_id=wire_id(call.run_id),
            parent_id=call.run_id,
            parent_token=call.token if waits else None,
        )
        try:
            child_id = await self._begin(start, call.config.get("version"))
        except Problem as error:
            code = "unavailable" if error.status == 503 else error.code
            return Failed(code, error.detail)
        return Park(WaitKind.CHILD, call.seconds, ref=child_id) if waits else Done({"runId": child_id})

    def resume(self, call: Call, outcome: Any) -> Result:
        """Go on with what the child gave."""
        if outcome is None:
            return Failed("timeout", "The run that it started has not ended in time; it goes on.")
        status = outcome["status"]
        if status == "completed":
            return Done({"runId": outcome["runId"], "status": status, "output": outcome.get("output")})
        return Failed(
            "child_" + status, f"The run {outcome['runId']} ended as {status}.", detail={"runId": outcome["runId"]}
        )
