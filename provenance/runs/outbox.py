"""What a run has to tell with its next checkpoint: step rows, waits, entries, and effects that wait for the commit."""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from provenance.engine.schemas import Checkpoint, RunKey, State, Status, StepRow, WaitRow
from provenance.ledger.service import Deed
from provenance.runs.activity import Activity, Slot

Why = Literal["cancelled", "expired"]
"""How a wait for people ends without their answer."""


class Asking(NamedTuple):
    """A step that asks people: its attempt, its order in the run, its kind, and what it asks.

    ``insists``: people are to answer whatever the risk.
    """

    attempt: int
    place: int
    kind: str
    asks: dict[str, Any]
    insists: bool


class Outbox:
    """Collects until a checkpoint is made of it. ``urgent``: somebody waits for this to be on record."""

    def __init__(self, deeds: Iterable[Deed] = ()) -> None:
        """Take the entries that the first checkpoint brings."""
        self.steps: dict[tuple[str, int, int], StepRow] = {}
        self.opened: dict[Slot, WaitRow] = {}
        self.closed: set[Slot] = set()
        self.deeds: list[Deed] = list(deeds)
        self.intents: list[Activity] = []
        self.asks: dict[Slot, Asking] = {}
        self.withdrawn: dict[Slot, Why] = {}
        self.progress = False
        self.urgent = False

    def row(self, row: StepRow) -> None:
        """Add the newest state of an attempt."""
        self.steps[row.step_key, row.iteration, row.attempt] = row

    def open(self, slot: Slot, wait: WaitRow, asks: Asking | None) -> None:
        """Open a wait; what people are asked is made a request in the same commit."""
        self.opened[slot] = wait
        self.closed.discard(slot)
        if asks is not None:
            self.asks[slot] = asks

    def close(self, slot: Slot) -> None:
        """Close a wait that was seen to."""
        self.asks.pop(slot, None)
        if self.opened.pop(slot, None) is None:
            self.closed.add(slot)

    def withdraw(self, slot: Slot, why: Why) -> None:
        """Close a wait for people that they did not answer; what they were asked is ended in the same commit."""
        asked = self.asks.pop(slot, None)
        self.close(slot)
        if asked is None:
            self.withdrawn[slot] = why

    @property
    def concerns_people(self) -> bool:
        """Whether anything is to be asked of people, or not any more."""
        return bool(self.asks or self.withdrawn)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.steps or self.opened or self.closed or self.deeds or self.intents)

    def checkpoint(self, key: RunKey, *, epoch: int, seq: int, signal: int, state: State, status: Status) -> Checkpoint:
        """Make a checkpoint of everything."""
        return Checkpoint(
            key,
            epoch,
            seq,
            signal,
            state,
            status,
            progress=self.progress,
            steps=list(self.steps.values()),
            opened=list(self.opened.values()),
            closed=[(slot.key, slot.iteration) for slot in self.closed],
            deeds=list(self.deeds),
        )

    def take_back(self, earlier: "Outbox") -> None:
        """Put what was not committed before what has been collected since."""
        self.steps = {**earlier.steps, **self.steps}
        self.opened = {slot: wait for slot, wait in earlier.opened.items() if slot not in self.closed} | self.opened
        asked = {slot: asks for slot, asks in earlier.asks.items() if slot not in self.closed}
        self.asks = {**asked, **self.asks}
        self.withdrawn = {**earlier.withdrawn, **self.withdrawn}
        self.closed |= earlier.closed
        self.deeds = earlier.deeds + self.deeds
        self.intents = earlier.intents + self.intents
        self.progress = self.progress or earlier.progress
        self.urgent = True
