"""What a target is: something that takes a batch of events and acknowledges it, or says why not."""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from provenance.audit.schemas import Event
from provenance.core.addresses import EgressError


class NotDelivered(Exception):
    """The batch was not acknowledged. ``retry_after``: seconds that the target asked for."""

    def __init__(self, said: str, *, retry_after: float | None = None) -> None:
        self.said = said
        self.retry_after = retry_after
        super().__init__(said)


class Rejected(NotDelivered):
    """The target does not take this batch; a smaller one may show which event it does not take."""


FAILURES = (NotDelivered, EgressError, OSError)
"""What a delivery raises when the other side, or the way to it, fails."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in order, never none, of one workspace (its ``slug``), and the stream's own id as text."""

    stream: str
    workspace: str
    events: list[Event]

    @property
    def first(self) -> int:
        """The number of the first event."""
        return self.events[0].seq

    @property
    def last(self) -> int:
        """The number of the last event."""
        return self.events[-1].seq

    @property
    def name(self) -> str:
        """The same for the same range: ``<first>-<last>``, twenty digits each, so that names sort by number."""
        return f"{self.first:020d}-{self.last:020d}"


class Receipt(NamedTuple):
    """The target's acknowledgement in a sentence; ``refused`` counts events that it took and threw away."""

    said: str
    refused: int = 0


class Target(Protocol):
    """One configured place that events go to."""

    async def deliver(self, batch: Batch) -> Receipt:
        """Send a batch and wait for its acknowledgement. Raises one of `FAILURES`."""
        ...


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secret values of a target by name, opened for as long as a delivery takes."""

    values: dict[str, str] = field(default_factory=dict, repr=False)

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    def without(self, text: str) -> str:
        """Return a text of the target with every secret in it blotted out, and no longer than a line or three."""
        for value in sorted(self.values.values(), key=len, reverse=True):
            if value:
                text = text.replace(value, "•••")
        return " ".join(text.split())[:300]
