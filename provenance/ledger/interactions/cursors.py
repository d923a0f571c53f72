"""Cursors: where a list goes on, in a form that only this server can make.

A cursor is the JSON of a `Cursor` and a MAC, both in base64url without padding, joined by a dot. The MAC,
under a key of the workspace, also covers what the list was asked for; so a cursor of another filter, order or
workspace is refused.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from provenance.core.cursors import BadCursor, binding, opened, sealed
from provenance.core.keyring import WorkspaceKeys

__all__ = ["BadCursor", "Cursor", "binding", "read", "write"]

PURPOSE = "ledger.cursor"
_Whole = Annotated[int, Meta(ge=0, le=2**63 - 1)]


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


def write(keys: WorkspaceKeys, bound_to: bytes, cursor: Cursor) -> str:
    """Write a cursor for the list that ``bound_to`` (a `binding`) stands for."""
    return sealed(keys, PURPOSE, bound_to, _encode(cursor))


def read(keys: WorkspaceKeys, bound_to: bytes, text: str) -> Cursor:
    """Read a cursor. Raises BadCursor when it was changed, or made for another list."""
    payload = opened(keys, PURPOSE, bound_to, text)
    try:
        return _decode(payload)
    except msgspec.MsgspecError:
        raise BadCursor.at("cursor", "was not made for this list; start again without it") from None
