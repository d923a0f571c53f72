"""Gate coverage: does every path to an effect lead through an approval?

The check is on the safe side: an edge counts as a way whatever its conditions are, and a gate counts only where it
asks people and its approval is what opens the way. A path that it names may be one that no run ever takes.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from provenance.workflows import graph
from provenance.workflows.kinds import KINDS, Kinds, Risk
from provenance.workflows.plan import On, Plan, Step


class Rule(msgspec.Struct, frozen=True):
    """No path reaches an effect of at least this risk without an approval by somebody (``kind:id``; None: anybody).

    ``defaults`` are the workspace's own approvers, who are asked where a gate names nobody.
    """

    risk: Risk
    by: str | None = None
    defaults: tuple[str, ...] = ()


class Gate(msgspec.Struct, frozen=True):
    """An approval step: whom it asks, and why it is none for the check, where it is not."""

    step: str
    risk: Risk
    by: tuple[str, ...]
    approvals: int | None
    hollow: str | None


class Reach(msgspec.Struct, frozen=True):
    """An effect, the gates before it, and a path to it that passes none; an empty path where there is none."""

    step: str
    risk: Risk
    gates: tuple[str, ...]
    path: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The finding in words."""
        if not self.path:
            return f"{self.step} ({self.risk.word} risk) is reached through an approval only"
        return f"{self.step} ({self.risk.word} risk) is reached without an approval: {' → '.join(self.path)}"


def gates_of(plan: Plan, kinds: Kinds = KINDS) -> list[Gate]:
    """Return the approval steps of a plan."""
    return [_gate(step) for step in plan.steps if kinds[step.kind].is_gate]


def _gate(step: Step) -> Gate:
    config: Mapping[str, Any] = step.config.source()
    asked = tuple(f"{each['kind']}:{each['id']}" for each in config.get("assignees", ()))
    return Gate(step.key, Risk.of(config["risk"]), asked, config.get("requiredApprovals"), _hollow(step, config))


def _hollow(step: Step, config: Mapping[str, Any]) -> str | None:
    """Say why a gate opens without anybody's approval, if it may."""
    if config["risk"] == "low":
        return "low risk is approved by itself"
    if config.get("onBreach") == "approve":
        return "a delay approves it"
    if step.on_error == "continue":
        return "the run goes on when it fails"
    if step.for_each is not None:
        return "it asks once for each item, and not at all when there is none"
    return None


def _opens(gate: Gate, rule: Rule) -> bool:
    if gate.hollow is not None:
        return False
    return rule.by is None or rule.by in (gate.by or rule.defaults)


def reaches(plan: Plan, rule: Rule, kinds: Kinds = KINDS) -> list[Reach]:
    """Tell of every effect of the rule's risk whether a path escapes the gates the rule asks for."""
    gates = {gate.step for gate in gates_of(plan, kinds) if _opens(gate, rule)}
    # Leaving a gate by its success is being approved; by a rejection, an error or "always" it is not.
    unasked = [(e.source, e.target) for e in plan.edges if not (e.source in gates and e.on is On.SUCCESS)]
    forward = graph.arcs([step.key for step in plan.steps], unasked)
    starts = [trigger.key for trigger in plan.triggers]
    return [
        Reach(
            step.key,
            step.risk,
            tuple(gate for gate in reversed(step.gates) if gate in gates),
            tuple(graph.path(forward, starts, step.key)),
        )
        for step in plan.steps
        if step.effect and step.risk >= rule.risk
    ]


def uncovered(plan: Plan, rule: Rule, kinds: Kinds = KINDS) -> list[Reach]:
    """Return the effects that a path reaches without the approval that the rule asks for."""
    return [each for each in reaches(plan, rule, kinds) if each.path]
