"""After a take-over: what is stored of a run brings the same object to the same place."""

from typing import Any

from provenance.engine.schemas import OpenWait, StepRow, StepStatus, WaitKind
from provenance.expressions import ExpressionError
from provenance.runs.activity import Activity, Slot, from_text
from provenance.runs.calls import call_of
from provenance.runs.drive.memory import Ticket
from provenance.runs.drive.waits import Waits
from provenance.runs.interpreting import Failed
from provenance.workflows.plan import Ended


class TakeOver(Waits):
    """Takes stored steps as ended, waiting or interrupted, as they stand."""

    def load(self, steps: list[StepRow], waits: list[OpenWait]) -> None:
        """Take what is stored of a run that was claimed."""
        for row in steps:
            slot = Slot(row.step_key, row.iteration)
            if slot not in self._stored or row.attempt > self._stored[slot].attempt:
                self._stored[slot] = row
            self._places = max(self._places, row.place)
        self.look(waits)

    def _restore(self, ticket: Ticket, stored: StepRow) -> None:
        activity = self._activity(ticket, stored.attempt, stored.place)
        activity.started_at = stored.started_at or activity.started_at
        waiting = self._waits.get(ticket.slot)
        if is_final(stored) and not (waiting and waiting[0].kind == WaitKind.RETRY):
            self._queue.remove(ticket)
            self._end(activity, *_ended(stored))
            return
        activity.status = StepStatus(stored.status)
        unfinished = self._prepared_again(activity)
        self._queue.remove(ticket)
        self._open[activity.slot] = activity
        if isinstance(unfinished, Failed):
            self._apply(activity, unfinished)
        elif stored.status == StepStatus.RUNNING and not (waiting and waiting[0].resolved):
            self._interrupted(activity)

    def _prepared_again(self, activity: Activity) -> Failed | None:
        try:
            activity.call = call_of(self.facts, self.course, activity)
        except ExpressionError as error:
            return Failed("expression_error", error.issue)
        return None

    def _interrupted(self, activity: Activity) -> None:
        """Its owner was lost while it acted: nobody knows whether the effect happened."""
        if activity.step.effect:
            message = "The worker was lost while this was carried out; nobody knows whether it happened."
            self._apply(activity, Failed("outcome_unknown", message, unknown=True))
        else:
            self._again(activity)


def is_final(row: StepRow) -> bool:
    """Tell whether nothing of this attempt changes any more."""
    return row.status in (StepStatus.SUCCEEDED, StepStatus.FAILED, StepStatus.CANCELLED)


def _ended(row: StepRow) -> tuple[Ended, Any, Any, str | None]:
    """Return how a stored step ended: the end, the output, the error and the choice."""
    output, error = from_text(row.output), from_text(row.error)
    if row.status == StepStatus.SUCCEEDED:
        return Ended.SUCCEEDED, output, None, row.choice
    if row.choice == "rejected":
        return Ended.REJECTED, output, error, None
    return (Ended.SUCCEEDED if row.handled else Ended.FAILED), None, error, None
