"""Matches that are not without another one, before them or after them, of the same unit of work or the like."""

from dataclasses import dataclass
from typing import Any

from provenance.alerts.windows.contract import Match, Pulse

WAITING = 100
"""Matches of one group that wait for the other one at once; more of them are not counted."""

Memory = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Before:
    """Finds a match that has no other one in the ``within`` nanoseconds before it.

    Matches of the first ``within`` after ``since`` are let through: what was before is not known.
    """

    within: int
    since: int

    def begin(self, at: int) -> Memory:
        """Return the memory of a group without any."""
        return {"other": None}

    def hear(self, memory: Memory, match: Match) -> Pulse | None:
        """Look for the other one; a row that is both can't stand in for it."""
        alone = match.own and memory["other"] is None and match.at >= self.since + self.within
        if match.other:
            memory["other"] = match.at
        return Pulse(1, {}) if alone else None

    def elapse(self, memory: Memory, at: int) -> Pulse | None:
        """Forget the other one when it is too long ago."""
        if memory["other"] is not None and memory["other"] + self.within <= at:
            memory["other"] = None
        return None

    def holds(self, memory: Memory, at: int) -> bool:
        """Tell nothing: it is found at one moment."""
        return False

    def next(self, memory: Memory) -> int | None:
        """Return when the other one is forgotten."""
        return None if memory["other"] is None else memory["other"] + self.within

    def blank(self, memory: Memory) -> bool:
        """Tell whether nothing is remembered."""
        return memory["other"] is None

    def count(self, memory: Memory, at: int) -> int:
        """Return nothing: what was found was told when it was."""
        return 0


@dataclass(frozen=True, slots=True)
class After:
    """Finds a match that no other one followed within ``within`` nanoseconds."""

    within: int

    def begin(self, at: int) -> Memory:
        """Return the memory of a group without any."""
        return {"waiting": []}

    def hear(self, memory: Memory, match: Match) -> Pulse | None:
        """Let the other one settle what waits for it; a row that is both can't stand in for it."""
        if match.other:
            memory["waiting"] = []
        if match.own and len(memory["waiting"]) < WAITING:
            memory["waiting"].append(match.at + self.within)
        return None

    def elapse(self, memory: Memory, at: int) -> Pulse | None:
        """Give up waiting where the time is over."""
        alone = sum(1 for until in memory["waiting"] if until <= at)
        memory["waiting"] = memory["waiting"][alone:]
        return Pulse(alone, {}) if alone else None

    def holds(self, memory: Memory, at: int) -> bool:
        """Tell nothing: it is found at one moment."""
        return False

    def next(self, memory: Memory) -> int | None:
        """Return when waiting for the other one ends first."""
        return memory["waiting"][0] if memory["waiting"] else None

    def blank(self, memory: Memory) -> bool:
        """Tell whether nothing waits."""
        return not memory["waiting"]

    def count(self, memory: Memory, at: int) -> int:
        """Return how many wait."""
        return len(memory["waiting"])
