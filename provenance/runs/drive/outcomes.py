"""What becomes of a step: it is done, it fails and is tried again or not, it waits (spec/automation.md, 6.5)."""

from collections import deque
from typing import Any

import msgspec

from provenance.core.clock import now_ns
from provenance.engine.schemas import StepStatus, WaitKind
from provenance.runs import telling
from provenance.runs.activity import OUTPUT_BYTES, Activity, pause_before, to_text
from provenance.runs.drive.memory import UNKNOWN, InMemory
from provenance.runs.interpreting import Done, Failed, Park, Result
from provenance.runs.loops import Loop
from provenance.workflows.plan import Ended


class Outcomes(InMemory):
    """Takes results in: rows and entries are made of them, and the course goes on."""

    def _apply(self, activity: Activity, result: Result) -> None:
        if activity.acting:
            activity.acting = False
            self._acting -= 1
            self.out.urgent = self.out.urgent or activity.step.effect
        if isinstance(result, Park):
            self._park(activity, result)
        elif isinstance(result, Failed):
            self._fail(activity, result)
        else:
            self._done(activity, result)

    def _done(self, activity: Activity, result: Done) -> None:
        output = to_text(result.output)
        if len(output) > OUTPUT_BYTES:
            self._fail(activity, Failed("output_too_large", "The output is larger than 1 MiB."))
            return
        self.out.progress = True
        run_id = self.facts.key.run_id
        if result.rejected:
            error = Failed("rejected", f"It was {result.output.get('decision')}.").error()
            row = activity.row(run_id, StepStatus.FAILED, output=output, error=error, choice="rejected", result=result)
            ended = Ended.REJECTED
        else:
            row = activity.row(run_id, StepStatus.SUCCEEDED, output=output, choice=result.choice, result=result)
            error, ended = None, Ended.SUCCEEDED
        self.out.row(row)
        self.out.deeds.append(telling.ended(self.facts, activity, row))
        self._end(activity, ended, result.output, error, result.choice)

    def _fail(self, activity: Activity, result: Failed) -> None:
        step = activity.step
        if result.unknown and step.effect and step.on_unknown == "ask":
            self._park(activity, Park(WaitKind.APPROVAL, ref=UNKNOWN, asks=telling.question(activity, result)))
            return
        whole = step.for_each is not None and activity.iteration == 0
        if not whole and self._retries(activity, result):
            self._retry(activity, result)
            return
        handled = step.on_error == "continue" and (whole or step.for_each is None)
        error = result.error()
        row = activity.row(self.facts.key.run_id, StepStatus.FAILED, error=error, handled=handled, result=result)
        self.out.row(row)
        self.out.progress = True
        self.out.deeds.append(telling.ended(self.facts, activity, row))
        self._end(activity, Ended.SUCCEEDED if handled else Ended.FAILED, None, error)

    def _retries(self, activity: Activity, result: Failed) -> bool:
        step = activity.step
        if result.code == "outcome_unknown":
            return step.on_unknown == "retry"
        if result.unknown and step.effect and step.on_unknown == "fail":
            return False
        return activity.attempt < step.retry.max_attempts and result.code in step.retry.retry_on

    def _retry(self, activity: Activity, result: Failed) -> None:
        """Put the failure on record and try again later; after a lost worker at once."""
        error = result.error(retryable=True)
        row = activity.row(self.facts.key.run_id, StepStatus.FAILED, error=error, result=result)
        self.out.row(row)
        self.out.deeds.append(telling.ended(self.facts, activity, row))
        if result.code == "outcome_unknown":
            self._again(activity)
        else:
            self._open_wait(activity, Park(WaitKind.RETRY, pause_before(activity.step.retry, activity.attempt)))

    def _again(self, activity: Activity) -> None:
        assert activity.call is not None, "its call was made when it was begun or restored"
        activity.attempt += 1
        activity.started_at = now_ns()
        activity.call = msgspec.structs.replace(activity.call, attempt=activity.attempt)
        inline = self.host.doers.inline.get(activity.step.kind)
        self._carry(activity, None if inline is None else inline.decide(activity.call))

    def _park(self, activity: Activity, park: Park) -> None:
        self.out.row(activity.row(self.facts.key.run_id, StepStatus.WAITING))
        if activity.slot not in self._waits:  # one that was opened before the call may be resolved already
            self._open_wait(activity, park)

    def _end(self, activity: Activity, ended: Ended, output: Any, error: Any = None, choice: str | None = None) -> None:
        self._open.pop(activity.slot, None)
        if activity.iteration == 0:
            self._loops.pop(activity.step.key, None)
            self.course.end(activity.step.key, ended, output, error=error, choice=choice)
            return
        loop = self._loops[activity.step.key]
        if ended is Ended.SUCCEEDED:
            loop.give(activity.iteration, output)
        else:
            loop.miss(activity.iteration, error)
        self._end_loop(loop)

    def _end_loop(self, loop: Loop) -> None:
        if loop.failure is not None:
            self._stop_items(loop.whole.step.key)
            error = loop.failure
            self._apply(loop.whole, Failed(error["code"], error["message"], detail={"item": error["item"]}))
        elif loop.outputs is not None:
            self._apply(loop.whole, Done(loop.outputs))

    def _stop_items(self, key: str) -> None:
        """Stop the other items of a forEach that has failed."""
        self._queue = deque(ticket for ticket in self._queue if ticket.step.key != key)
        for slot, activity in list(self._open.items()):
            if slot.key == key and slot.iteration:
                self._drop(activity)

    def _drop(self, activity: Activity) -> None:
        del self._open[activity.slot]
        wait, _ = self._waits.pop(activity.slot, (None, None))
        if wait is not None and wait.kind == WaitKind.APPROVAL:
            self.out.withdraw(activity.slot, "cancelled")
        elif wait is not None:
            self.out.close(activity.slot)
        if activity.acting:
            activity.acting = False
            self._acting -= 1
        self.out.intents = [each for each in self.out.intents if each is not activity]
        self.out.row(activity.row(self.facts.key.run_id, StepStatus.CANCELLED))
