"""Numbers that a producer gives one after another, and those that are missing among them."""

from dataclasses import dataclass
from typing import Any

from provenance.alerts.windows.contract import Match, Pulse

RANGES = 100
"""Ranges of missing numbers that are waited for at once; beyond these the oldest counts as lost."""
RANGES_TOLD = 10

Memory = dict[str, Any]
"""``next``: the number after the highest one seen; ``missing``: first, last and until when each range may come."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """Finds numbers that did not come within ``within`` nanoseconds after a higher one.

    The first number that is seen is where counting begins; one that is neither missing nor higher is a repeat.
    """

    within: int

    def begin(self, at: int) -> Memory:
        """Return the memory of a producer of whom no number was seen."""
        return {"next": None, "missing": [], "lost": 0}

    def hear(self, memory: Memory, match: Match) -> Pulse | None:
        """Take a number in."""
        number = match.sequence
        assert number is not None, "a match of a sequence has its number"
        expected = memory["next"]
        if expected is None or number == expected:
            memory["next"] = number + 1
        elif number > expected:
            memory["missing"].append([expected, number - 1, match.at + self.within])
            memory["next"] = number + 1
        else:
            _arrive(memory, number)
        surplus = len(memory["missing"]) - RANGES
        return self._lose(memory, memory["missing"][:surplus]) if surplus > 0 else None

    def elapse(self, memory: Memory, at: int) -> Pulse | None:
        """Give up the numbers whose time is over."""
        late = [each for each in memory["missing"] if each[2] <= at]
        return self._lose(memory, late) if late else None

    def holds(self, memory: Memory, at: int) -> bool:
        """Tell nothing: a lost number is found at one moment."""
        return False

    def next(self, memory: Memory) -> int | None:
        """Return when the next number counts as lost."""
        return min((each[2] for each in memory["missing"]), default=None)

    def blank(self, memory: Memory) -> bool:
        """Tell that something would be lost: what the next number is."""
        return False

    def count(self, memory: Memory, at: int) -> int:
        """Return how many numbers were lost."""
        return int(memory["lost"])

    @staticmethod
    def _lose(memory: Memory, ranges: list[list[int]]) -> Pulse:
        memory["missing"] = [each for each in memory["missing"] if each not in ranges]
        lost = sum(last - first + 1 for first, last, _ in ranges)
        memory["lost"] += lost
        return Pulse(lost, {"missing": [each[:2] for each in ranges[:RANGES_TOLD]]})


def _arrive(memory: Memory, number: int) -> None:
    """Take a number that came late out of what is missing."""
    left: list[list[int]] = []
    for first, last, until in memory["missing"]:
        if first <= number <= last:
            left += [part for part in ([first, number - 1, until], [number + 1, last, until]) if part[0] <= part[1]]
        else:
            left.append([first, last, until])
    memory["missing"] = left
