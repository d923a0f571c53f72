"""Cursors of lists by key (spec/automation.md, 2.2): base64url JSON and a MAC that binds it to what was asked for.

A cursor of another filter, another list or another workspace is refused.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from hashlib import sha256
from typing import Any, TypeVar

import msgspec

from provenance.core.errors import Invalid
from provenance.core.keyring import WorkspaceKeys

MAX_LENGTH = 512
MAX_POSITION = 4_096
"""A cursor of texts, such as the keys of objects, is as long as those are; what a list asks for bounds it further."""
DEFAULT_LIMIT = 50
MAX_LIMIT = 200
_MAC_BYTES = 16
_PURPOSE = "list.cursor"

T = TypeVar("T")


class BadCursor(Invalid):
    """The cursor was not made by this server for this list."""

    code = "bad_cursor"


def binding(*parts: Any) -> bytes:
    """Return the digest of what a list was asked for: its name, filters and order."""
    return sha256(msgspec.json.encode(parts, order="deterministic")).digest()


def write(keys: WorkspaceKeys, bound_to: bytes, position: dict[str, Any]) -> str:
    """Write where a list goes on; ``position`` is a small JSON object."""
    return sealed(keys, _PURPOSE, bound_to, msgspec.json.encode(position))


def read(keys: WorkspaceKeys, bound_to: bytes, text: str, kind: type[T]) -> T:
    """Read a cursor as the type that was written. Raises BadCursor when it was changed, or made for another list."""
    payload = opened(keys, _PURPOSE, bound_to, text)
    try:
        return msgspec.json.decode(payload, type=kind)
    except msgspec.MsgspecError:
        raise _foreign() from None


def sealed(keys: WorkspaceKeys, purpose: str, bound_to: bytes, payload: bytes) -> str:
    """Return a payload with its MAC, both in base64url without padding, joined by a dot."""
    return _text(payload) + "." + _text(_mac(keys, purpose, bound_to, payload))


def opened(keys: WorkspaceKeys, purpose: str, bound_to: bytes, text: str) -> bytes:
    """Return the payload that `sealed` wrote. Raises BadCursor."""
    head, _, tail = text.partition(".")
    try:
        if len(text) > MAX_POSITION:
            raise ValueError("too long")
        payload, mac = _bytes(head), _bytes(tail)
        if not hmac.compare_digest(mac, _mac(keys, purpose, bound_to, payload)):
            raise ValueError("another list, or changed")
    except (ValueError, NotBase64):
        raise _foreign() from None
    return payload


def _foreign() -> Exception:
    return BadCursor.at("cursor", "was not made for this list; start again without it")


def _mac(keys: WorkspaceKeys, purpose: str, bound_to: bytes, payload: bytes) -> bytes:
    return keys.mac(purpose, bound_to + payload)[:_MAC_BYTES]


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Decode strictly: one spelling for each value, so that a changed character is never ignored."""
    raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if _text(raw) != text:
        raise ValueError("not the canonical spelling")
    return raw
