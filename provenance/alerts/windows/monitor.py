"""Firing and recovery of one group: a window's condition over time, held long enough not to flap.

An alert fires when the condition comes to hold. It recovers when the condition has not held for ``patience``, and what
comes to hold meanwhile keeps it firing. While it is silenced it fires unheard: if it still does when that ends, it is
told then; if it does not, neither its firing nor its recovery ever is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from provenance.alerts.windows.contract import Match, Pulse, Window


@dataclass(slots=True)
class Standing:
    """What is kept of one group. Times are nanoseconds since the epoch.

    ``at``: up to when time has passed. ``firing_since`` None: quiet. ``clear_at``: when it recovers, unless the
    condition holds again. ``told``: its firing was announced. ``amount`` and ``details``: what was found at last.
    """

    at: int
    memory: Any
    firing_since: int | None = None
    clear_at: int | None = None
    told: bool = False
    amount: int = 0
    details: Any = None


class Change(NamedTuple):
    """A firing or a recovery that is to be told: when it was, since when it fired, how much was found."""

    kind: Literal["firing", "recovered"]
    at: int
    since: int
    amount: int
    details: Any


@dataclass(frozen=True, slots=True)
class Monitor:
    """A window, and for how many nanoseconds an alert keeps firing after its condition held last."""

    window: Window
    patience: int

    def begin(self, at: int) -> Standing:
        """Return the standing of a group that is first heard of."""
        return Standing(at, self.window.begin(at))

    def hear(self, standing: Standing, match: Match, silent_until: int = 0) -> list[Change]:
        """Let time pass up to a match, then take it in; one of the past counts as of now."""
        match = match._replace(at=max(match.at, standing.at))
        changes = self.advance(standing, match.at, silent_until)
        pulse = self.window.hear(standing.memory, match)
        return changes + list(self._settled(standing, pulse, silent_until))

    def advance(self, standing: Standing, to: int, silent_until: int = 0) -> list[Change]:
        """Let time pass, from one moment at which something changes to the next."""
        changes: list[Change] = []
        while (moment := self.due(standing, silent_until)) is not None and moment <= to:
            standing.at = max(standing.at, moment)
            pulse = self.window.elapse(standing.memory, standing.at)
            changes += self._settled(standing, pulse, silent_until)
        standing.at = max(standing.at, to)
        pulse = self.window.elapse(standing.memory, standing.at)
        return changes + list(self._settled(standing, pulse, silent_until))

    def due(self, standing: Standing, silent_until: int = 0) -> int | None:
        """Return the next moment at which time alone changes anything; None when it never does."""
        moments = [self.window.next(standing.memory), standing.clear_at]
        if standing.firing_since is not None and not standing.told:
            moments.append(silent_until)
        return min((moment for moment in moments if moment is not None), default=None)

    def blank(self, standing: Standing) -> bool:
        """Tell whether nothing would be lost if the group were forgotten."""
        return standing.firing_since is None and self.window.blank(standing.memory)

    def _settled(self, standing: Standing, pulse: Pulse | None, silent_until: int) -> Iterator[Change]:
        """Draw the consequences at the moment up to which time has passed."""
        at = standing.at
        holds = self.window.holds(standing.memory, at)
        if holds or pulse is not None:
            self._found(standing, pulse)
        since = standing.firing_since
        if since is None:
            return
        if holds or pulse is not None or standing.clear_at is None:
            standing.clear_at = None if holds else at + self.patience
        if pulse is None and standing.clear_at is not None and standing.clear_at <= at:
            yield from self._recovered(standing, since)
        elif not standing.told and at >= silent_until:
            standing.told = True
            yield Change("firing", at, since, standing.amount, standing.details)

    @staticmethod
    def _recovered(standing: Standing, since: int) -> Iterator[Change]:
        if standing.told:
            yield Change("recovered", standing.at, since, standing.amount, standing.details)
        standing.firing_since = standing.clear_at = None
        standing.told = False

    def _found(self, standing: Standing, pulse: Pulse | None) -> None:
        standing.firing_since = standing.at if standing.firing_since is None else standing.firing_since
        if pulse is None:
            standing.amount = self.window.count(standing.memory, standing.at)
        else:
            standing.amount, standing.details = pulse.amount, pulse.told
