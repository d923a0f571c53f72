"""What every kind of window is: a way to remember matches, and to tell from that whether its condition holds."""

from typing import Any, NamedTuple, Protocol


class Match(NamedTuple):
    """A row that concerns a group: when (nanoseconds since the epoch), and what the window reads of it.

    ``sequence`` is the producer's number. ``other`` tells that the row is what others may not be without; ``own`` that
    it satisfies the rule itself. Both may be true.
    """

    at: int
    own: bool = True
    other: bool = False
    sequence: int | None = None


class Pulse(NamedTuple):
    """Something found at one moment, that does not last: how much of it, and what is told besides."""

    amount: int
    told: dict[str, Any]


class Window(Protocol):
    """One kind of window with its numbers; a memory is a JSON value, new for each group.

    Time never runs back: the moments handed over are at least those handed over before.
    """

    def begin(self, at: int) -> Any:
        """Return the memory of a group that is first heard of at ``at``."""
        ...

    def hear(self, memory: Any, match: Match) -> Pulse | None:
        """Take a match in; what is found by that alone is returned."""
        ...

    def elapse(self, memory: Any, at: int) -> Pulse | None:
        """Let time pass up to ``at``; what is found by that alone is returned."""
        ...

    def holds(self, memory: Any, at: int) -> bool:
        """Tell whether the condition holds at ``at``, up to which time has passed."""
        ...

    def next(self, memory: Any) -> int | None:
        """Return the next moment at which time alone changes anything; None when it never does."""
        ...

    def blank(self, memory: Any) -> bool:
        """Tell whether nothing would be lost if the memory were."""
        ...

    def count(self, memory: Any, at: int) -> int:
        """Return how much was found, for people: matches in the window, seconds of silence."""
        ...
