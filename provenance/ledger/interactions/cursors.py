"""Cursors: where a list goes on, in a form that only this server can make.

A cursor is the JSON of a `Cursor` and a MAC, both in base64url without padding, joined by a dot. The MAC,
under a key of the workspace, also covers what the list was asked for; so a cursor of another filter, order or
workspace is refused.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from provenance.core.errors import Invalid
from provenance.core.keyring import WorkspaceKeys

PURPOSE = "ledger.cursor"
MAX_LENGTH = 512
_MAC_BYTES = 16
_Whole = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class BadCursor(Invalid):
    """The cursor was not made by this server for this list."""

    code = "bad_cursor"


class Cursor(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Where a list goes on.

    ``at`` is the key of the last row seen, ``page`` the ordinal of the page that begins here, ``skip`` how
    many matches still belong to earlier pages, ``total`` what was counted on the first page (None: not
    counted) and ``capped`` whether there are more than that.
    """

    at: tuple[_Whole, _Whole]
    page: _Whole = 1
    skip: _Whole = 0
    total: _Whole | None = None
    capped: bool = False


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Cursor).decode


def binding(*parts: Any) -> bytes:
    """Return the digest of what a list was asked for: its route, filters, order and the caller's view."""
    return sha256(msgspec.json.encode(parts, order="deterministic")).digest()


def write(keys: WorkspaceKeys, bound_to: bytes, cursor: Cursor) -> str:
    """Write a cursor for the list that ``bound_to`` (a `binding`) stands for."""
    payload = _encode(cursor)
    return _text(payload) + "." + _text(_mac(keys, bound_to, payload))


def read(keys: WorkspaceKeys, bound_to: bytes, text: str) -> Cursor:
    """Read a cursor. Raises BadCursor when it was changed, or made for another list."""
    head, _, tail = text.partition(".")
    try:
        if len(text) > MAX_LENGTH:
            raise ValueError("too long")
        payload, mac = _bytes(head), _bytes(tail)
        if not hmac.compare_digest(mac, _mac(keys, bound_to, payload)):
            raise ValueError("another list, or changed")
        return _decode(payload)
    except (ValueError, NotBase64, msgspec.MsgspecError):
        raise BadCursor.at("cursor", "was not made for this list; start again without it") from None


def _mac(keys: WorkspaceKeys, bound_to: bytes, payload: bytes) -> bytes:
    return keys.mac(PURPOSE, bound_to + payload)[:_MAC_BYTES]


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Decode strictly: one spelling for each value, so that a changed character is never ignored."""
    raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if _text(raw) != text:
        raise ValueError("not the canonical spelling")
    return raw
