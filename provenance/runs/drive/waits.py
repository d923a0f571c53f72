"""Going on after a wait: its time came, or somebody resolved it."""

import asyncio
from typing import Any

from provenance.engine.schemas import OpenWait, WaitKind
from provenance.expressions import ExpressionError
from provenance.runs.activity import Activity, Slot, from_text
from provenance.runs.drive.memory import UNKNOWN
from provenance.runs.drive.outcomes import Outcomes
from provenance.runs.gates import Place
from provenance.runs.interpreting import Failed, Result


class Waits(Outcomes):
    """Looks at the waits of the run and hands what ended them to their steps."""

    def look(self, waits: list[OpenWait]) -> None:
        """Take the waits as they stand in the database now: some may have been resolved.

        One that was closed here since, and whose end is not committed yet, is not opened again by it.
        """
        now = asyncio.get_running_loop().time()
        for wait in waits:
            slot = Slot(wait.step_key, wait.iteration)
            if slot not in self.out.closed and not (self.sent and slot in self.sent[1].closed):
                self._waits[slot] = (wait, None if wait.left is None else now + wait.left)

    def _resume_next(self) -> bool:
        now = asyncio.get_running_loop().time()
        for slot, (wait, due) in self._waits.items():
            ripe = wait.resolved or (due is not None and due <= now)
            if ripe and slot in self._open and not self._open[slot].acting and self._may_start(self._open[slot].step):
                self._resume(self._open[slot], wait)
                return True
        return False

    def _resume(self, activity: Activity, wait: OpenWait) -> None:
        outcome = from_text(wait.outcome) if wait.resolved else None
        result: Result | None = self._doubt(activity, wait, outcome)
        if result is None and wait.kind != WaitKind.RETRY and wait.ref != UNKNOWN:
            result = self._resumed(activity, outcome)
        del self._waits[activity.slot]
        if wait.kind == WaitKind.APPROVAL and not wait.resolved:
            self.out.withdraw(activity.slot, "expired")
        else:
            self.out.close(activity.slot)
        if result is not None:
            self._apply(activity, result)
        elif wait.kind == WaitKind.RETRY or (outcome or {}).get("decision") == "approved":
            self._again(activity)
        else:
            message = "Nobody knows whether it happened, and it was not to be repeated."
            self._apply(activity, Failed("not_repeated", message))

    def _doubt(self, activity: Activity, wait: OpenWait, outcome: Any) -> Failed | None:
        """Refuse a decision of people's that is not proven to be one, whatever the row says."""
        if wait.kind != WaitKind.APPROVAL or not wait.resolved:
            return None
        place = Place(self.facts, self.plan.checksum, activity.slot, activity.attempt)
        fault = self.host.fault(place, outcome)
        return None if fault is None else Failed("approval_not_proven", fault)

    def _resumed(self, activity: Activity, outcome: Any) -> Result:
        assert activity.call is not None, "its call was made when it was begun or restored"
        doers = self.host.doers
        doer = doers.inline.get(activity.step.kind) or doers.outside[activity.step.kind]
        try:
            return doer.resume(activity.call, outcome)
        except ExpressionError as error:
            return Failed("expression_error", error.issue)
