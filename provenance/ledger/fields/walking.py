"""Walking through documents: which paths they hold, how often, with which types of values."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from provenance.ledger.fields.paths import MAX_BYTES, MAX_SEGMENTS, key

MEMBERS = 500
"""Members looked at in one object, in canonical order."""
ELEMENTS = 100
"""Elements looked at in one array, from its beginning."""

_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", dict: "object", list: "array"}


class Fields:
    """The fields of many documents as a tree: a node for each place, so that a walk writes no path.

    Counted is every value seen: elements of an array each for itself, all at the one place behind ``[]``.
    """

    __slots__ = ("_elements", "_members", "_types")

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._types: dict[type, int] = {}
        self._members: dict[str, Fields] = {}
        self._elements: Fields | None = None

    def add(self, document: dict[str, Any], depth: int = MAX_SEGMENTS) -> None:
        """Count the fields of an object, at most eight keys deep."""
        members = self._members
        for name, value in islice(document.items(), MEMBERS) if len(document) > MEMBERS else document.items():
            place = members.get(name)
            if place is None:
                place = members[name] = Fields()
            place._count(value, depth)

    def _count(self, value: Any, depth: int) -> None:
        kind = type(value)
        types = self._types
        types[kind] = types.get(kind, 0) + 1
        if kind is dict and depth > 1:
            self.add(value, depth - 1)
        elif kind is list and depth > 1 and value:
            elements = self._elements
            if elements is None:
                elements = self._elements = Fields()
            for element in value[:ELEMENTS]:
                elements._count(element, depth - 1)

    def __iter__(self) -> Iterator[tuple[str, str, int]]:
        """Iterate over path, JSON type and count; paths longer than 400 bytes are left out with all below."""
        for name, place in self._members.items():
            yield from place._written(key(name))

    def _written(self, path: str) -> Iterator[tuple[str, str, int]]:
        if len(path.encode()) > MAX_BYTES:
            return
        counts: dict[str, int] = {}
        for kind, times in self._types.items():
            name = _TYPES.get(kind, "null")
            counts[name] = counts.get(name, 0) + times
        for name, times in counts.items():
            yield path, name, times
        for name, place in self._members.items():
            yield from place._written(f"{path}.{key(name)}")
        if self._elements is not None:
            yield from self._elements._written(f"{path}[]")
