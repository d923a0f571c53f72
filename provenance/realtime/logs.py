"""Lines of the logs of running steps, for those who listen to `runs:<id>`: frames without a number, best effort.

A run is followed while somebody here listens to it: its worker is looked up, and asked for its lines. A client that is
slow misses some, which their ``offset`` shows; the whole log is the step's once it has ended.
"""

import asyncio
import uuid
from collections.abc import Callable, Iterable
from contextlib import aclosing
from typing import Any, NamedTuple

import msgspec
import structlog

from provenance.core.clock import iso_millis
from provenance.core.errors import Unavailable
from provenance.core.ids import encode
from provenance.ledger.service import Ledger
from provenance.realtime import queries
from provenance.realtime.queries import Carrier
from provenance.realtime.schemas import Frame
from provenance.realtime.selecting import Selected
from provenance.runs.events import step_id, wire_id
from provenance.runs.live.following import lines_of
from provenance.runs.live.wire import BadMessage, LiveLine

LOOK_SECONDS, LONGEST_LOOK = 0.25, 2.0
"""How often the worker of a run is looked for: at first, and at last."""
MOST_FOLLOWED = 200
"""Runs that one process follows at once; those who listen to more get no lines of the others."""

log: Any = structlog.get_logger("realtime")


class Followed(NamedTuple):
    """A run that somebody listens to."""

    workspace_id: uuid.UUID
    run_id: uuid.UUID


Deliver = Callable[[Followed, Selected], None]


class Logs:
    """The runs that this process follows."""

    def __init__(self, ledger: Ledger, deliver: Deliver) -> None:
        """Take the ledger, and what hands frames to those who listen to a run."""
        self._ledger = ledger
        self._deliver = deliver
        self._tasks: dict[Followed, asyncio.Task[None]] = {}

    def tend(self, wanted: Iterable[Followed]) -> None:
        """Follow these runs, and no others."""
        asked = set(wanted)
        for run in self._tasks.keys() - asked:
            self._tasks.pop(run).cancel()
        for run in asked - self._tasks.keys():
            if len(self._tasks) >= MOST_FOLLOWED:
                return
            self._tasks[run] = asyncio.create_task(self._follow(run), name="realtime-log")

    async def stop(self) -> None:
        """Follow nothing more."""
        tasks = list(self._tasks.values())
        self.tend(())
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, run: Followed) -> None:
        """Listen to the worker of a run, whichever that is by now, until the run has ended."""
        pause, at = LOOK_SECONDS, None
        listening: asyncio.Task[None] | None = None
        try:
            while not (place := await self._place(run)).ended:
                if place.address != at or listening is None or listening.done():
                    await _ended(listening)
                    at = place.address
                    listening = None if at is None else asyncio.create_task(self._listen(run, at))
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, LONGEST_LOOK)
        except Exception as error:
            log.error("log_not_followed", error=type(error).__name__)
        finally:
            await _ended(listening)

    async def _place(self, run: Followed) -> Carrier:
        """Return where a run is carried on now; while the database is away nobody knows."""
        try:
            async with self._ledger.db.housekeeping(run.workspace_id) as tx:
                return await queries.carrier_of(tx, run.run_id) or Carrier(ended=True, address=None)
        except Unavailable:
            return Carrier(ended=False, address=None)

    async def _listen(self, run: Followed, address: str) -> None:
        try:
            await self._hand_on(run, address)
        except (OSError, Unavailable, BadMessage, asyncio.IncompleteReadError) as error:
            log.debug("log_not_heard", error=type(error).__name__)

    async def _hand_on(self, run: Followed, address: str) -> None:
        keys = await self._ledger.keyring.of(run.workspace_id)
        steps: dict[tuple[str, int], str] = {}
        async with aclosing(lines_of(address, keys, *run)) as batches:
            async for lines in batches:
                if any((each.step_key, each.iteration) not in steps for each in lines):
                    async with self._ledger.db.housekeeping(run.workspace_id) as tx:
                        steps = {at: step_id(*place) for at, place in (await queries.places_of(tx, run.run_id)).items()}
                self._deliver(run, Selected([_frame(run, line, steps) for line in lines]))


async def _ended(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _frame(run: Followed, line: LiveLine, steps: dict[tuple[str, int], str]) -> Frame:
    of_run = wire_id(run.run_id)
    data = {
        "runId": of_run,
        "stepId": steps.get((line.step_key, line.iteration)),
        "stepKey": line.step_key,
        "iteration": line.iteration,
        "attempt": line.attempt,
        "offset": line.offset,
        "level": line.level,
        "message": line.message,
    }
    frame = {
        "type": "run.log",
        "channel": f"runs:{of_run}",
        "seq": None,
        "at": iso_millis(line.at),
        "workspaceId": encode("ws", run.workspace_id),
        "data": data,
    }
    return Frame(None, "run.log", msgspec.json.encode(frame))
