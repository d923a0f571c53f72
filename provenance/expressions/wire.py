"""The messages in which the engine writes a compiled expression (`cel.expr.CheckedExpr`), read field by field.

Their field numbers are a public, stable format of protocol buffers.
"""

from collections.abc import Iterator
from typing import Final

ANY_VALUE: Final = 2
EXPR_ID: Final = 2
CHECKED_REFERENCES: Final = 2
CHECKED_TYPES: Final = 3
CHECKED_EXPR: Final = 4
CHECKED_SOURCE: Final = 5
SOURCE_POSITIONS: Final = 4
EXPR_CONST, EXPR_IDENT, EXPR_SELECT, EXPR_CALL, EXPR_LIST, EXPR_STRUCT, EXPR_LOOP = 3, 4, 5, 6, 7, 8, 9
CONST_STRING: Final = 6
CALL_TARGET, CALL_FUNCTION, CALL_ARGUMENT = 1, 2, 3
STRUCT_MESSAGE, STRUCT_ENTRY = 1, 2
ENTRY_KEY, ENTRY_VALUE, ENTRY_OPTIONAL = 3, 4, 5
# Which fields of each kind of node are nodes themselves.
_CHILDREN: Final = {EXPR_SELECT: {1}, EXPR_CALL: {1, 3}, EXPR_LIST: {1}, EXPR_LOOP: {2, 4, 5, 6, 7}}

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def children(kind: int, value: bytes) -> Iterator[bytes]:
    """The nodes right below a node, in the order they are written: a call's subject before its arguments."""
    if kind == EXPR_STRUCT:
        for number, entry in fields(value):
            if number == STRUCT_ENTRY:
                yield from (child for each, child in fields(entry) if each in (ENTRY_KEY, ENTRY_VALUE))
    elif kind in _CHILDREN:
        yield from (child for number, child in fields(value) if number in _CHILDREN[kind])


def text_of(node: bytes) -> str | None:
    """The text of a node that is a literal text."""
    constant = fields(only(node, EXPR_CONST))
    return next((part.decode() for number, part in constant if number == CONST_STRING), None)


def only(message: bytes, wanted: int) -> bytes:
    """The one value of a field, or nothing."""
    return next((value for number, value in fields(message) if number == wanted), b"")


def fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a protocol buffer message that hold text, bytes or messages; numbers are passed over."""
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            _, at = varint(message, at)
        elif kind == _BYTES:
            size, at = varint(message, at)
            yield key >> 3, message[at : at + size]
            at += size
        else:
            at += {_FIXED64: 8, _FIXED32: 4}[kind]


def number_of(message: bytes, wanted: int) -> int:
    """The value of a field that holds a number, 0 where there is none."""
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = varint(message, at)
            if key >> 3 == wanted:
                return value
        elif kind == _BYTES:
            size, at = varint(message, at)
            at += size
        else:
            at += {_FIXED64: 8, _FIXED32: 4}[kind]
    return 0


def has(message: bytes, wanted: int) -> bool:
    """Tell whether a message has a field, of whatever value."""
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        if key >> 3 == wanted:
            return True
        at = _behind(message, at, key & 7)
    return False


def _behind(message: bytes, at: int, kind: int) -> int:
    if kind == _BYTES:
        size, at = varint(message, at)
        return at + size
    return varint(message, at)[1] if kind == _VARINT else at + {_FIXED64: 8, _FIXED32: 4}[kind]


def varint(message: bytes, at: int) -> tuple[int, int]:
    """Read a number of variable length; return it and where the next field begins."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
