"""Work outside: the tasks of a run, and taking in what they bring."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from provenance.engine.schemas import StepStatus
from provenance.expressions import ExpressionError
from provenance.runs import telling
from provenance.runs.activity import Activity
from provenance.runs.drive.starts import Starts
from provenance.runs.interpreting import EdgeFailed, Failed, NotBounded, Result

log: Any = structlog.get_logger("runs")


class Work(Starts):
    """Carries out calls as tasks, each within its time."""

    def _carry(self, activity: Activity, result: Result | None) -> None:
        self._open[activity.slot] = activity
        if result is not None:
            self._decided += 1
            self._apply(activity, result)
        elif activity.step.kind not in self.host.doers.outside:
            self._apply(activity, Failed("unknown_kind", f"No worker here carries out {activity.step.kind}."))
        else:
            self._go_outside(activity)

    def _go_outside(self, activity: Activity) -> None:
        assert activity.call is not None, "a call is made before anything is carried out"
        self._acting += 1
        activity.acting = True
        self.out.row(activity.row(self.facts.key.run_id, StepStatus.RUNNING))
        wait = self.host.doers.outside[activity.step.kind].waits(activity.call)
        if wait is not None and activity.slot not in self._waits:
            self._open_wait(activity, wait)
        if activity.step.effect:
            self.out.deeds.append(telling.intended(self.facts, activity))
            self.out.intents.append(activity)
        else:
            self._spawn(self._perform(activity))

    async def _evaluate(self, pending: NotBounded) -> None:
        found: Any
        try:
            found = await self.host.evaluate(pending.expression, pending.values)
        except ExpressionError as error:
            found = error
        self.course.scope.remember(pending, found)
        self._evaluating = False
        self.advance()

    async def _perform(self, activity: Activity) -> None:
        result = await self._result_of(activity)
        if self.dead or self._open.get(activity.slot) is not activity or not activity.acting:
            self.host.late(self, activity, result)
            return
        self._guarded(lambda: self._take_in(activity, result))
        self.advance()

    async def _result_of(self, activity: Activity) -> Result:
        call = activity.call
        assert call is not None, "a call is made before anything is carried out"
        try:
            async with asyncio.timeout(call.seconds):
                return await self.host.doers.outside[activity.step.kind].perform(call)
        except TimeoutError:
            return Failed("timeout", f"It took longer than {call.seconds:g} seconds.", unknown=activity.step.effect)
        except Exception as error:
            log.error("step_crashed", kind=activity.step.kind, exc_info=error)
            return Failed("internal_error", "The step failed for a reason of the platform's own.", unknown=True)

    def _take_in(self, activity: Activity, result: Result) -> None:
        try:
            self._apply(activity, result)
        except EdgeFailed as error:
            self.course.fail(Failed("edge_error", str(error)).error(), error.edge.source)
        except NotBounded:
            pass  # `advance` asks for it again

    def _guarded(self, act: Callable[[], None]) -> None:
        """Do something; what it raises is a mistake of ours, and ends this process's part in the run."""
        try:
            act()
        except Exception as error:
            if not self.dead:
                self.dead = True
                self.host.crashed(self, error)
