"""Counting matches in a window that moves: at least so many, or fewer than so many.

The window is counted in five hundredths of its length, so that a memory has at most 500 entries however many match:
a match counts until between 499 and 500 of them have passed.
"""

from dataclasses import dataclass
from typing import Any

from provenance.alerts.windows.contract import Match, Pulse

SLOTS = 500

Memory = dict[str, Any]
"""``slots``: pairs of a slot's number and its matches, ascending, no more than matter; ``begun``: nanoseconds."""


@dataclass(frozen=True, slots=True)
class _Tally:
    """``within`` in nanoseconds, a multiple of 500; ``need``: the number of matches it is about."""

    within: int
    need: int

    def begin(self, at: int) -> Memory:
        """Return a memory of nothing."""
        return {"begun": at, "slots": []}

    def hear(self, memory: Memory, match: Match) -> Pulse | None:
        """Count a match; matches beyond those that decide are forgotten, the oldest first."""
        slots, slot = memory["slots"], match.at // self._length
        if slots and slots[-1][0] == slot:
            slots[-1][1] += 1
        else:
            slots.append([slot, 1])
        total, spare = self._total(memory), 0
        while total - slots[spare][1] >= self.need:
            total -= slots[spare][1]
            spare += 1
        del slots[:spare]
        return None

    def elapse(self, memory: Memory, at: int) -> Pulse | None:
        """Forget the matches that have left the window."""
        last = at // self._length - SLOTS
        memory["slots"] = [each for each in memory["slots"] if each[0] > last]
        return None

    def count(self, memory: Memory, at: int) -> int:
        """Return the matches in the window, as far as they are kept: up to ``need``, and a slot's worth."""
        return self._total(memory)

    @property
    def _length(self) -> int:
        return self.within // SLOTS

    @staticmethod
    def _total(memory: Memory) -> int:
        return sum(each[1] for each in memory["slots"])

    def _leaves(self, slot: int) -> int:
        """Return the moment at which a slot's matches leave the window."""
        return (slot + SLOTS) * self._length


class Many(_Tally):
    """Holds while at least ``need`` matches are in the window."""

    __slots__ = ()

    def holds(self, memory: Memory, at: int) -> bool:
        """Tell whether there are as many."""
        return self._total(memory) >= self.need

    def next(self, memory: Memory) -> int | None:
        """Return when there are fewer than needed; where there are, when the last of them leaves."""
        slots = memory["slots"]
        if not slots:
            return None
        return self._leaves(slots[0 if self._total(memory) >= self.need else -1][0])

    def blank(self, memory: Memory) -> bool:
        """Tell whether the window is empty."""
        return not memory["slots"]


class Fewer(_Tally):
    """Holds while fewer than ``need`` matches are in the window, once it was looked at for its whole length."""

    __slots__ = ()

    def holds(self, memory: Memory, at: int) -> bool:
        """Tell whether there are fewer."""
        return at >= memory["begun"] + self.within and self._total(memory) < self.need

    def next(self, memory: Memory) -> int | None:
        """Return when there are fewer than needed, or when the first whole window is over."""
        begun = memory["begun"] + self.within
        if self._total(memory) >= self.need:
            leaves: int = max(begun, self._leaves(memory["slots"][0][0]))
            return leaves
        return None if memory.get("whole") else int(begun)

    def elapse(self, memory: Memory, at: int) -> Pulse | None:
        """Forget the matches that have left the window, and note when it was looked at for its whole length."""
        memory["whole"] = at >= memory["begun"] + self.within
        return super().elapse(memory, at)

    def blank(self, memory: Memory) -> bool:
        """Tell that something would be lost: that nothing comes is what it is about."""
        return False
