"""Identifiers: UUIDv7 inside, ``prefix_`` plus Crockford base32 of the same 128 bits outside."""

import os
import uuid
from random import SystemRandom

import uuid_utils

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [one + other for one in _ALPHABET for other in _ALPHABET]
_PLACES = tuple(range(120, -1, -10))
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_TO_LETTERS = bytes(ord(_LETTERS[byte % 26]) for byte in range(256))
_random = SystemRandom()
_POOL_BYTES = 4_096
_pool = memoryview(b"")


def random_bytes(count: int) -> bytes:
    """Return ``count`` (at most 4,096) bytes of the system's randomness, fetched in larger pieces.

    A system call for each salt and request id was a fiftieth of the time of a post. A forked process starts afresh.
    """
    global _pool
    if len(_pool) < count:
        _pool = memoryview(os.urandom(_POOL_BYTES))
    taken, _pool = bytes(_pool[:count]), _pool[count:]
    return taken


def _forget_pool() -> None:
    global _pool
    _pool = memoryview(b"")


os.register_at_fork(after_in_child=_forget_pool)


def new_uuid() -> uuid.UUID:
    """Make a UUIDv7: unique, and sortable by the time it was made."""
    return uuid.UUID(int=uuid_utils.uuid7().int)


def new_uuid_text() -> str:
    """Make a UUIDv7 in its text form (the hot paths need no object)."""
    return str(uuid_utils.uuid7())


def encode(prefix: str, value: uuid.UUID) -> str:
    """Write an id for the outside, such as ``ws_01JD…``: 26 letters, sortable like the UUID itself."""
    bits = value.int
    return f"{prefix}_{''.join([_PAIRS[bits >> place & 1023] for place in _PLACES])}"


def decode(prefix: str, text: str) -> uuid.UUID | None:
    """Read an id made by `encode`; None when it is no such id (the caller answers 404)."""
    head, _, tail = text.partition("_")
    if head != prefix or len(tail) != 26 or tail[0] > "7":
        return None
    bits = 0
    for letter in tail:
        value = _VALUES.get(letter)
        if value is None:
            return None
        bits = bits << 5 | value
    return uuid.UUID(int=bits)


def parse_uuid(text: str) -> uuid.UUID | None:
    """Read a UUID written with hyphens, any case; None when the text is none."""
    if len(text) != 36:
        return None
    try:
        value = uuid.UUID(text)
    except ValueError:
        return None
    return value if str(value) == text.lower() else None


def new_request_id() -> str:
    """Make a request id: ``req_`` and 26 lower-case letters (never digits, so no status can be read from it)."""
    return "req_" + random_bytes(26).translate(_TO_LETTERS).decode()


def random_letters(count: int) -> str:
    """Make ``count`` letters and digits from the system's randomness, for keys and passwords."""
    return "".join(_random.choices(_LETTERS + _LETTERS.upper() + "0123456789", k=count))
