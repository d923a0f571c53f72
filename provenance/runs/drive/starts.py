"""Beginning steps: which is next, its call, and what an inline kind decides on the spot."""

from provenance.core.clock import now_ns
from provenance.engine.schemas import StepRow, StepStatus
from provenance.expressions import ExpressionError
from provenance.runs import telling
from provenance.runs.activity import Activity, Slot
from provenance.runs.calls import call_of
from provenance.runs.drive.memory import Ticket
from provenance.runs.drive.takeover import TakeOver, is_final
from provenance.runs.interpreting import EdgeFailed, Failed, Result
from provenance.runs.loops import Loop, items_of


class Starts(TakeOver):
    """Begins what is ready, in stored order, as many at once as may be."""

    def _interpret(self) -> None:
        try:
            if not self._begun:
                self._begun = True
                self.course.begin()
            self.course.go_on()
            while self.course.failure is None and self._overruled is None:
                self._tell_skipped()
                self._queue.extend(map(Ticket, self.course.ready))
                self.course.ready.clear()
                if not (self._start_next() or self._resume_next()):
                    return
        except EdgeFailed as error:
            self.course.fail(Failed("edge_error", str(error)).error(), error.edge.source)

    def _start_next(self) -> bool:
        for ticket in self._queue:
            if self._may_start(ticket.step):
                self._start(ticket)
                return True
        for loop in self._loops.values():
            number = loop.take() if self._may_start(loop.whole.step) else None
            if number is not None:
                self._queue.append(Ticket(loop.whole.step, number, loop.further(number)))
                return True
        return False

    def _start(self, ticket: Ticket) -> None:
        """Begin a step, or find what is stored of it; the ticket goes once nothing can ask for evaluation any more."""
        stored = self._stored.get(ticket.slot)
        if ticket.step.for_each is not None and ticket.iteration == 0 and (stored is None or not is_final(stored)):
            self._start_loop(ticket, stored)
        elif stored is None:
            activity = self._activity(ticket, 1, self._places + 1)
            result = self._prepared(activity)
            self._places += 1
            self._queue.remove(ticket)
            self._carry(activity, result)
        else:
            self._restore(ticket, stored)

    def _prepared(self, activity: Activity) -> Result | None:
        """Make the call, and for an inline kind what comes of it; None for work outside. Raises NotBounded."""
        try:
            activity.call = call_of(self.facts, self.course, activity)
            inline = self.host.doers.inline.get(activity.step.kind)
            return None if inline is None else inline.decide(activity.call)
        except ExpressionError as error:
            return Failed("expression_error", error.issue)

    def _start_loop(self, ticket: Ticket, stored: StepRow | None) -> None:
        each = ticket.step.for_each
        assert each is not None, "only steps with forEach come here"
        try:
            items = items_of(each, self.course.scope.resolve(each.items))
        except ExpressionError as error:
            items = Failed("expression_error", error.issue)
        self._queue.remove(ticket)
        self._places += stored is None
        whole = self._activity(ticket, 1, stored.place if stored else self._places)
        self._open[whole.slot] = whole
        if isinstance(items, Failed):
            self._apply(whole, items)
            return
        self._loops[ticket.step.key] = loop = Loop(whole, each, items)
        if not items:
            self._end_loop(loop)
        elif stored is None:
            self.out.row(whole.row(self.facts.key.run_id, StepStatus.RUNNING))

    def _tell_skipped(self) -> None:
        for step in self.course.skipped:
            if Slot(step.key, 0) in self._stored:
                continue
            self._places += 1
            activity = Activity(step, 0, 1, self._places, started_at=now_ns())
            self.out.row(activity.row(self.facts.key.run_id, StepStatus.SKIPPED))
            self.out.deeds.append(telling.skipped(self.facts, activity))
        self.course.skipped.clear()
