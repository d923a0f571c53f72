"""Canonical JSON (RFC 8785), the only form in which content is stored, hashed and proved (spec/proof.md 1).

`admit` stands on the hot path of every write. A plain text (ASCII without escapes, numbers as this form writes them)
takes a compiled decoder and encoder that know nothing of the RFC, and whose result is proved right by a few searches:
a fifth of the time of the library that takes any text. Only a refused text is read again, slowly, to name the place
of its fault.
"""

import json
import re
from typing import Any, Final

import msgspec
from jcs_admit import MAX_SUPPORTED_DEPTH, JcsError, admit_with

from provenance.proof.bad_json import BadJson
from provenance.proof.scan import LARGEST_SAFE_INTEGER, TooManyMembers, scan

__all__ = ["MAX_DEPTH", "BadJson", "admit", "canonical", "canonical_string", "is_canonical"]

MAX_DEPTH: Final = 64
"""How many objects and arrays may be open inside one another."""

_MEMBERS_PLACED: Final = 30_000
"""Members of a refused text that are read again for the place of the fault; beyond, only its kind is told."""

_KINDS: Final = {
    "DuplicateMember": ("duplicate_key", "A key appears twice in the same object."),
    "TooDeep": ("too_deep", "Nested too deep."),
    "UnsafeInteger": ("unsafe_integer", "A number is beyond ±(2^53−1). Send it as a string."),
    "NulCharacter": ("nul_character", "A text contains the character \\u0000, which cannot be stored."),
}
_NOT_JSON: Final = ("invalid_json", "This is not valid JSON.")

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"')
_LARGE_NUMBER = re.compile(rb"e\+|(?<![0-9.])[0-9]{16,}+")
# Digits become '0' and whatever may follow a number ',', so that one search finds a number of 16 digits or
# more. Only a text that is a single number ends in a digit.
_SHAPES = bytes.maketrans(b"0123456789]}", b"0000000000,,")
_LONG_RUN: Final = b"0" * 16 + b","


def admit(data: bytes, *, max_depth: int = MAX_DEPTH, at: str = "$") -> bytes:
    """The RFC 8785 form of one JSON text of unknown origin.

    Args: the bytes; the depth (at most 512) that still passes; the path of this text in its message.
    Raises `BadJson`: not JSON, not UTF-8, a key twice, NUL or half a surrogate pair in a string or key, a
    number whose double is infinite or beyond ±(2^53−1), or nested deeper (spec/ledger.md section 2).
    """
    text = _plain(data, max_depth)
    if text is None:
        try:
            text = admit_with(data, max_depth=max_depth, max_bytes=None, safe_integers=True)
        except JcsError as error:
            raise _refusal(data, max_depth, at, error.variant) from None
        if b"\\u0000" in text and _NUL.search(text):
            raise _refusal(data, max_depth, at, "NulCharacter")
    shapes = text.translate(_SHAPES)
    if (_LONG_RUN in shapes or b"e+0" in shapes or shapes.endswith(b"0")) and _holds_unsafe_number(text):
        raise _refusal(data, max_depth, at, "UnsafeInteger")
    return text


class _NotPlain(Exception):
    """A number that is written otherwise in the canonical form, or may be."""


def _plain_number(text: str) -> float:
    """Read a number with a fraction or an exponent. Raises `_NotPlain` unless it is canonical as it stands."""
    value = float(text)
    if repr(value) != text or "e" in text or text.endswith(".0"):
        raise _NotPlain
    return value


_decode_plain = msgspec.json.Decoder(float_hook=_plain_number).decode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


def _plain(data: bytes, max_depth: int) -> bytes | None:
    """The canonical form of a plain text; None says nothing.

    Why it holds. Without a backslash no string changes: none has a character that the RFC escapes. ASCII names sort
    alike by bytes and by UTF-16. Integers and the numbers that `_plain_number` lets pass are written as they are.
    The decoder forgets the first of two equal names, and with it a colon; nothing adds one. So the colons tell.
    Fewer brackets than levels can't be nested too deep.
    """
    if b"\\" in data or not data.isascii() or data.count(b"{") + data.count(b"[") > max_depth:
        return None
    try:
        text = _encode_sorted(_decode_plain(data))
    except (_NotPlain, msgspec.DecodeError):
        return None
    return text if text.count(b":") == data.count(b":") else None


def canonical(value: Any, *, max_depth: int = MAX_DEPTH) -> bytes:
    """The RFC 8785 form of a value made of dict (text keys), list, tuple, str, int, float, bool and None.

    Raises `BadJson` as `admit` does, and TypeError for any other type or a key that is not text.
    """
    _refuse_other_keys(value)
    try:
        text = json.dumps(value, separators=(",", ":"))
    except RecursionError:
        raise BadJson("too_deep", "$", f"Nested more than {max_depth} levels deep.") from None
    return admit(text.encode(), max_depth=max_depth)


def canonical_string(text: str) -> bytes:
    """The RFC 8785 form of one string, with quotes. Raises `BadJson` for NUL and half a surrogate pair."""
    try:
        encoded = msgspec.json.encode(text)
    except UnicodeEncodeError:
        return admit(json.dumps(text).encode())  # raises, and says what is wrong
    return encoded if "\x00" not in text else admit(encoded)


def is_canonical(data: bytes, *, max_depth: int = MAX_DEPTH) -> bool:
    """Whether `admit` takes these bytes and gives back the very same."""
    try:
        return admit(data, max_depth=max_depth) == data
    except BadJson:
        return False


def _holds_unsafe_number(text: bytes) -> bool:
    """Decide for a canonical text whether a number is beyond ±(2^53−1).

    The library judges a number as it was written: 9007199254740991.5 passes it and is then rounded to 2^53.
    """
    found = _LARGE_NUMBER.finditer(_STRINGS.sub(b"", text))
    return any(token[0] == b"e+" or int(token[0]) > LARGEST_SAFE_INTEGER for token in found)


def _refusal(data: bytes, max_depth: int, at: str, variant: str) -> BadJson:
    """The error for a refused text, with its place unless that lies too far inside."""
    code, issue = _KINDS.get(variant, _NOT_JSON)
    try:
        scan(data, min(max_depth, MAX_SUPPORTED_DEPTH), at, max_members=_MEMBERS_PLACED)
    except BadJson as error:
        return error
    except TooManyMembers:
        pass
    return BadJson(code, at, issue)


def _refuse_other_keys(value: Any) -> None:
    """Raise for a key that is not text: the JSON encoder would turn 1 into "1" without a word."""
    waiting, seen = [value], set()
    while waiting:
        item = waiting.pop()
        if not isinstance(item, dict | list | tuple) or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            if not all(isinstance(key, str) for key in item):
                raise TypeError("a JSON object has text keys only")
            waiting.extend(item.values())
        else:
            waiting.extend(item)
