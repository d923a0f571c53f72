"""One run in memory: the interpreter between two checkpoints (docs/life-of/a-run.md).

`advance` interprets until nothing goes on without the outside, then makes a checkpoint of all that happened. An
effect begins only after the commit that records its intent; pure steps are recorded with whatever comes next. After
a take-over the same object is built from the stored rows and comes to the same place.
"""

import asyncio
from collections import deque
from typing import Any

import msgspec
import structlog

from provenance.core.clock import now_ns
from provenance.core.errors import Invalid
from provenance.engine.schemas import (
    Checkpoint,
    NewRun,
    OpenWait,
    State,
    Status,
    StepRow,
    StepStatus,
    WaitKind,
    WaitRow,
)
from provenance.expressions import ExpressionError
from provenance.ledger.service import Deed
from provenance.runs import telling
from provenance.runs.activity import OUTPUT_BYTES, Activity, Slot, from_text, pause_before, to_text
from provenance.runs.calls import call_of
from provenance.runs.interpreting import Course, Done, EdgeFailed, Failed, NotBounded, Park, Result, Verdict
from provenance.runs.loops import Loop, items_of
from provenance.runs.outbox import Outbox
from provenance.runs.running import Facts, Host
from provenance.workflows.plan import Ended, Plan, Step

log: Any = structlog.get_logger("runs")

AT_ONCE = 16
INLINE_STEPS = 64
LAZY_SECONDS = 0.25
GRACE_SECONDS = 10.0
RETRY_SECONDS = 0.5


class Ticket:
    """A step or item that may begin."""

    __slots__ = ("further", "iteration", "step")

    def __init__(self, step: Step, iteration: int = 0, further: dict[str, Any] | None = None) -> None:
        self.step = step
        self.iteration = iteration
        self.further = further

    @property
    def slot(self) -> Slot:
        """Which step and item this is."""
        return Slot(self.step.key, self.iteration)


class Drive:
    """Carries one run on. All methods run in the event loop's thread; none of them waits."""

    def __init__(
        self,
        host: Host,
        facts: Facts,
        plan: Plan,
        *,
        epoch: int = 0,
        seq: int = 0,
        signal: int = 0,
        new: NewRun | None = None,
        deeds: list[Deed] | None = None,
    ) -> None:
        """Take the run's facts and plan, and where its row stands; ``new`` is the row of one that begins here."""
        self.host = host
        self.facts = facts
        self.plan = plan
        self.epoch, self.seq, self.signal = epoch, seq, signal
        self.new = new
        self.dead = False
        self.course = Course(plan, facts.scope(plan), facts.about.entry)
        self.out = Outbox(deeds or ())
        self.sent: tuple[Checkpoint, Outbox] | None = None
        self._begun = False
        self._stored: dict[Slot, StepRow] = {}
        self._queue: deque[Ticket] = deque()
        self._open: dict[Slot, Activity] = {}
        self._loops: dict[str, Loop] = {}
        self._waits: dict[Slot, tuple[OpenWait, float | None]] = {}
        self._places = 0
        self._acting = 0
        self._decided = 0
        self._evaluating = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._lazy: asyncio.TimerHandle | None = None
        self._overruled: Verdict | None = None

    # What comes from outside

    def load(self, steps: list[StepRow], waits: list[OpenWait]) -> None:
        """Take what is stored of a run that was claimed."""
        for row in steps:
            slot = Slot(row.step_key, row.iteration)
            if slot not in self._stored or row.attempt > self._stored[slot].attempt:
                self._stored[slot] = row
            self._places = max(self._places, row.place)
        self.look(waits)

    def look(self, waits: list[OpenWait]) -> None:
        """Take the waits as they stand now: some may have been resolved."""
        now = asyncio.get_running_loop().time()
        for wait in waits:
            slot = Slot(wait.step_key, wait.iteration)
            self._waits[slot] = (wait, None if wait.left is None else now + wait.left)

    def advance(self) -> None:
        """Interpret until nothing goes on without the outside, and put what happened on its way."""
        if self.dead or self._evaluating or (self.sent is not None and self.sent[0].state is not State.RUNNING):
            return
        try:
            self._interpret()
            self._flush()
        except NotBounded as pending:
            self._evaluating = True
            self._spawn(self._evaluate(pending))

    def time_out(self, message: str) -> None:
        """End the run because its time is over."""
        self.overrule(Verdict("timed_out", error=Failed("run_timeout", message).error()))

    def overrule(self, verdict: Verdict) -> None:
        """End the run whatever its steps say."""
        self._overruled = self._overruled or verdict
        self.advance()

    def abandon(self) -> None:
        """Stop: the run is another's, or was cancelled. Work under way has a grace to end, its outcome comes late."""
        self.dead = True
        if self._lazy is not None:
            self._lazy.cancel()
        for task in self._tasks:
            asyncio.get_running_loop().call_later(GRACE_SECONDS, task.cancel)

    @property
    def has_open_waits(self) -> bool:
        """Whether somebody may resolve a wait of this run while it is busy."""
        return bool(self._waits)

    @property
    def next_due(self) -> float | None:
        """When the next wait is due, by the loop's clock."""
        return min((due for _, due in self._waits.values() if due is not None), default=None)

    # Interpreting

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

    def _may_start(self, step: Step) -> bool:
        if step.kind in self.host.doers.inline:
            return not (self.host.inline_only and self._decided >= INLINE_STEPS)
        return not self.host.inline_only and self._acting < AT_ONCE

    def _start(self, ticket: Ticket) -> None:
        """Begin a step, or find what is stored of it; the ticket goes once nothing can ask for evaluation any more."""
        stored = self._stored.get(ticket.slot)
        if ticket.step.for_each is not None and ticket.iteration == 0 and (stored is None or not _is_final(stored)):
            self._start_loop(ticket, stored)
        elif stored is None:
            activity = self._activity(ticket, 1, self._places + 1)
            result = self._prepared(activity)
            self._places += 1
            self._queue.remove(ticket)
            self._carry(activity, result)
        else:
            self._restore(ticket, stored)

    def _activity(self, ticket: Ticket, attempt: int, place: int) -> Activity:
        return Activity(ticket.step, ticket.iteration, attempt, place, ticket.further, started_at=now_ns())

    def _prepared(self, activity: Activity) -> Result | None:
        """Make the call, and for an inline kind what comes of it; None for work outside. Raises NotBounded."""
        try:
            activity.call = call_of(self.facts, self.course, activity)
            inline = self.host.doers.inline.get(activity.step.kind)
            return None if inline is None else inline.decide(activity.call)
        except ExpressionError as error:
            return Failed("expression_error", error.issue)

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

    # After a take-over

    def _restore(self, ticket: Ticket, stored: StepRow) -> None:
        activity = self._activity(ticket, stored.attempt, stored.place)
        activity.started_at = stored.started_at or activity.started_at
        waiting = self._waits.get(ticket.slot)
        if _is_final(stored) and not (waiting and waiting[0].kind == WaitKind.RETRY):
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

    # What becomes of a step

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
            self._park(activity, Park(WaitKind.APPROVAL, ref="unknown", asks=telling.question(activity, result)))
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

    def _open_wait(self, activity: Activity, park: Park) -> None:
        slot, run_id = activity.slot, self.facts.key.run_id
        due = None if park.seconds is None else asyncio.get_running_loop().time() + park.seconds
        row = WaitRow(run_id, slot.key, slot.iteration, park.kind.value, park.seconds, park.ref)
        self.out.open(slot, row, park.asks)
        wait = OpenWait(run_id, slot.key, slot.iteration, park.kind.value, park.seconds, park.ref, False, None)
        self._waits[slot] = (wait, due)

    def _resume_next(self) -> bool:
        now = asyncio.get_running_loop().time()
        for slot, (wait, due) in self._waits.items():
            ripe = wait.resolved or (due is not None and due <= now)
            if ripe and slot in self._open and not self._open[slot].acting and self._may_start(self._open[slot].step):
                self._resume(self._open[slot], wait)
                return True
        return False

    def _resume(self, activity: Activity, wait: OpenWait) -> None:
        result: Result | None = None
        if wait.kind != WaitKind.RETRY and wait.ref != "unknown":
            result = self._resumed(activity, from_text(wait.outcome) if wait.resolved else None)
        del self._waits[activity.slot]
        self.out.close(activity.slot)
        if result is not None:
            self._apply(activity, result)
        elif wait.kind == WaitKind.RETRY or (from_text(wait.outcome) or {}).get("decision") == "approved":
            self._again(activity)
        else:
            message = "Nobody knows whether it happened, and it was not to be repeated."
            self._apply(activity, Failed("not_repeated", message))

    def _resumed(self, activity: Activity, outcome: Any) -> Result:
        assert activity.call is not None, "its call was made when it was begun or restored"
        doers = self.host.doers
        doer = doers.inline.get(activity.step.kind) or doers.outside[activity.step.kind]
        try:
            return doer.resume(activity.call, outcome)
        except ExpressionError as error:
            return Failed("expression_error", error.issue)

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
        if self._waits.pop(activity.slot, None) is not None:
            self.out.close(activity.slot)
        if activity.acting:
            activity.acting = False
            self._acting -= 1
        self.out.intents = [each for each in self.out.intents if each is not activity]
        self.out.row(activity.row(self.facts.key.run_id, StepStatus.CANCELLED))

    def _tell_skipped(self) -> None:
        for step in self.course.skipped:
            if Slot(step.key, 0) in self._stored:
                continue
            self._places += 1
            activity = Activity(step, 0, 1, self._places, started_at=now_ns())
            self.out.row(activity.row(self.facts.key.run_id, StepStatus.SKIPPED))
            self.out.deeds.append(telling.skipped(self.facts, activity))
        self.course.skipped.clear()

    # Work outside

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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
        call = activity.call
        assert call is not None, "a call is made before anything is carried out"
        result: Result
        try:
            async with asyncio.timeout(call.seconds):
                result = await self.host.doers.outside[activity.step.kind].perform(call)
        except TimeoutError:
            result = Failed("timeout", f"It took longer than {call.seconds:g} seconds.", unknown=activity.step.effect)
        except Exception as error:
            log.error("step_crashed", kind=activity.step.kind, exc_info=error)
            result = Failed("internal_error", "The step failed for a reason of the platform's own.", unknown=True)
        if self.dead or self._open.get(activity.slot) is not activity or not activity.acting:
            self.host.late(self, activity, result)
            return
        try:
            self._apply(activity, result)
        except EdgeFailed as error:
            self.course.fail(Failed("edge_error", str(error)).error(), error.edge.source)
        except NotBounded:
            pass  # `advance` asks for it again
        self.advance()

    # Checkpoints

    def _flush(self) -> None:
        if self.sent is not None:
            return
        verdict = self._overruled or self.course.verdict()
        if verdict is not None:
            self._submit(State.ENDED, Status(verdict.status), verdict)
        elif self.host.inline_only and (self._queue or self._loops):
            self._submit(State.QUEUED, Status.RUNNING)
        elif self._acting:
            if self.out.urgent or self.out.intents or self.new is not None:
                self._submit(State.RUNNING, Status.RUNNING)
            elif not self.out.empty and self._lazy is None:
                self._lazy = asyncio.get_running_loop().call_later(LAZY_SECONDS, self._unhurried)
        elif self._waits:
            people = any(wait.kind == WaitKind.APPROVAL for wait, _ in self._waits.values())
            self._submit(State.PARKED, Status.APPROVAL if people else Status.RUNNING)
        else:
            raise AssertionError(f"the run {self.facts.key.run_id} neither goes on, waits nor ends")

    def _unhurried(self) -> None:
        """Show work that takes its time, though nothing waits for the record of it."""
        self._lazy = None
        if not self.dead and not self.out.empty:
            self.out.urgent = True
            self.advance()

    def _submit(self, state: State, status: Status, verdict: Verdict | None = None) -> None:
        if verdict is not None:
            self._close_all()
        out, self.out = self.out, Outbox()
        checkpoint = out.checkpoint(
            self.facts.key, epoch=self.epoch, seq=self.seq, signal=self.signal, state=state, status=status
        )
        checkpoint.new = self.new
        checkpoint.settle = self._settled
        if verdict is not None:
            telling.end_run(self.facts, checkpoint, verdict)
        elif state is State.QUEUED:
            checkpoint.after = 0.0
        elif state is State.PARKED:
            due = self.next_due
            checkpoint.after = None if due is None else max(0.0, due - asyncio.get_running_loop().time())
        self.sent = (checkpoint, out)
        self.host.submit(self, checkpoint, out)

    def _close_all(self) -> None:
        for activity in list(self._open.values()):
            self._drop(activity)
        for task in self._tasks:
            task.cancel()

    def _settled(self, outcome: bool | BaseException) -> None:
        assert self.sent is not None, "a checkpoint is settled once"
        (checkpoint, out), self.sent = self.sent, None
        if self.dead:
            return
        if isinstance(outcome, Invalid) and self._overruled is None:
            self.out = Outbox(out.deeds if self.new is not None else ())
            self.overrule(Verdict("failed", error=Failed("unstorable", outcome.detail).error()))
        elif isinstance(outcome, BaseException) or not outcome:
            self.out.take_back(out)
            self.host.turned_away(self, outcome)
        else:
            self._committed(checkpoint, out)

    def _committed(self, checkpoint: Checkpoint, out: Outbox) -> None:
        self.seq += 1
        self.new = None
        if checkpoint.state is not State.RUNNING:
            self.dead = True
            self.host.release(self, checkpoint)
            return
        for activity in out.intents:
            if self._open.get(activity.slot) is activity and activity.acting:
                self._spawn(self._perform(activity))
        self.advance()


def _is_final(row: StepRow) -> bool:
    return row.status in (StepStatus.SUCCEEDED, StepStatus.FAILED, StepStatus.CANCELLED)


def _ended(row: StepRow) -> tuple[Ended, Any, Any, str | None]:
    """Return how a stored step ended: the end, the output, the error and the choice."""
    output, error = from_text(row.output), from_text(row.error)
    if row.status == StepStatus.SUCCEEDED:
        return Ended.SUCCEEDED, output, None, row.choice
    if row.choice == "rejected":
        return Ended.REJECTED, output, error, None
    return (Ended.SUCCEEDED if row.handled else Ended.FAILED), None, error, None
