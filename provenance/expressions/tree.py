"""The syntax tree of a compiled expression, read from the engine's own serialized form.

The engine offers no way to walk a tree, but it writes the very tree it evaluates as a protocol buffer
(`cel.expr.CheckedExpr`), whose field numbers are a public, stable format. Reading that is exact where looking
at the source text would have to know every way of writing a string or a comment.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Final

_ANY_VALUE: Final = 2
_EXPR_ID: Final = 2
_CHECKED_REFERENCES: Final = 2
_CHECKED_TYPES: Final = 3
_CHECKED_EXPR: Final = 4
_EXPR_CONST, _EXPR_SELECT, _EXPR_CALL, _EXPR_LIST, _EXPR_STRUCT, _EXPR_LOOP = 3, 5, 6, 7, 8, 9
_CONST_STRING: Final = 6
_CALL_TARGET, _CALL_FUNCTION, _CALL_ARGUMENT = 1, 2, 3
_LOOKING_INSIDE: Final = frozenset(["_?._", "_[_]", "_[?_]"])
"""Functions whose first argument is looked into, not used as a whole."""
# Which fields of each kind of node are nodes themselves.
_CHILDREN: Final = {_EXPR_SELECT: {1}, _EXPR_CALL: {1, 3}, _EXPR_LIST: {1}, _EXPR_LOOP: {2, 4, 5, 6, 7}}
_LOOP_CHILDREN: Final = 5
_STRUCT_MESSAGE, _STRUCT_ENTRY = 1, 2
_ENTRY_CHILDREN: Final = {3, 4}
_ENTRY_VALUE, _ENTRY_OPTIONAL, _LIST_OPTIONAL = 4, 5, 2
_OPTIONAL_TYPE: Final = b"optional_type"
# Which operands of a call may be optional values: what it gives is then of a type that says so, or is none.
_UNWRAPS: Final = {
    **dict.fromkeys(["orValue", "value", "hasValue", "_?._", "_[_]", "_[?_]"], frozenset({0})),
    **dict.fromkeys(["or", "_==_", "_!=_"], frozenset({0, 1})),
    "_?_:_": frozenset({1, 2}),
}

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


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
    for number, value in _fields(_only(serialized, _ANY_VALUE)):
        if number == _CHECKED_REFERENCES:
            names[_number(value, 1)] = _only(_only(value, 2), 1).decode()
        elif number == _CHECKED_TYPES and _OPTIONAL_TYPE in value:
            optionals.add(_number(value, 1))
        elif number == _CHECKED_EXPR:
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
        name = names.get(_number(node, _EXPR_ID))
        if name is not None and not looked_into:
            tree.wholes.add(name)
        for number, value in _fields(node):
            inside = loops + (number == _EXPR_LOOP)
            tree.loops = max(tree.loops, inside)
            opens = number == _EXPR_SELECT
            if number == _EXPR_CALL:
                tree.calls.append(_call(value))
                opens = tree.calls[-1].function in _LOOKING_INSIDE
            tree.messages |= number == _EXPR_STRUCT and _only(value, _STRUCT_MESSAGE) != b""
            unwraps = _unwrapped(number, value)
            for at, child in enumerate(_children(number, value)):
                waiting.append((child, inside, opens and at == 0))
                if at not in unwraps and _number(child, _EXPR_ID) in optionals:
                    tree.kept_optional = True


def _unwrapped(kind: int, value: bytes) -> Container[int]:
    """Which children of a node may be optional values."""
    if kind == _EXPR_CALL:
        return _UNWRAPS.get(_call(value).function, frozenset())
    if kind == _EXPR_SELECT:
        return {0}
    if kind == _EXPR_LOOP:
        return range(_LOOP_CHILDREN)
    if kind == _EXPR_LIST:
        return _packed(_only(value, _LIST_OPTIONAL))
    return _optional_entries(value) if kind == _EXPR_STRUCT else frozenset()


def _optional_entries(struct: bytes) -> set[int]:
    """The places, among the children of an object, of values that are left out when they are not there."""
    found, at = set(), 0
    for entry in (entry for number, entry in _fields(struct) if number == _STRUCT_ENTRY):
        places = [number for number, _ in _fields(entry) if number in _ENTRY_CHILDREN]
        if _number(entry, _ENTRY_OPTIONAL):
            found |= {at + place for place, number in enumerate(places) if number == _ENTRY_VALUE}
        at += len(places)
    return found


def _packed(numbers: bytes) -> set[int]:
    found, at = set(), 0
    while at < len(numbers):
        value, at = _varint(numbers, at)
        found.add(value)
    return found


def _children(kind: int, value: bytes) -> Iterator[bytes]:
    if kind == _EXPR_STRUCT:
        for number, entry in _fields(value):
            if number == _STRUCT_ENTRY:
                yield from (child for each, child in _fields(entry) if each in _ENTRY_CHILDREN)
    elif kind in _CHILDREN:
        yield from (child for number, child in _fields(value) if number in _CHILDREN[kind])


def _call(value: bytes) -> Call:
    function, parts = "", []
    for number, part in _fields(value):
        if number == _CALL_FUNCTION:
            function = part.decode()
        elif number in (_CALL_TARGET, _CALL_ARGUMENT):
            parts.append(part)
    return Call(function, _text(parts[1]) if len(parts) > 1 else None)


def _text(node: bytes) -> str | None:
    """The text of a node that is a literal text."""
    constant = _fields(_only(node, _EXPR_CONST))
    return next((part.decode() for number, part in constant if number == _CONST_STRING), None)


def _only(message: bytes, wanted: int) -> bytes:
    """The one value of a field, or nothing."""
    return next((value for number, value in _fields(message) if number == wanted), b"")


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a protocol buffer message that hold text, bytes or messages; numbers are passed over."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            _, at = _varint(message, at)
        elif kind == _BYTES:
            size, at = _varint(message, at)
            yield key >> 3, message[at : at + size]
            at += size
        else:
            at += {_FIXED64: 8, _FIXED32: 4}[kind]


def _number(message: bytes, wanted: int) -> int:
    """The value of a field that holds a number, 0 where there is none."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            if key >> 3 == wanted:
                return value
        elif kind == _BYTES:
            size, at = _varint(message, at)
            at += size
        else:
            at += {_FIXED64: 8, _FIXED32: 4}[kind]
    return 0


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
