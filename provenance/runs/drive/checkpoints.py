"""Checkpoints of a run: when one is made, what is in it, and what follows from its commit."""

import asyncio

from provenance.core.errors import Invalid, Unavailable
from provenance.engine.schemas import Checkpoint, State, Status, WaitKind
from provenance.runs import telling
from provenance.runs.drive.work import Work
from provenance.runs.interpreting import Failed, Verdict
from provenance.runs.outbox import Outbox

LAZY_SECONDS = 0.25


class Checkpoints(Work):
    """Puts what happened on its way into the database; effects begin when their intent is there."""

    def overrule(self, verdict: Verdict) -> None:
        """End the run whatever its steps say."""
        self._overruled = self._overruled or verdict
        self.advance()

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
            telling.end_run(checkpoint, verdict, self.facts.started_at, self.facts.parent_token)
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
        elif isinstance(outcome, Exception) and not isinstance(outcome, Unavailable):
            self.dead = True
            self.host.crashed(self, outcome)
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
