"""The few lexical forms that the public formats share: base64, decimals and lines, read without leniency.

A value has exactly one spelling here. Whoever accepts a second one lets two different files mean the same,
and lets a file be altered without anyone noticing.
"""

import base64
import binascii
import re
from typing import Final

MAX_COUNT: Final = 2**63 - 1
"""The largest tree size, leaf index or time that the formats carry."""

HASH_BYTES: Final = 32

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f]")


class Malformed(ValueError):
    """A text or a file that is not what its format asks for. Each format has a subclass of its own."""


def read_base64(text: str, what: str, refusal: type[Malformed]) -> bytes:
    """The bytes of a standard base64 text with padding (RFC 4648, 4), in its only spelling.

    `what` names the text in the message of the `refusal` that is raised.
    """
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise refusal(f"{what} is not base64.") from None
    if write_base64(value) != text:
        raise refusal(f"{what} is not base64 in its usual spelling.")
    return value


def write_base64(value: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(value).decode()


def read_hash(text: str, what: str, refusal: type[Malformed]) -> bytes:
    """The 32 bytes of a SHA-256 hash in base64. Raises `refusal`."""
    value = read_base64(text, what, refusal)
    if len(value) != HASH_BYTES:
        raise refusal(f"{what} has {len(value)} bytes; a SHA-256 hash has {HASH_BYTES}.")
    return value


def read_decimal(text: str, what: str, refusal: type[Malformed]) -> int:
    """A whole number from 0 to 2^63−1 in ASCII digits, without sign or leading zero. Raises `refusal`."""
    if not _DECIMAL.fullmatch(text) or (value := int(text)) > MAX_COUNT:
        raise refusal(f"{what} is not a decimal from 0 to 2^63−1 without leading zeroes.")
    return value


def read_text(data: str | bytes, what: str, refusal: type[Malformed]) -> str:
    """A text in UTF-8 without control characters other than the newline. Raises `refusal`."""
    try:
        text = data.decode() if isinstance(data, bytes) else data
        text.encode()
    except UnicodeError:
        raise refusal(f"{what} is not UTF-8.") from None
    if found := _CONTROLS.search(text):
        raise refusal(f"{what} holds the control character U+{ord(found[0]):04X}.")
    return text


def read_lines(text: str, what: str, refusal: type[Malformed]) -> list[str]:
    """The lines of a text whose every line ends in a newline, without them. Raises `refusal`."""
    if not text.endswith("\n"):
        raise refusal(f"{what} does not end in a newline.")
    return text[:-1].split("\n")
