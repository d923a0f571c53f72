"""What a run holds in memory between two checkpoints; the next files say what is done with it."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from typing import Any

from provenance.core.clock import now_ns
from provenance.engine.schemas import Checkpoint, NewRun, OpenWait, StepRow, WaitRow
from provenance.ledger.service import Deed
from provenance.runs.activity import Activity, Slot
from provenance.runs.interpreting import Course, Park, Result, Verdict
from provenance.runs.loops import Loop
from provenance.runs.outbox import Asking, Outbox
from provenance.runs.running import Facts, Host
from provenance.workflows.plan import Plan, Step

AT_ONCE = 16
INLINE_STEPS = 64
UNKNOWN = "unknown"
"""The `ref` of a wait for people who are asked whether an effect is to be repeated."""


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


class InMemory(ABC):
    """The course of the run, what was begun and has not ended, what waits, and what is to be told."""

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

    @abstractmethod
    def advance(self) -> None:
        """Interpret until nothing goes on without the outside."""

    @abstractmethod
    def _carry(self, activity: Activity, result: Result | None) -> None:
        """Go on with an attempt whose call is made: apply its result, or begin the work outside where there is none."""

    @property
    def has_open_waits(self) -> bool:
        """Whether somebody may resolve a wait of this run while it is busy."""
        return bool(self._waits)

    @property
    def next_due(self) -> float | None:
        """When the next wait is due, by the loop's clock."""
        return min((due for _, due in self._waits.values() if due is not None), default=None)

    def _may_start(self, step: Step) -> bool:
        if step.kind in self.host.doers.inline:
            return not (self.host.inline_only and self._decided >= INLINE_STEPS)
        return not self.host.inline_only and self._acting < AT_ONCE

    def _activity(self, ticket: Ticket, attempt: int, place: int) -> Activity:
        return Activity(ticket.step, ticket.iteration, attempt, place, ticket.further, started_at=now_ns())

    def _open_wait(self, activity: Activity, park: Park) -> None:
        slot, run_id = activity.slot, self.facts.key.run_id
        due = None if park.seconds is None else asyncio.get_running_loop().time() + park.seconds
        row = WaitRow(run_id, slot.key, slot.iteration, park.kind.value, park.seconds, park.ref)
        asking = None
        if park.asks is not None:
            insists = park.ref == UNKNOWN or activity.step.kind != "approval"
            asking = Asking(activity.attempt, activity.place, activity.step.kind, park.asks, insists)
        self.out.open(slot, row, asking)
        wait = OpenWait(run_id, slot.key, slot.iteration, park.kind.value, park.seconds, park.ref, False, None)
        self._waits[slot] = (wait, due)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
