"""Runs in the server: one that begins is carried through its inline steps before its first commit.

So a run of pure steps is accepted, carried out and ended in one commit, and a server holds no run between two. What
reaches outside, and what comes after a wait, is a worker's.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from provenance.engine.schemas import Checkpoint, NewRun, RunKey, State, Status
from provenance.ledger.service import Deed
from provenance.runs.drive import Drive
from provenance.runs.hosting import Hosting
from provenance.runs.starting import Prepared

Begun = Callable[[Checkpoint | BaseException], None]
"""Told once: the first checkpoint of a run when it is committed, or why nothing of it is stored."""


class _Beginning(Drive):
    """A run on its way into the database."""

    told: Begun | None


class Beginner(Hosting):
    """Begins runs in this process; at most ``slots`` are interpreted here at once, others are left to workers."""

    inline_only = True

    def __init__(self, *arguments: Any, slots: int) -> None:
        """Take what `Hosting` takes, and how many runs may be on their way at once (0: workers do all)."""
        super().__init__(*arguments)
        self._slots = slots
        self._held = 0

    async def begin(self, prepared: Prepared) -> Checkpoint:
        """Begin a run and return its first checkpoint once it is committed.

        Raises EngineFull, DiskFull, DatabaseUnavailable: then nothing is stored.
        """
        committed: asyncio.Future[Checkpoint] = asyncio.get_running_loop().create_future()
        self.begin_soon(prepared, lambda outcome: _answer(committed, outcome))
        return await committed

    def begin_soon(self, prepared: Prepared, told: Begun) -> None:
        """Begin a run and tell, now or later, what `begin` returns or raises."""
        new = prepared.new
        if new.slot == 0 or self._held >= self._slots:
            self._queue(queued(new, prepared.deeds), told)
            return
        drive = _Beginning(self, prepared.facts, prepared.plan, new=new, deeds=prepared.deeds)
        drive.told = told
        self._held += 1
        drive.advance()

    def _queue(self, checkpoint: Checkpoint, told: Begun) -> None:
        def settle(outcome: bool | BaseException) -> None:
            told(outcome if isinstance(outcome, BaseException) else checkpoint)

        checkpoint.settle = settle
        try:
            self.engine.submit(checkpoint)
        except Exception as error:
            told(error)

    def release(self, drive: Any, checkpoint: Checkpoint) -> None:
        """The run is in the database: whoever began it is told."""
        self._tell(drive, checkpoint)

    def turned_away(self, drive: Any, outcome: bool | BaseException) -> None:
        """Nothing of the run was stored: whoever began it is told why."""
        assert isinstance(outcome, BaseException), "a new run has no fence before it"
        self._tell(drive, outcome)

    def crashed(self, drive: Any, error: Exception) -> None:
        """Nothing of the run was stored: whoever began it gets the mistake."""
        self._tell(drive, error)

    def _tell(self, drive: _Beginning, outcome: Checkpoint | BaseException) -> None:
        drive.dead = True
        told, drive.told = drive.told, None
        if told is not None:
            self._held -= 1
            told(outcome)


def queued(new: NewRun, deeds: list[Deed]) -> Checkpoint:
    """Return the checkpoint that puts a run into the queue as it is."""
    status = Status.QUEUED if new.slot == 0 else Status.RUNNING
    key = RunKey(new.workspace_id, new.id)
    return Checkpoint(key, 0, 0, 0, State.QUEUED, status, new=new, after=0.0, deeds=deeds)


def _answer(future: "asyncio.Future[Checkpoint]", outcome: Checkpoint | BaseException) -> None:
    if future.done():
        return  # whoever waited went away
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
