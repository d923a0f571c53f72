"""Walking through documents: which paths they hold, how often, with which types of values."""

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from itertools import repeat
from typing import Any

from provenance.ledger.fields.paths import MAX_BYTES, MAX_SEGMENTS, key

Field = tuple[str, str]
"""A path and a JSON type: null, boolean, number, string, object or array."""

MAX_VALUES = 2_000
"""Values looked at in one document; what lies beyond is not counted."""

_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", dict: "object", list: "array"}


def count_fields(document: dict[str, Any], counts: Counter[Field]) -> None:
    """Add the paths of one document to the counts: one for every value, elements of arrays each for itself.

    Paths deeper than eight keys or longer than 400 bytes are left out.
    """
    left = MAX_VALUES
    pending: list[tuple[str, dict[str, Any] | list[Any], int]] = [("", document, 1)]
    while pending:
        prefix, container, depth = pending.pop()
        for path, value in members(prefix, container):
            if left == 0:
                return
            left -= 1
            if path:
                kind = _TYPES.get(type(value), "null")
                counts[path, kind] += 1
                if value and depth < MAX_SEGMENTS and kind in ("object", "array"):
                    pending.append((path, value, depth + 1))


def members(prefix: str, container: dict[str, Any] | list[Any]) -> Iterable[tuple[str, Any]]:
    """Return the paths and values of what a container holds."""
    if isinstance(container, list):
        return zip(repeat(prefix + "[]"), container, strict=False)
    return [(joined(prefix, name), value) for name, value in container.items()]


@lru_cache(maxsize=16_384)
def joined(prefix: str, name: str) -> str:
    """Return the path of a key below a prefix; empty when it is too long to be kept."""
    path = f"{prefix}.{key(name)}" if prefix else key(name)
    return path if len(path.encode()) <= MAX_BYTES else ""
