"""What carries out each kind of step: `Doers` finds it by the kind's name."""

from collections.abc import Iterable, Mapping

from provenance.runs.doers.contract import Call, Inline, Outside
from provenance.runs.doers.inline import Approval, Logic, Trigger, Wait

__all__ = ["BASE_KINDS", "Call", "Doers", "Inline", "Outside"]

BASE_KINDS = frozenset({"trigger", "logic", "wait", "approval", "data", "action", "workflow"})
"""Kinds that every worker carries out; a run that uses others says so, and waits for a worker that has them."""


class Doers:
    """The kinds that this process carries out."""

    def __init__(self, outside: Mapping[str, Outside]) -> None:
        """Take those that reach outside; a server hands none, its runs go on in a worker there."""
        self.inline: dict[str, Inline] = {
            "trigger": Trigger(),
            "logic": Logic(),
            "wait": Wait(),
            "approval": Approval(),
        }
        self.outside = dict(outside)

    @property
    def kinds(self) -> list[str]:
        """Every kind there is one for."""
        return sorted({*self.inline, *self.outside})


def needs(kinds: Iterable[str]) -> list[str] | None:
    """Return the kinds that not every worker has; None when there are none."""
    return sorted(set(kinds) - BASE_KINDS) or None
