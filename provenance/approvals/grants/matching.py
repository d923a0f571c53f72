"""What a grant covers: pure rules over a request and its payload."""

import operator
from collections.abc import Iterable, Mapping
from typing import Any

from provenance.approvals.grants.schemas import Operator, PayloadRule
from provenance.audit.schemas import Risk

_ORDER = tuple(Risk)
_NOTHING = object()
_COMPARE = {
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
}


def covers_risk(max_risk: str, risk: str) -> bool:
    """Tell whether a grant up to one risk covers another; critical is never covered."""
    found = Risk(risk)
    return found is not Risk.CRITICAL and _ORDER.index(found) <= _ORDER.index(Risk(max_risk))


def hold(rules: Iterable[PayloadRule], payload: Any) -> bool:
    """Tell whether every rule holds of a payload."""
    return all(holds(rule, payload) for rule in rules)


def holds(rule: PayloadRule, payload: Any) -> bool:
    """Tell whether a rule holds; one about what is not there, or can't be compared, does not."""
    found = _at(payload, rule.path)
    if found is _NOTHING:
        return False
    if rule.op is Operator.IN:
        return isinstance(rule.value, list) and any(_same(found, each) for each in rule.value)
    if rule.op in (Operator.EQ, Operator.NE):
        return _same(found, rule.value) is (rule.op is Operator.EQ)
    if not _comparable(found, rule.value):
        return False
    return bool(_COMPARE[rule.op](found, rule.value))


def _at(payload: Any, path: str) -> Any:
    found = payload
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return _NOTHING
        found = found[name]
    return found


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1, and 1 is 1.0."""
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    return bool(one == other)


def _comparable(one: Any, other: Any) -> bool:
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (one, other))
    return numbers or (isinstance(one, str) and isinstance(other, str))
