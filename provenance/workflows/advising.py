"""Advice on a definition that may be published all the same (spec/automation.md, 6.4).

Arithmetic over values of unknown kind, a look into the output of a step that may have been skipped, and the run's
original input behind an approval that lets people change it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from provenance.expressions import Expression
from provenance.workflows.mapping import Exactly, ListOf, MapOf, Node, Text, expressions_of
from provenance.workflows.plan import Step
from provenance.workflows.problems import Problem
from provenance.workflows.skipping import Skipping

_OUTPUT: Final = re.compile(r"^(?:steps\.(\w+)\.output|approval\.(\w+)\.payload)$")

Placed = tuple[str, Expression]
"""An expression and its path."""


def placed(node: Node | None, at: str) -> Iterator[Placed]:
    """Walk the expressions of a mapping with their paths."""
    if isinstance(node, Exactly):
        yield at, node.expression
    elif isinstance(node, Text):
        yield from ((at, part) for part in node.parts if isinstance(part, Expression))
    elif isinstance(node, ListOf):
        for number, item in enumerate(node.items):
            yield from placed(item, f"{at}[{number}]")
    elif isinstance(node, MapOf):
        for name, member in node.members:
            yield from placed(member, f"{at}.{name}")


def placed_in_step(step: Step) -> Iterator[Placed]:
    """Walk every expression of a step with its path."""
    at = f"steps[{step.index}]"
    yield from placed(step.config, f"{at}.config")
    yield from ((f"{at}.config.{path}", condition) for path, condition in step.conditions.items())
    yield from placed(step.input, f"{at}.input")
    if step.for_each is not None:
        yield from placed(step.for_each.items, f"{at}.forEach.items")


def of_kinds(expressions: Iterable[Placed]) -> Iterator[Problem]:
    """Arithmetic whose kind only a run tells: 750 is an int and 750.5 a double, and the two don't add."""
    for path, expression in expressions:
        for advice in expression.study.advice:
            where = "" if advice.at is None else f" (at character {advice.at + 1})"
            yield Problem(path, advice.code, advice.issue + where)


def of_skipped(expressions: Iterable[Placed], at: str | None, skipping: Skipping) -> Iterator[Problem]:
    """A member of an output that is null when its step was skipped; ``at`` is where the expressions stand."""
    for path, expression in expressions:
        study = expression.study
        for name in sorted(study.opened - study.tested):
            found = _OUTPUT.match(name)
            key = found and (found[1] or found[2])
            if key and f"steps.{key}.status" not in expression.reads and not skipping.certain(key, at):
                issue = f"{key} may have been skipped, and {name} is null then: read it with .? and orValue()"
                yield Problem(path, "maybe_skipped", issue)


def of_edited(step: Step, by_key: Mapping[str, Step]) -> Iterator[Problem]:
    """The run's input where people may have changed it in an approval before: the step gets what it was at first.

    A step that reads what was approved knows of it.
    """
    if not step.gates:
        return
    gate = step.gates[0]
    found = list(placed_in_step(step))
    if any(name.startswith((f"approval.{gate}.", f"steps.{gate}.")) for _, each in found for name in each.reads):
        return
    shown = _payload_paths(by_key[gate]) if gate in by_key else set()
    for path, expression in found:
        read = [each for each in sorted(expression.study.paths) if each[0] == "input"]
        for each in read:
            if any(_overlap(each, other) for other in shown):
                issue = f"{'.'.join(each)} is the original input; what {gate} approved is in approval.{gate}.payload"
                yield Problem(path, "before_approval", issue)
                break


def _payload_paths(gate: Step) -> set[tuple[str, ...]]:
    """What of the input people see in a gate's payload, and may change."""
    members: dict[str, Any] = dict(gate.config.members) if isinstance(gate.config, MapOf) else {}
    node = members.get("payload", gate.input)
    if node is None:
        config = gate.config.source()
        return set() if "payload" in config else {("input",)}
    return {path for each in expressions_of(node) for path in each.study.paths if path[0] == "input"}


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]
