"""The functions that expressions have beside the standard ones: pure, bounded, the same in every process.

An error that one of them raises is an error of the evaluation, with its text. The engine hands arguments over as plain
Python values; an optional value would end the process there, so `bounds` refuses those beforehand.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import product
from typing import Any, Final

import msgspec
from cel_expr_python import cel

from provenance.expressions.durations import Length, moved, read_length, read_moment
from provenance.expressions.types import text_of_time, typed

TEXT_BYTES: Final = 1 << 20
"""Longest JSON text that is read or written."""
CHOICES: Final = 8
"""Most arguments of `coalesce`."""
HEAVY: Final = frozenset(["parseJson", "toJson", "sha256"])
"""Functions that go through the whole of their argument."""
OWN: Final = HEAVY | {"coalesce", "addDuration"}
"""All of them, by name."""

_INT64: Final = range(-(2**63), 2**63)


def coalesce(*values: Any) -> Any:
    """Return the first value that is not null; null when there is none."""
    return next((value for value in values if value is not None), None)


def parse_json(text: str) -> Any:
    """Read a JSON text; integral numbers become integers, as everywhere. Raises ValueError."""
    if len(text) > TEXT_BYTES or len(text.encode()) > TEXT_BYTES:
        raise ValueError(f"parseJson reads a text of at most {TEXT_BYTES} bytes")
    try:
        return _within_int64(typed(msgspec.json.decode(text)))
    except msgspec.DecodeError as error:
        raise ValueError(f"parseJson: {error}") from None
    except RecursionError:
        raise ValueError("parseJson: the text is nested too deep") from None


def _within_int64(value: Any) -> Any:
    """An integer beyond 64 bits is a double, as in any other JSON reader of the language."""
    if type(value) is int:
        return value if value in _INT64 else float(value)
    if type(value) is list:
        return [_within_int64(item) for item in value]
    if type(value) is dict:
        return {name: _within_int64(member) for name, member in value.items()}
    return value


def to_json(value: Any) -> str:
    """Write a value as JSON without blanks, members by name: equal values give equal texts. Raises ValueError."""
    try:
        text = json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    except RecursionError:
        raise ValueError("toJson: the value is nested too deep") from None
    if len(text) > TEXT_BYTES or len(text.encode()) > TEXT_BYTES:
        raise ValueError(f"toJson writes a text of at most {TEXT_BYTES} bytes")
    return text


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if value - value != 0:
            raise ValueError("toJson: JSON has no infinite number, and none that is not one")
        return int(value) if value.is_integer() and abs(value) < 1e21 else value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_name(name): _plain(member) for name, member in value.items()}
    if isinstance(value, bytes | bytearray):
        return b64encode(value).decode()
    if isinstance(value, datetime | timedelta):
        return text_of_time(value)
    raise ValueError("toJson: a type is no value that JSON can hold")


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise ValueError("toJson: an object has a name that is no text")
    return name


def digest(value: str | bytes | bytearray) -> str:
    """Return the SHA-256 of a text (in UTF-8) or of bytes, in lower-case hex."""
    return sha256(value.encode() if isinstance(value, str) else value).hexdigest()


def add_duration(moment: datetime | str, length: timedelta | str) -> datetime:
    """Return the moment that much later. Raises ValueError."""
    begin = read_moment(moment) if isinstance(moment, str) else moment
    return moved(begin, read_length(length) if isinstance(length, str) else Length(0, length))


def _declared(name: str, impl: Callable[..., Any], gives: Any, *signatures: Sequence[Any]) -> Any:
    """Declare a function with one overload for each list of parameters."""
    overloads = [
        cel.Overload(f"{name.lower()}_{number}", return_type=gives, parameters=list(parameters), impl=impl)
        for number, parameters in enumerate(signatures)
    ]
    return cel.FunctionDecl(name, overloads)


_T: Final = cel.Type

EXTENSION: Final = cel.CelExtension(
    "provenance",
    [
        _declared("coalesce", coalesce, _T.DYN, *([_T.DYN] * count for count in range(1, CHOICES + 1))),
        _declared("parseJson", parse_json, _T.DYN, (_T.STRING,)),
        _declared("toJson", to_json, _T.STRING, (_T.DYN,)),
        _declared("sha256", digest, _T.STRING, (_T.STRING,), (_T.BYTES,)),
        _declared(
            "addDuration",
            add_duration,
            _T.TIMESTAMP,
            *product((_T.TIMESTAMP, _T.STRING), (_T.DURATION, _T.STRING)),
        ),
    ],
)
"""They as the engine takes them."""
