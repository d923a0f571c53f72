"""The bus in one process: its lanes, and hints that there is something to deliver."""

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from provenance.billing.allowing import Allowed
from provenance.bus.lane import Job, PublishLane
from provenance.bus.messages.schemas import Publication
from provenance.bus.routing import Routed
from provenance.ledger.service import Ledger

CHANNEL = "provenance_bus"
LANES = 2


class Bus:
    """The lanes of one process; workspaces are spread over them by their ids."""

    def __init__(self, ledger: Ledger) -> None:
        """Take the running ledger; nothing is connected before `start`."""
        self.ledger = ledger
        self.allowed = Allowed(ledger, "busMessages")
        self._lanes = [PublishLane(ledger, self._committed) for _ in range(LANES)]
        self._told = ledger.wakeups.channel(CHANNEL)
        self._waiting: dict[uuid.UUID, set[asyncio.Event]] = {}
        self._hints: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the writers, the hints, and listening for what other processes published."""
        for lane in self._lanes:
            lane.start()
        self.ledger.wakeups.start()
        hints = self.ledger.hints.follow(self._ring, self._ring_all, CHANNEL)
        self._hints = asyncio.create_task(hints, name="bus-hints")

    async def stop(self) -> None:
        """Commit what waits, then end."""
        if self._hints is not None:
            self._hints.cancel()
            await asyncio.gather(self._hints, return_exceptions=True)
        await asyncio.gather(*[lane.stop() for lane in self._lanes])

    async def publish(self, workspace_id: uuid.UUID, publications: list[Publication]) -> list[Routed]:
        """Publish with whatever else is waiting: all are let in, or what refuses one is raised.

        Raises PayloadRefused, BadMessage, TooManyHops, BusFull, DiskFull and DatabaseUnavailable.
        """
        answer: asyncio.Future[list[Routed]] = asyncio.get_running_loop().create_future()

        def settle(outcome: list[Routed] | BaseException) -> None:
            if answer.done():  # nobody waits any more
                return
            if isinstance(outcome, BaseException):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

        size = sum([len(each.payload) for each in publications])
        self.submit(Job(workspace_id, publications, settle, size))
        return await answer

    def submit(self, job: Job) -> None:
        """Queue messages of a workspace, which are settled by a call. Raises BusFull, DiskFull."""
        self._lanes[job.workspace_id.int % LANES].submit(job)

    def grew(self, workspace_id: uuid.UUID) -> None:
        """Hint, here and to other processes, that this workspace has something to deliver."""
        self._told.grew(workspace_id)
        self._ring(workspace_id)

    @contextmanager
    def watching(self, workspace_id: uuid.UUID, ring: asyncio.Event) -> Iterator[None]:
        """Set an event whenever this workspace may have something new to deliver, for as long as the block lasts."""
        waiting = self._waiting.setdefault(workspace_id, set())
        waiting.add(ring)
        try:
            yield
        finally:
            waiting.discard(ring)
            if not waiting and self._waiting.get(workspace_id) is waiting:
                del self._waiting[workspace_id]

    def _ring(self, workspace_id: uuid.UUID) -> None:
        for ring in self._waiting.get(workspace_id, ()):
            ring.set()

    def _ring_all(self) -> None:
        for workspace_id in list(self._waiting):
            self._ring(workspace_id)

    def _committed(self, routed: Sequence[Routed]) -> None:
        for workspace_id in {each.row.workspace_id for each in routed}:
            self.ledger.wakeups.grew(workspace_id)
        for workspace_id in {each.row.workspace_id for each in routed if each.deliveries}:
            self.grew(workspace_id)
