"""The call of one attempt: its configuration and input resolved, and the names under which it acts."""

import uuid
from typing import Any

from provenance.engine.tokens import wait_token
from provenance.runs.activity import Activity
from provenance.runs.doers import Call
from provenance.runs.events import step_span, wire_id
from provenance.runs.interpreting import Course
from provenance.runs.running import Facts
from provenance.workflows.plan import Ended, Step


def call_of(facts: Facts, course: Course, activity: Activity) -> Call:
    """Make the call of an attempt. Raises ExpressionError, NotBounded."""
    step, scope, further = activity.step, course.scope, activity.further
    run_id = facts.key.run_id
    config = scope.resolve(step.config, further)
    own = config.get("idempotencyKey") if isinstance(config, dict) else None
    return Call(
        workspace_id=facts.key.workspace_id,
        run_id=run_id,
        workflow_id=facts.workflow_id,
        environment=facts.environment,
        step=step,
        iteration=activity.iteration,
        attempt=activity.attempt,
        config=config,
        input=_default_input(facts, course, step) if step.input is None else scope.resolve(step.input, further),
        idempotency_key=str(own) if own else f"{wire_id(run_id)}:{step.key}:{activity.iteration}",
        trace=trace_of(run_id, step_span(run_id, step.key, activity.iteration)),
        token=wait_token(run_id, step.key, activity.iteration),
        seconds=step.seconds,
        hop_count=facts.hop_count,
        holds=lambda path: scope.holds(step.conditions[path], further),
    )


def _default_input(facts: Facts, course: Course, step: Step) -> Any:
    """Return what a step without ``input`` is given: the payload people approved before it, else the run's input."""
    for gate in step.gates:
        if course.ended.get(gate) is Ended.SUCCEEDED and course.outputs[gate]:
            return course.outputs[gate].get("payload")
    return facts.input


def trace_of(run_id: uuid.UUID, span: str) -> dict[str, str]:
    """Return the headers by which what a target records lands in the run's trace (DESIGN section 5)."""
    return {
        "x-uowid": str(run_id),
        "x-parent-span-id": span,
        "traceparent": f"00-{run_id.hex}-{span.replace('-', '')[:16]}-01",
    }
