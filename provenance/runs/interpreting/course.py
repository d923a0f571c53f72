"""The course of a run through its graph: edges taken or dead, steps ready, skipped or ended (spec/automation.md, 6.5).

A step is ready when every incoming edge is resolved and at least one is taken; all dead is skipped, and that goes on.
Nothing here waits or remembers beyond the object: after a take-over the same outcomes give the same course.
"""

from collections import deque
from typing import Any, Literal

import msgspec

from provenance.expressions import Expression, ExpressionError
from provenance.runs.interpreting.results import Failed
from provenance.runs.interpreting.scope import Scope
from provenance.workflows.mapping import value_of
from provenance.workflows.plan import Edge, Ended, On, Plan, Step


class EdgeFailed(Exception):
    """A condition of an edge gives no answer, and with it the run none."""

    def __init__(self, edge: Edge, issue: str) -> None:
        super().__init__(f"The condition of the edge {edge.source} → {edge.target} fails: {issue}")
        self.edge = edge


class Verdict(msgspec.Struct, frozen=True):
    """How a run ends: with an output, or with an error and the step it is about."""

    status: Literal["completed", "failed", "timed_out"]
    output: Any = None
    error: dict[str, Any] | None = None


class Course:
    """One run's way through its plan. Feed it outcomes by `end`; take what is ready from ``ready``."""

    def __init__(self, plan: Plan, scope: Scope, entry: str) -> None:
        """Take the plan, the scope that outcomes go to, and the trigger that the run is entered by."""
        self.plan = plan
        self.scope = scope
        self.entry = entry
        self.ended: dict[str, Ended] = {}
        self.outputs: dict[str, Any] = {}
        self.ready: deque[Step] = deque()
        self.skipped: list[Step] = []
        self.failure: dict[str, Any] | None = None
        self._taken: dict[int, bool] = {}
        self._choices: dict[str, str | None] = {}
        self._open: dict[str, int] = {step.key: len(plan.incoming(step.key)) for step in plan.steps}
        self._unsettled: deque[str] = deque()

    def begin(self) -> None:
        """Make the entry ready; every other trigger is skipped. Raises EdgeFailed, NotBounded."""
        for trigger in self.plan.triggers:
            step = self.plan.step(trigger.key)
            if trigger.key == self.entry:
                self.ready.append(step)
            else:
                self._skip(step)
        self.go_on()

    def end(self, key: str, ended: Ended, output: Any, *, error: Any = None, choice: str | None = None) -> None:
        """Note how a step ended, and what follows. ``error`` of a SUCCEEDED one: it failed and was to be ignored.

        Raises EdgeFailed and NotBounded; after the latter `go_on` finishes what was begun.
        """
        step = self.plan.step(key)
        self._note(step, ended, output, error)
        self._choices[key] = choice
        self._unsettled.append(key)
        self.go_on()

    def go_on(self) -> None:
        """Resolve the edges of what has ended. Raises EdgeFailed, NotBounded."""
        while self._unsettled:
            self._settle(self._unsettled[0])
            self._unsettled.popleft()

    @property
    def finished(self) -> bool:
        """Whether every step is resolved."""
        return len(self.ended) == len(self.plan.steps) and not self._unsettled

    def handles(self, key: str, ended: Ended) -> bool:
        """Tell whether an edge was taken that deals with a failure or a rejection of this step."""
        wanted = (On.REJECTED,) if ended is Ended.REJECTED else (On.ERROR, On.ALWAYS)
        return any(self._taken.get(edge.index) for edge in self.plan.outgoing(key) if edge.on in wanted)

    def verdict(self) -> Verdict | None:
        """Return how the run ends as far as the graph tells; None while it goes on. Raises NotBounded."""
        if self.failure is not None:
            return Verdict("failed", error=self.failure)
        if not self.finished:
            return None
        try:
            return Verdict("completed", output=self._output())
        except ExpressionError as error:
            failed = Failed("output_error", f"The run's output can't be made: {error.issue}")
            return Verdict("failed", error=failed.error())

    def fail(self, error: dict[str, Any], key: str | None) -> None:
        """End the run with an error; the first one counts."""
        if self.failure is None:
            self.failure = error if key is None else {**error, "stepKey": key}

    def _note(self, step: Step, ended: Ended, output: Any, error: Any) -> None:
        status = "failed" if error is not None and ended is Ended.SUCCEEDED else ended.value
        self.ended[step.key] = ended
        self.outputs[step.key] = output
        self.scope.add_step(step.key, _WORDS.get(status, status), output, error, gate=step.kind == "approval")

    def _settle(self, key: str) -> None:
        ended, choice = self.ended[key], self._choices.get(key)
        for edge in self.plan.outgoing(key):
            if edge.index in self._taken:
                continue
            self._taken[edge.index] = edge.follows(ended, choice) and self._passes(edge)
            self._arrive(edge.target)
        if ended in (Ended.FAILED, Ended.REJECTED) and not self.handles(key, ended):
            self._unhandled(key, ended)

    def _passes(self, edge: Edge) -> bool:
        if edge.when is None:
            return True
        try:
            return self.scope.holds(edge.when)
        except ExpressionError as error:
            raise EdgeFailed(edge, error.issue) from None

    def _arrive(self, key: str) -> None:
        self._open[key] -= 1
        if self._open[key] or key in self.ended:
            return
        step = self.plan.step(key)
        if any(self._taken[edge.index] for edge in self.plan.incoming(key)):
            self.ready.append(step)
        else:
            self._skip(step)

    def _skip(self, step: Step) -> None:
        self._note(step, Ended.SKIPPED, None, None)
        self.skipped.append(step)
        self._unsettled.append(step.key)

    def _unhandled(self, key: str, ended: Ended) -> None:
        if ended is Ended.REJECTED:
            self.fail(Failed("approval_rejected", f"The step {key} was rejected.").error(), key)
        else:
            self.fail(self.scope.get(f"steps.{key}.error"), key)

    def _output(self) -> Any:
        if self.plan.output is None:
            return self._leaves()
        return value_of(self.plan.output, self._output_part)

    def _output_part(self, expression: Expression) -> Any:
        """Return one expression of the output; null where it reads into a step that was skipped."""
        try:
            return self.scope.evaluate(expression)
        except ExpressionError:
            skipped = {f"steps.{key}.output" for key, ended in self.ended.items() if ended is Ended.SKIPPED}
            if skipped & expression.reads:
                return None
            raise

    def _leaves(self) -> Any:
        """What the last steps gave, for a definition without ``output``: of one as it is, of several by their keys."""
        found = {
            step.key: self.outputs[step.key]
            for step in self.plan.steps
            if not self.plan.outgoing(step.key) and self.ended[step.key] is Ended.SUCCEEDED
        }
        return next(iter(found.values())) if len(found) == 1 else found or None


_WORDS = {Ended.REJECTED.value: "failed"}
"""How an end reads as a step's status where the two words differ."""
