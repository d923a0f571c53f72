"""Runs in the server: one that begins is carried through its inline steps before its first commit.

So a run of pure steps is accepted, carried out and ended in one commit, and a server holds no run between two. What
reaches outside, and what comes after a wait, is a worker's.
"""

import asyncio
from typing import Any

from provenance.engine.schemas import Checkpoint, NewRun, RunKey, State, Status
from provenance.ledger.service import Deed
from provenance.runs.drive import Drive
from provenance.runs.hosting import Hosting
from provenance.runs.running import Facts
from provenance.workflows.plan import Plan


class _Beginning(Drive):
    """A run on its way into the database."""

    begun: "asyncio.Future[Checkpoint]"


class Beginner(Hosting):
    """Begins runs in this process; at most ``slots`` are interpreted here at once, others are left to workers."""

    inline_only = True

    def __init__(self, *arguments: Any, slots: int) -> None:
        """Take what `Hosting` takes, and how many runs may be on their way at once (0: workers do all)."""
        super().__init__(*arguments)
        self._slots = slots
        self._held = 0

    async def begin(self, facts: Facts, plan: Plan, new: NewRun, deeds: list[Deed]) -> Checkpoint:
        """Begin a run and return its first checkpoint once it is committed.

        Raises EngineFull, DiskFull, DatabaseUnavailable: then nothing is stored.
        """
        if new.slot == 0 or self._held >= self._slots:
            return await self._queued(new, deeds)
        drive = _Beginning(self, facts, plan, new=new, deeds=deeds)
        drive.begun = asyncio.get_running_loop().create_future()
        self._held += 1
        try:
            drive.advance()
            return await drive.begun
        finally:
            self._held -= 1
            drive.dead = True

    async def _queued(self, new: NewRun, deeds: list[Deed]) -> Checkpoint:
        committed: asyncio.Future[Checkpoint] = asyncio.get_running_loop().create_future()
        checkpoint = queued(new, deeds)

        def settle(outcome: bool | BaseException) -> None:
            if not committed.done():
                _answer(committed, checkpoint, outcome)

        checkpoint.settle = settle
        self.engine.submit(checkpoint)
        return await committed

    def release(self, drive: Any, checkpoint: Checkpoint) -> None:
        """The run is in the database: whoever began it is told."""
        if not drive.begun.done():
            drive.begun.set_result(checkpoint)

    def turned_away(self, drive: Any, outcome: bool | BaseException) -> None:
        """Nothing of the run was stored: whoever began it is told why."""
        drive.dead = True
        if not drive.begun.done():
            _answer(drive.begun, None, outcome)

    def crashed(self, drive: Any, error: Exception) -> None:
        """Nothing of the run was stored: whoever began it gets the mistake."""
        drive.dead = True
        if not drive.begun.done():
            drive.begun.set_exception(error)


def queued(new: NewRun, deeds: list[Deed]) -> Checkpoint:
    """Return the checkpoint that puts a run into the queue as it is."""
    status = Status.QUEUED if new.slot == 0 else Status.RUNNING
    key = RunKey(new.workspace_id, new.id)
    return Checkpoint(key, 0, 0, 0, State.QUEUED, status, new=new, after=0.0, deeds=deeds)


def _answer(future: "asyncio.Future[Checkpoint]", checkpoint: Checkpoint | None, outcome: bool | BaseException) -> None:
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        assert checkpoint is not None, "a new run has no fence before it"
        future.set_result(checkpoint)
