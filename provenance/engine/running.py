"""The engine in one process: its lanes and its hints. The server begins runs with it, the worker carries them on."""

import asyncio
import uuid
from collections.abc import Callable, Sequence

from provenance.engine.lane import CheckpointLane
from provenance.engine.schemas import Checkpoint, State
from provenance.ledger.service import Ledger

CHANNEL = "provenance_runs"
LANES = 2
PAUSE_SECONDS = 0.012
"""Between two hints: less than others keep, for a run waits for two of them, to be taken up and to be heard of."""


class Engine:
    """The lanes of one process; workspaces are spread over them by their ids."""

    def __init__(self, ledger: Ledger) -> None:
        """Take the running ledger; nothing is connected before `start`."""
        self.ledger = ledger
        self._lanes = [CheckpointLane(ledger, self._committed) for _ in range(LANES)]
        self._hints = ledger.wakeups.channel(CHANNEL, pause=PAUSE_SECONDS)
        self._watchers: set[Callable[[uuid.UUID], None]] = set()

    def start(self) -> None:
        """Start the writers and the hints."""
        for lane in self._lanes:
            lane.start()
        self.ledger.wakeups.start()

    async def stop(self) -> None:
        """Commit what waits, then end."""
        await asyncio.gather(*[lane.stop() for lane in self._lanes])

    def submit(self, checkpoint: Checkpoint) -> None:
        """Commit a checkpoint with whatever else is waiting. Raises EngineFull, DiskFull for a run that begins."""
        self._lanes[checkpoint.key.workspace_id.int % LANES].submit(checkpoint)

    def watch(self, watcher: Callable[[uuid.UUID], None]) -> Callable[[], None]:
        """Call ``watcher`` when this process changed what others may wait for; the answer ends it."""
        self._watchers.add(watcher)
        return lambda: self._watchers.discard(watcher)

    def grew(self, workspace_id: uuid.UUID) -> None:
        """Hint, here and to other processes, that a run of this workspace is ready, or has ended."""
        self._hints.grew(workspace_id)
        for watcher in list(self._watchers):
            watcher(workspace_id)

    def _committed(self, checkpoints: Sequence[Checkpoint]) -> None:
        for workspace_id in {each.key.workspace_id for each in checkpoints if each.deeds}:
            self.ledger.wakeups.grew(workspace_id)
        moved = {each.key.workspace_id for each in checkpoints if _moves(each)}
        for workspace_id in moved:
            self.grew(workspace_id)


def _moves(checkpoint: Checkpoint) -> bool:
    """Whether somebody may wait for this: a worker for a run that is ready, a caller for the end of a run.

    A run that begins and ends in one commit has its only waiter in this process.
    """
    if checkpoint.state is State.ENDED:
        return checkpoint.new is None or checkpoint.resolves is not None
    return checkpoint.state in (State.QUEUED, State.PARKED)
