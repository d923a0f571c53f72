"""A strict JSON reader that names the first fault of a text: its place, a code and a sentence.

It runs only after `canonical.admit` has refused, so it is written for exactness, not speed. It is linear in
the input, keeps its own stack and can be given a budget, so no text exhausts time or recursion. It accepts
exactly what `admit` accepts.
"""

import json
import math
import re
from typing import Final, NoReturn

from provenance.proof.bad_json import BadJson, clip, spell_path

LARGEST_SAFE_INTEGER: Final = 2**53 - 1

_BLANKS = re.compile(rb"[ \t\n\r]*+")
_PLAIN_STRING = re.compile(rb'"([\x20\x21\x23-\x5b\x5d-\x7f]*+)"')
_STRING = re.compile(rb'"[^"\\\x00-\x1f]*+(?:\\[^\x00-\x1f][^"\\\x00-\x1f]*+)*+"')
_STRING_INSIDE = re.compile(rb'"(?:[^"\\\x00-\x1f]++|\\[^\x00-\x1f])*+')
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_LITERAL = re.compile(rb"true|false|null")
_NO_NUMBER = re.compile(rb"-?Infinity|NaN")
_SURROGATE = re.compile("[\ud800-\udfff]")


class TooManyMembers(Exception):
    """The scan gave up: the text has more members than it was allowed to read."""


class _Open:
    """An object or array being read: the closing byte, the names met so far, the member at hand."""

    __slots__ = ("begun", "closer", "here", "names")

    def __init__(self, closer: bytes) -> None:
        self.closer = closer
        self.names: set[str] = set()
        self.here: str | int = -1
        self.begun = False


class _Scanner:
    def __init__(self, data: bytes, max_depth: int, root: str, max_members: float) -> None:
        self._data = data
        self._max_depth = max_depth
        self._root = root
        self._members_left = max_members
        self._at = 0
        self._stack: list[_Open] = []

    def document(self) -> None:
        if self._data.startswith(b"\xef\xbb\xbf"):
            raise self._bad("invalid_json", "The text begins with a byte order mark; leave it out.")
        self._value()
        while self._stack:
            self._member()
        if self._peek():
            raise self._unexpected("the end of the text")

    def _member(self) -> None:
        """Read the next member of the innermost open container, or its end."""
        container = self._stack[-1]
        byte = self._peek()
        if byte == container.closer:
            self._at += 1
            self._stack.pop()
            return
        if container.begun:
            if byte != b",":
                raise self._unexpected(f"',' or '{container.closer.decode()}'", inside=False)
            self._at += 1
        container.begun = True
        self._members_left -= 1
        if self._members_left < 0:
            raise TooManyMembers
        if container.closer == b"}":
            self._name(container)
        else:
            assert isinstance(container.here, int)
            container.here += 1
        self._value()

    def _name(self, container: _Open) -> None:
        container.here = -1
        if self._peek() != b'"':
            raise self._unexpected("a key in double quotes", inside=False)
        name = self._string(is_name=True)
        container.here = name
        self._refuse_characters(name, "The key")
        if name in container.names:
            raise self._bad("duplicate_key", "This key appears twice in the same object.")
        container.names.add(name)
        if self._peek() != b":":
            raise self._unexpected("':'")
        self._at += 1

    def _value(self) -> None:
        byte = self._peek()
        if byte == b'"':
            self._string(is_name=False)
        elif byte in (b"{", b"["):
            if len(self._stack) >= self._max_depth:
                raise self._bad("too_deep", f"Nested more than {self._max_depth} levels deep.")
            self._stack.append(_Open(b"}" if byte == b"{" else b"]"))
            self._at += 1
        elif number := _NUMBER.match(self._data, self._at):
            self._number(number[0].decode())
            self._at = number.end()
        elif literal := _LITERAL.match(self._data, self._at):
            self._at = literal.end()
        elif found := _NO_NUMBER.match(self._data, self._at):
            raise self._bad("number_out_of_range", f"{found[0].decode()} is not a number JSON can hold.")
        else:
            raise self._unexpected("a value")

    def _number(self, token: str) -> None:
        value = abs(float(token))
        if value == math.inf:
            raise self._bad("number_out_of_range", f"The number {clip(token)} is larger than JSON can hold.")
        if value > LARGEST_SAFE_INTEGER:
            issue = f"The number {clip(token)} is beyond ±(2^53−1) and would lose digits: send it as a string."
            raise self._bad("unsafe_integer", issue)

    def _string(self, *, is_name: bool) -> str:
        """Read the string at hand; its text is needed, and decoded, only for names and unusual strings."""
        if plain := _PLAIN_STRING.match(self._data, self._at):
            self._at = plain.end()
            return plain[1].decode() if is_name else ""
        token = _STRING.match(self._data, self._at)
        if token is None:
            self._unclosed()
        text = self._decoded(token[0])
        self._at = token.end()
        if not is_name:
            self._refuse_characters(text, "The text")
        return text

    def _decoded(self, token: bytes) -> str:
        try:
            text: str = json.loads(token.decode())
        except UnicodeDecodeError as error:
            issue = f"Byte {self._at + error.start} (0x{token[error.start]:02x}) is not valid UTF-8."
            raise self._bad("invalid_utf8", issue) from None
        except json.JSONDecodeError as error:
            issue = f"The string at byte {self._at} holds an escape that JSON does not know."
            raise self._bad("invalid_json", issue) from error
        return text

    def _unclosed(self) -> NoReturn:
        """Raise for a string that does not end, or holds a raw control character."""
        start, inside = self._at, _STRING_INSIDE.match(self._data, self._at)
        assert inside is not None
        self._at = inside.end()
        if self._at < len(self._data) and self._data[self._at] < 0x20:
            raise self._unexpected("an escape such as \\n")
        raise self._bad("invalid_json", f"The string that begins at byte {start} does not end.")

    def _refuse_characters(self, text: str, subject: str) -> None:
        if "\x00" in text:
            raise self._bad("nul_character", f"{subject} contains the character \\u0000, which cannot be stored.")
        if half := _SURROGATE.search(text):
            issue = f"{subject} contains \\u{ord(half[0]):04x}, half of a surrogate pair and no character."
            raise self._bad("lone_surrogate", issue)

    def _peek(self) -> bytes:
        """Skip blanks; the next byte, or nothing at the end."""
        byte = self._data[self._at : self._at + 1]
        if byte and byte not in b" \t\n\r":
            return byte
        blanks = _BLANKS.match(self._data, self._at)
        assert blanks is not None
        self._at = blanks.end()
        return self._data[self._at : self._at + 1]

    def _unexpected(self, wanted: str, *, inside: bool = True) -> BadJson:
        if self._at >= len(self._data):
            found = "The text ends"
        else:
            byte = self._data[self._at]
            shown = f"'{chr(byte)}'" if 0x20 < byte < 0x7F else f"byte 0x{byte:02x}"
            found = f"Unexpected {shown}"
        return self._bad("invalid_json", f"{found} at byte {self._at}, where {wanted} should be.", inside=inside)

    def _bad(self, code: str, issue: str, *, inside: bool = True) -> BadJson:
        steps = [container.here for container in self._stack if container.here != -1]
        if not inside and self._stack and self._stack[-1].here != -1:
            steps.pop()
        return BadJson(code, spell_path(self._root, steps), issue)


def scan(data: bytes, max_depth: int, root: str = "$", *, max_members: float = math.inf) -> None:
    """Read a JSON text to its end.

    Args: the bytes; how many containers may be open at once; the path of the text itself, for messages; how
    many array items and object members to read before giving up.
    Raises `BadJson` for the first fault in reading order (spec/ledger.md section 2) and `TooManyMembers`.
    """
    _Scanner(data, max_depth, root, max_members).document()
