"""The syntax tree of a compiled expression as nodes, with the kinds and places the compiler found.

`tree` counts what an expression does without building anything; this one is for those who want to walk it.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from provenance.expressions import wire

_PRIMITIVES: Final = {1: "bool", 2: "int", 3: "uint", 4: "double", 5: "string", 6: "bytes"}
_WELL_KNOWN: Final = {2: "timestamp", 3: "duration"}
_TYPE_NULL, _TYPE_PRIMITIVE, _TYPE_WELL_KNOWN = 2, 3, 5
_TYPE_WORDS: Final = {6: "list", 7: "map", 11: "type", 14: "optional"}
_SELECT_FIELD, _SELECT_TEST = 2, 3


class Node(msgspec.Struct, frozen=True):
    """One node. ``form`` is const, ident, select, call, list, struct or loop.

    ``name`` is that of the variable, the member, the function, or the loop's variable, ``kept`` that of what a loop
    gathers; ``text`` the value of a literal text. ``kind`` is what the compiler knows: ``dyn`` when nothing. ``test``:
    a member that is only asked for (`has`). ``on``: a call that is written behind its first part. ``at`` is the offset
    in characters.
    """

    form: str
    name: str
    kind: str
    parts: tuple["Node", ...]
    at: int | None = None
    text: str | None = None
    kept: str = ""
    test: bool = False
    on: bool = False

    def walk(self) -> Iterator["Node"]:
        """The node and all below it."""
        yield self
        for part in self.parts:
            yield from part.walk()


def read_syntax(serialized: bytes) -> Node:
    """Read what `cel.Expression.serialize` wrote for a type-checked expression."""
    reader = _Reader()
    root = b""
    for number, value in wire.fields(wire.only(serialized, wire.ANY_VALUE)):
        if number == wire.CHECKED_REFERENCES:
            reader.names[wire.number_of(value, 1)] = wire.only(wire.only(value, 2), 1).decode()
        elif number == wire.CHECKED_TYPES:
            reader.kinds[wire.number_of(value, 1)] = _kind(wire.only(value, 2))
        elif number == wire.CHECKED_EXPR:
            root = value
        elif number == wire.CHECKED_SOURCE:
            entries = (entry for each, entry in wire.fields(value) if each == wire.SOURCE_POSITIONS)
            reader.places = {wire.number_of(entry, 1): wire.number_of(entry, 2) for entry in entries}
    return reader.node(root)


def _kind(written: bytes) -> str:
    if word := next((_TYPE_WORDS[number] for number, _ in wire.fields(written) if number in _TYPE_WORDS), None):
        return word
    found = _PRIMITIVES.get(wire.number_of(written, _TYPE_PRIMITIVE)) or _WELL_KNOWN.get(
        wire.number_of(written, _TYPE_WELL_KNOWN)
    )
    return found or ("null" if wire.has(written, _TYPE_NULL) else "dyn")


class _Reader:
    """Makes nodes out of messages; what is told of them by their numbers stands beside."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.kinds: dict[int, str] = {}
        self.places: dict[int, int] = {}

    def node(self, message: bytes) -> Node:
        number = wire.number_of(message, wire.EXPR_ID)
        kind, at = self.kinds.get(number, "dyn"), self.places.get(number)
        form, value = next(((f, v) for f, v in wire.fields(message) if f != wire.EXPR_ID), (0, b""))
        if form in (wire.EXPR_IDENT, wire.EXPR_SELECT) and number in self.names:
            return Node("ident", self.names[number], kind, (), at)
        parts = tuple(self.node(child) for child in wire.children(form, value))
        if form == wire.EXPR_CONST:
            return Node("const", "", kind, (), at, text=wire.text_of(message))
        if form == wire.EXPR_IDENT:
            return Node("ident", wire.only(value, 1).decode(), kind, (), at)
        if form == wire.EXPR_SELECT:
            test = bool(wire.number_of(value, _SELECT_TEST))
            return Node("select", wire.only(value, _SELECT_FIELD).decode(), kind, parts, at, test=test)
        if form == wire.EXPR_CALL:
            on = wire.has(value, wire.CALL_TARGET)
            return Node("call", wire.only(value, wire.CALL_FUNCTION).decode(), kind, parts, at, on=on)
        if form == wire.EXPR_LOOP:
            return Node("loop", wire.only(value, 1).decode(), kind, parts, at, kept=wire.only(value, 3).decode())
        return Node("list" if form == wire.EXPR_LIST else "struct", "", kind, parts, at)
