"""Which messages a subscription wants beyond their topic: a CEL condition, or rules over fields.

Both read ``topic``, ``payload`` and ``message`` (the envelope), as the filter of a workflow's event trigger does. A
condition that can't be evaluated on a message, because it asks for something the message hasn't got, doesn't hold.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from provenance.core.errors import Detail, Invalid
from provenance.expressions import ExpressionError, InvalidExpression, Type, compile_condition

SCOPE: Final = {"topic": Type.STRING, "payload": Type.ANY, "message": Type.ANY}
RULES = 32
OPS = ("eq", "ne", "gt", "lt", "in", "exists", "prefix")

Wants = Callable[[Mapping[str, Any]], bool]
"""Tells whether a message is wanted, by its ``topic``, ``payload`` and ``message``."""


class BadFilter(Invalid):
    """A filter is no CEL condition over topic, payload and message, nor rules over fields."""

    code = "bad_filter"


def wants_of(stored: str | list[dict[str, Any]]) -> Wants:
    """Return the predicate of a filter. Raises BadFilter."""
    return _condition(stored) if isinstance(stored, str) else _rules(stored)


def _condition(source: str) -> Wants:
    try:
        condition = compile_condition(source, SCOPE)
    except InvalidExpression as error:
        detail: Detail = {"path": "filter", "issue": str(error)}
        raise BadFilter(f"filter: {error}", details=[detail]) from None

    def wanted(values: Mapping[str, Any]) -> bool:
        try:
            return condition.holds(values)
        except ExpressionError:
            return False

    return wanted


def _rules(rules: list[dict[str, Any]]) -> Wants:
    tests = [_rule(place, rule) for place, rule in enumerate(rules)]
    return lambda values: all(test(values) for test in tests)


def _rule(place: int, rule: dict[str, Any]) -> Wants:
    path, op, value = rule["path"].split("."), rule["op"], rule.get("value")
    if path[0] not in SCOPE:
        path = ["payload", *path]
    if op == "in" and not isinstance(value, list):
        raise BadFilter.at(f"filter[{place}].value", "must be a list for the operator in")
    if op == "prefix" and not isinstance(value, str):
        raise BadFilter.at(f"filter[{place}].value", "must be a text for the operator prefix")
    return lambda values: _holds(op, _found(values, path), value)


_MISSING: Final = object()


def _found(values: Mapping[str, Any], path: list[str]) -> Any:
    """Return what stands at a path; a list is entered by an index."""
    found: Any = values
    for part in path:
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return _MISSING
    return found


def _holds(op: str, found: Any, value: Any) -> bool:
    if op == "exists":
        return (found is not _MISSING) == (value is not False)
    if found is _MISSING:
        return op == "ne"
    if op == "eq":
        return _same(found, value)
    if op == "ne":
        return not _same(found, value)
    if op == "in":
        return any(_same(found, each) for each in value)
    if op == "prefix":
        return isinstance(found, str) and found.startswith(value)
    return _ordered(found, value) and (found > value if op == "gt" else found < value)


def _same(one: Any, other: Any) -> bool:
    """Compare as JSON does: true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _ordered(one: Any, other: Any) -> bool:
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (one, other))
    return numbers or (isinstance(one, str) and isinstance(other, str))
