"""The governance diff: what a version may touch, send, read or start, and what it asks approval for."""

import msgspec

from provenance.workflows.kinds import KINDS, Kinds, Power, Risk
from provenance.workflows.mapping import constants
from provenance.workflows.plan import Plan
from provenance.workflows.review.coverage import Rule, reaches

EVERY_EFFECT = Rule(Risk.LOW)


class Changes(msgspec.Struct, frozen=True):
    """What one plan may do that another may not, in words that fit a record: ``touch http https://host``."""

    gained: list[str]
    lost: list[str]
    gates_lost: list[str]


def words(power: Power) -> str:
    """Write a power in a line."""
    return f"{power.verb} {power.target_kind} {power.target}"


def powers_of(plan: Plan | None, kinds: Kinds = KINDS) -> dict[Power, list[str]]:
    """Return what a plan may do outside, and by which steps, in one order."""
    found: dict[Power, list[str]] = {}
    if plan is None:
        return {}
    for step in plan.steps:
        for power in kinds[step.kind].powers(constants(step.config, {"vars": plan.variables})):
            steps = found.setdefault(power, [])
            if step.key not in steps:
                steps.append(step.key)
    return dict(sorted(found.items()))


def asked_before(plan: Plan | None, kinds: Kinds = KINDS) -> dict[Power, bool]:
    """Tell of every power that is an effect whether each step that uses it stands behind an approval."""
    if plan is None:
        return {}
    escaping = {each.step: bool(each.path) for each in reaches(plan, EVERY_EFFECT, kinds)}
    found: dict[Power, bool] = {}
    for power, steps in powers_of(plan, kinds).items():
        effects = [key for key in steps if key in escaping]
        if effects:
            found[power] = not any(escaping[key] for key in effects)
    return found


def changes_of(before: Plan | None, after: Plan, kinds: Kinds = KINDS) -> Changes:
    """Compare two plans by what they may do; ``gates_lost``: what asked before and does not any more."""
    was, now = powers_of(before, kinds), powers_of(after, kinds)
    asked, asks = asked_before(before, kinds), asked_before(after, kinds)
    return Changes(
        gained=[words(power) for power in now if power not in was],
        lost=[words(power) for power in was if power not in now],
        gates_lost=[words(power) for power, gated in asked.items() if gated and asks.get(power) is False],
    )
