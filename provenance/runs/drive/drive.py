"""What others do with a run in memory: let it go on, end it, give it up."""

import asyncio

from provenance.engine.schemas import State
from provenance.runs.drive.checkpoints import Checkpoints
from provenance.runs.interpreting import Failed, NotBounded, Verdict

GRACE_SECONDS = 10.0


class Drive(Checkpoints):
    """Carries one run on. All methods run in the event loop's thread; none of them waits."""

    def advance(self) -> None:
        """Interpret until nothing goes on without the outside, and put what happened on its way.

        May be called at any moment: where nothing is to be done, nothing is.
        """
        if self.dead or self._evaluating or (self.sent is not None and self.sent[0].state is not State.RUNNING):
            return
        self._guarded(self._go_on)

    def _go_on(self) -> None:
        try:
            self._interpret()
            self._flush()
        except NotBounded as pending:
            self._evaluating = True
            self._spawn(self._evaluate(pending))

    def time_out(self, message: str) -> None:
        """End the run because its time is over."""
        self.overrule(Verdict("timed_out", error=Failed("run_timeout", message).error()))

    def abandon(self) -> None:
        """Stop: the run is another's, or was cancelled. Work under way has a grace to end, its outcome comes late."""
        self.dead = True
        if self._lazy is not None:
            self._lazy.cancel()
        for task in self._tasks:
            asyncio.get_running_loop().call_later(GRACE_SECONDS, task.cancel)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way that would call `advance`: no commit, no work, no evaluation."""
        return self.sent is None and not (self._acting or self._evaluating or self.dead)
