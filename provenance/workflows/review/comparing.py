"""Two plans side by side, as a review shows them."""

from collections.abc import Mapping
from typing import Any, TypeVar

from provenance.workflows.plan import Plan, Step
from provenance.workflows.review.coverage import Gate, Reach, gates_of
from provenance.workflows.review.powers import asked_before, powers_of
from provenance.workflows.review.schemas import (
    Change,
    CoverageShown,
    EdgeShown,
    GateShown,
    Graph,
    PowerShown,
    RiskWord,
    StepShown,
)

K = TypeVar("K")


def merged(before: Mapping[K, Any], after: Mapping[K, Any]) -> dict[K, Change]:
    """Tell of each key of either side what became of it; those that are gone come last."""
    found: dict[K, Change] = {
        key: "added" if key not in before else "same" if before[key] == value else "changed"
        for key, value in after.items()
    }
    return found | {key: "removed" for key in before if key not in after}


def graph(before: Plan | None, after: Plan | None) -> Graph:
    """Draw both plans in one graph; layout and names are no change."""
    steps = [{step.key: step for step in plan.steps} if plan else {} for plan in (before, after)]
    edges = [_edges(plan) for plan in (before, after)]
    changes = merged(*({key: _rules(step) for key, step in each.items()} for each in steps))
    either = steps[0] | steps[1]
    return Graph(
        steps=[
            StepShown(key=key, kind=either[key].kind, name=either[key].name, change=change)
            for key, change in changes.items()
        ],
        edges=[
            EdgeShown(source=source, target=target, on=on, change=change)
            for (source, target, on), change in merged(*edges).items()
        ],
    )


def _rules(step: Step) -> dict[str, Any]:
    return {name: value for name, value in step.written.items() if name not in ("position", "name")}


def _edges(plan: Plan | None) -> dict[tuple[str, str, str], str | None]:
    if plan is None:
        return {}
    return {(e.source, e.target, e.written): None if e.when is None else e.when.source for e in plan.edges}


def powers(before: Plan | None, after: Plan | None) -> list[PowerShown]:
    """List what either plan may do outside."""
    was, now = powers_of(before), powers_of(after)
    asked, asks = asked_before(before), asked_before(after)
    return [
        PowerShown(
            verb=power.verb,
            target_kind=power.target_kind,
            target=power.target,
            steps=now.get(power) or was[power],
            change=change,
            asks=asks.get(power),
            asked=asked.get(power),
        )
        for power, change in merged(dict.fromkeys(was), dict.fromkeys(now)).items()
    ]


def gates(before: Plan | None, after: Plan | None) -> list[GateShown]:
    """List the gates of either plan."""
    was, now = _gates(before), _gates(after)
    return [_gate(now.get(key) or was[key], change) for key, change in merged(was, now).items()]


def _gates(plan: Plan | None) -> dict[str, Gate]:
    return {gate.step: gate for gate in gates_of(plan)} if plan else {}


def _gate(gate: Gate, change: Change) -> GateShown:
    return GateShown(
        step=gate.step,
        risk=_word(gate.risk.word),
        by=list(gate.by),
        required_approvals=gate.approvals,
        hollow=gate.hollow,
        change=change,
    )


def coverage(reach: Reach) -> CoverageShown:
    """Show how an effect is reached."""
    return CoverageShown(
        step=reach.step,
        risk=_word(reach.risk.word),
        covered=not reach.path,
        gates=list(reach.gates),
        path=list(reach.path),
        sentence=reach.sentence,
    )


def _word(word: str) -> RiskWord:
    return word  # type: ignore[return-value]
