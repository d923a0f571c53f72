"""Silence: no match for so long."""

from dataclasses import dataclass
from typing import Any

from provenance.alerts.windows.contract import Match, Pulse
from provenance.core.clock import NANOS

Memory = dict[str, Any]
"""``last``: when the last match was, or the group's beginning."""


@dataclass(frozen=True, slots=True)
class Absence:
    """Holds when there was no match for ``within`` nanoseconds."""

    within: int

    def begin(self, at: int) -> Memory:
        """Return the memory of a group that nothing was heard of yet."""
        return {"last": at}

    def hear(self, memory: Memory, match: Match) -> Pulse | None:
        """Note that something was heard."""
        memory["last"] = match.at
        memory["silent"] = False
        return None

    def elapse(self, memory: Memory, at: int) -> Pulse | None:
        """Note whether it has been silent for too long."""
        memory["silent"] = self.holds(memory, at)
        return None

    def holds(self, memory: Memory, at: int) -> bool:
        """Tell whether it has been silent for too long."""
        return bool(at >= memory["last"] + self.within)

    def next(self, memory: Memory) -> int | None:
        """Return when it will have been silent for too long; None when it has."""
        return None if memory.get("silent") else memory["last"] + self.within

    def blank(self, memory: Memory) -> bool:
        """Tell that something would be lost: who was heard once is listened for."""
        return False

    def count(self, memory: Memory, at: int) -> int:
        """Return the seconds of silence."""
        return int((at - memory["last"]) // NANOS)
