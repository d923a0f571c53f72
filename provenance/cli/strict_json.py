"""JSON read without losing anything.

What would be dropped, rounded or repaired silently is refused by name.
"""

import json
import math
import re
from typing import Any

SAFE = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def parse(text: str | bytes) -> Any:
    """Return the value of one JSON document.

    Raises ValueError, saying where, for malformed JSON, bytes that are not UTF-8, a key given twice, NaN,
    Infinity and
    numbers beyond a double.
    """
    try:
        return json.loads(
            text.decode("utf-8-sig") if isinstance(text, bytes) else text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def trouble(value: Any, path: str = "") -> str | None:
    """Return why the ledger cannot hold a value, naming the path, or None when it can.

    Integers beyond 2^53-1 lose digits in other readers; NUL and lone surrogates are no text for a database.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            found = _text_trouble(key, f"{path}.{key!r}") or trouble(item, f"{path}.{key}".lstrip("."))
            if found:
                return found
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if found := trouble(item, f"{path}[{index}]"):
                return found
    elif isinstance(value, str):
        return _text_trouble(value, path)
    elif isinstance(value, int) and abs(value) > SAFE:
        return f"{path or 'value'}: integer {value} is beyond ±(2^53-1); send it as a string"
    return None


def _text_trouble(text: str, path: str) -> str | None:
    if "\0" in text:
        return f"{path or 'value'}: holds a NUL character (\\u0000)"
    return f"{path or 'value'}: holds half of a surrogate pair" if _SURROGATE.search(text) else None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is given twice in one object")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text} is beyond a double")
    return number
