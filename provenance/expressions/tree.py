"""The syntax tree of a compiled expression, read from the engine's own serialized form.

The engine offers no way to walk a tree, but it writes the very tree it evaluates as a protocol buffer
(`cel.expr.CheckedExpr`), whose field numbers are a public, stable format. Reading that is exact where looking
at the source text would have to know every way of writing a string or a comment.
"""

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Final

from provenance.expressions import wire

_LOOKING_INSIDE: Final = frozenset(["_?._", "_[_]", "_[?_]"])
"""Functions whose first argument is looked into, not used as a whole."""
_LOOP_CHILDREN: Final = 5
_LIST_OPTIONAL: Final = 2
_OPTIONAL_TYPE: Final = b"optional_type"
# Which operands of a call may be optional values: what it gives is then of a type that says so, or is none.
_UNWRAPS: Final = {
    **dict.fromkeys(["orValue", "value", "hasValue", "_?._", "_[_]", "_[?_]"], frozenset({0})),
    **dict.fromkeys(["or", "_==_", "_!=_"], frozenset({0, 1})),
    "_?_:_": frozenset({1, 2}),
}


@dataclass(frozen=True, slots=True)
class Call:
    """One function call: its name, and the literal text it is given first after its subject, if it is one."""

    function: str
    literal: str | None


@dataclass(slots=True)
class Tree:
    """What is known of an expression: calls, variables read, nodes in all, and loops inside loops.

    ``wholes`` are the variables that are used as a whole somewhere; the others are only looked into (`a.b`, `a.?b`).
    ``kept_optional`` tells that an optional value goes anywhere but where it is unwrapped: `[x.?a]`, `dyn(x.?a)`;
    ``messages`` that it makes a protocol buffer message.
    """

    calls: list[Call] = field(default_factory=list)
    variables: set[str] = field(default_factory=set)
    wholes: set[str] = field(default_factory=set)
    nodes: int = 0
    loops: int = 0
    kept_optional: bool = False
    messages: bool = False


def read_tree(serialized: bytes) -> Tree:
    """Read what `cel.Expression.serialize` wrote for a type-checked expression."""
    tree = Tree()
    names: dict[int, str] = {}
    optionals: set[int] = set()
    roots = []
    for number, value in wire.fields(wire.only(serialized, wire.ANY_VALUE)):
        if number == wire.CHECKED_REFERENCES:
            names[wire.number_of(value, 1)] = wire.only(wire.only(value, 2), 1).decode()
        elif number == wire.CHECKED_TYPES and _OPTIONAL_TYPE in value:
            optionals.add(wire.number_of(value, 1))
        elif number == wire.CHECKED_EXPR:
            roots.append(value)
    tree.variables.update(names.values())
    for root in roots:
        _walk(root, tree, names, optionals)
    return tree


def _walk(root: bytes, tree: Tree, names: dict[int, str], optionals: set[int]) -> None:
    waiting = [(root, 0, False)]
    while waiting:
        node, loops, looked_into = waiting.pop()
        tree.nodes += 1
        name = names.get(wire.number_of(node, wire.EXPR_ID))
        if name is not None and not looked_into:
            tree.wholes.add(name)
        for number, value in wire.fields(node):
            inside = loops + (number == wire.EXPR_LOOP)
            tree.loops = max(tree.loops, inside)
            opens = number == wire.EXPR_SELECT
            if number == wire.EXPR_CALL:
                tree.calls.append(_call(value))
                opens = tree.calls[-1].function in _LOOKING_INSIDE
            tree.messages |= number == wire.EXPR_STRUCT and wire.only(value, wire.STRUCT_MESSAGE) != b""
            unwraps = _unwrapped(number, value)
            for at, child in enumerate(wire.children(number, value)):
                waiting.append((child, inside, opens and at == 0))
                if at not in unwraps and wire.number_of(child, wire.EXPR_ID) in optionals:
                    tree.kept_optional = True


def _unwrapped(kind: int, value: bytes) -> Container[int]:
    """Which children of a node may be optional values."""
    if kind == wire.EXPR_CALL:
        return _UNWRAPS.get(_call(value).function, frozenset())
    if kind == wire.EXPR_SELECT:
        return {0}
    if kind == wire.EXPR_LOOP:
        return range(_LOOP_CHILDREN)
    if kind == wire.EXPR_LIST:
        return _packed(wire.only(value, _LIST_OPTIONAL))
    return _optional_entries(value) if kind == wire.EXPR_STRUCT else frozenset()


def _optional_entries(struct: bytes) -> set[int]:
    """The places, among the children of an object, of values that are left out when they are not there."""
    found, at = set(), 0
    for entry in (entry for number, entry in wire.fields(struct) if number == wire.STRUCT_ENTRY):
        places = [number for number, _ in wire.fields(entry) if number in (wire.ENTRY_KEY, wire.ENTRY_VALUE)]
        if wire.number_of(entry, wire.ENTRY_OPTIONAL):
            found |= {at + place for place, number in enumerate(places) if number == wire.ENTRY_VALUE}
        at += len(places)
    return found


def _packed(numbers: bytes) -> set[int]:
    found, at = set(), 0
    while at < len(numbers):
        value, at = wire.varint(numbers, at)
        found.add(value)
    return found


def _call(value: bytes) -> Call:
    function, parts = "", []
    for number, part in wire.fields(value):
        if number == wire.CALL_FUNCTION:
            function = part.decode()
        elif number in (wire.CALL_TARGET, wire.CALL_ARGUMENT):
            parts.append(part)
    return Call(function, wire.text_of(parts[1]) if len(parts) > 1 else None)
