"""The types a variable can be declared with, and how a JSON value becomes one of them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from provenance.expressions.errors import ExpressionError


class Type(StrEnum):
    """The declared type of a variable.

    `NUMBER` is an int or a double, to be compared with either; `INT` and `DOUBLE` are held to their own kind
    by the checker. `MAP` has text keys. `ANY` is free JSON, looked into at evaluation only. `TIMESTAMP` is
    an aware datetime, `DURATION` a timedelta.
    """

    ANY = "any"
    BOOL = "bool"
    DOUBLE = "double"
    DURATION = "duration"
    INT = "int"
    LIST = "list"
    MAP = "map"
    NUMBER = "number"
    STRING = "string"
    TIMESTAMP = "timestamp"


def typed(value: Any) -> Any:
    """The JSON value with integral numbers as int and the rest as double: 750, 750.0 and 7.5e2 are one."""
    kind = type(value)
    if kind is str:
        return checked_text(value)
    if kind is float:
        return int(value) if value.is_integer() and abs(value) < 2**63 else value
    if kind is dict:
        return {checked_text(name): typed(member) for name, member in value.items()}
    if kind is list or kind is tuple:
        return [typed(item) for item in value]
    return value


def text_of_time(found: Any) -> str:
    """Write an aware datetime as RFC 3339 in UTC, a timedelta as seconds: ``90s``, ``0.5s``."""
    if isinstance(found, datetime):
        text = found.isoformat()
        return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
    if isinstance(found, timedelta):
        seconds = found.total_seconds()
        return f"{int(seconds) if seconds.is_integer() else seconds}s"
    raise ExpressionError(f"the result is a {type(found).__name__}, which JSON cannot hold")


def checked_text(value: Any) -> Any:
    """The text as it is; one with U+0000 is refused: the engine would compare only what stands before it."""
    if isinstance(value, str) and "\x00" in value:
        raise ExpressionError("a text with the character U+0000 cannot be compared")
    return value


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ExpressionError(f"a number was expected, not {type(value).__name__}")
    number: int | float = typed(value)
    return number


def _int(value: Any) -> int:
    number = _number(value)
    if isinstance(number, float):
        raise ExpressionError("an integer was expected, not a fraction")
    return number


def _as_given(value: Any) -> Any:
    return value


READ_AS: Final[dict[Type, Callable[[Any], Any]]] = {
    Type.ANY: typed,
    Type.BOOL: _as_given,
    Type.DOUBLE: lambda value: float(_number(value)),
    Type.DURATION: _as_given,
    Type.INT: _int,
    Type.LIST: typed,
    Type.MAP: typed,
    Type.NUMBER: _number,
    Type.STRING: checked_text,
    Type.TIMESTAMP: _as_given,
}
"""How the value of a variable is handed to the evaluator, which checks the types given as they are."""
