"""What can go wrong with an expression: when it is saved, and when it is evaluated."""

import re
from typing import Final

ITERATIONS: Final = 10_000
"""What the engine lets the loops of one evaluation do."""

_LOOPED: Final = "Iteration budget exceeded"
_ISSUE_AT_MOST: Final = 300

_FIRST = re.compile(r"<input>:(-?\d+):(-?\d+): (.*)")
_STATUS = re.compile(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$")
_OVERLOAD = re.compile(r"found no matching overload for '(.+)' applied to '(.*)'")
_OPERATOR = re.compile(r"^[_@]*([^\w\s]+|in)_?$")
_MISSING: Final = ("NOT_FOUND: Key not found", "UNKNOWN: No value with name", "UNKNOWN: Index error")
_EXPECTING = re.compile(r" expecting \{.*\}$")
_MIXED = re.compile(r"\(int, double\)|\(double, int\)")


class InvalidExpression(ValueError):
    """An expression that cannot be saved.

    `code` is one of `too_long`, `syntax_error`, `unknown_name`, `type_error`, `not_a_condition`,
    `too_complex`, `unbounded`; `issue` is a sentence; `position` is the offset of the fault in characters,
    where one is known.
    """

    def __init__(self, code: str, issue: str, position: int | None = None) -> None:
        super().__init__(issue)
        self.code = code
        self.issue = issue
        self.position = position


class ExpressionError(Exception):
    """An evaluation that gave neither true nor false.

    `missing` tells that the expression reads a key, an index or a variable that is not there: a filter takes
    that as "does not match", a step condition as a failure.
    """

    def __init__(self, issue: str, *, missing: bool = False) -> None:
        super().__init__(issue)
        self.issue = issue
        self.missing = missing


def from_compiler(message: str, source: str) -> InvalidExpression:
    """Read the compiler's report: its first finding, where it lies, and of what kind it is."""
    found = _FIRST.search(message)
    if found is None:
        text = _STATUS.sub("", message)
        return InvalidExpression(_kind(text), text[:_ISSUE_AT_MOST])
    line, column, text = int(found[1]), int(found[2]), _STATUS.sub("", found[3])
    position = None
    if line > 0 and column > 0:
        position = sum(len(each) + 1 for each in source.split("\n")[: line - 1]) + column - 1
    return InvalidExpression(_kind(text), _readable(text)[:_ISSUE_AT_MOST], position)


def from_evaluation(message: str) -> ExpressionError:
    """Read the evaluator's error text; where it is about a limit, name that."""
    text = _STATUS.sub("", message)
    if text == _LOOPED:
        text = f"the loops of the expression go round more often than they may: {ITERATIONS} times in all"
    return ExpressionError(text[:_ISSUE_AT_MOST], missing=message.startswith(_MISSING))


def _kind(text: str) -> str:
    if text.startswith("Syntax error"):
        return "syntax_error"
    if "recursion" in text or "node count" in text:
        return "too_complex"
    return "unknown_name" if text.startswith("undeclared reference") else "type_error"


def _readable(text: str) -> str:
    """Spell an operator as it is written, and say how numbers of two kinds are compared."""
    overload = _OVERLOAD.match(text)
    if overload is None:
        return _EXPECTING.sub("", text).removesuffix(" (in container '')")
    operator = _OPERATOR.match(overload[1])
    sentence = f"'{operator[1] if operator else overload[1]}' cannot be applied to {overload[2]}"
    if _MIXED.search(overload[2]):
        sentence += "; write both numbers alike (100.0) or wrap one in dyn()"
    return sentence
