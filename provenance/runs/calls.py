"""The call of one attempt: its configuration and input resolved."""

from typing import Any

from provenance.runs.activity import Activity
from provenance.runs.doers import Call
from provenance.runs.interpreting import Course
from provenance.runs.running import Facts
from provenance.workflows.plan import Ended, Step, member_of_gate


def call_of(facts: Facts, course: Course, activity: Activity) -> Call:
    """Make the call of an attempt. Raises ExpressionError, NotBounded."""
    step, scope, further = activity.step, course.scope, activity.further
    config = scope.resolve(step.config, further)
    return Call(
        workspace_id=facts.key.workspace_id,
        run_id=facts.key.run_id,
        workflow_id=facts.workflow_id,
        environment=facts.environment,
        step=step,
        iteration=activity.iteration,
        attempt=activity.attempt,
        config=config,
        input=_default_input(facts, course, step) if step.input is None else scope.resolve(step.input, further),
        seconds=step.seconds,
        hop_count=facts.hop_count,
        holds=lambda path: scope.holds(step.conditions[path], further),
    )


def _default_input(facts: Facts, course: Course, step: Step) -> Any:
    """Return what a step without ``input`` is given: the payload people approved before it, else the run's input."""
    for gate in step.gates:
        if course.ended.get(gate) is Ended.SUCCEEDED and course.outputs[gate]:
            return member_of_gate(course.outputs[gate], "payload")
    return facts.input
