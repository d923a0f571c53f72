"""Cursors of exports: which head a stream is pinned to, when it began, and after which row it starts.

``<epoch>.<size>.<moment>.<cursor of a list>``: the list's cursor carries the MAC, and it covers what stands before it
and all that was asked for, so that a place of another export, filter or workspace is refused.
"""

import re
from typing import NamedTuple

from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.interactions import cursors
from provenance.ledger.interactions.cursors import BadCursor, Cursor
from provenance.ledger.interactions.queries import Key

_FORM = re.compile(r"(\d{1,9})\.(\d{1,19})\.(\d{1,19})\.(.+)", re.ASCII)


class Place(NamedTuple):
    """Where a stream starts: the head by its epoch and size, its moment in nanoseconds, the row before its first."""

    epoch: int
    size: int
    started_at: int
    after: Key | None

    @property
    def pin(self) -> tuple[int, int, int]:
        """What all parts of an export share."""
        return self.epoch, self.size, self.started_at


def write(keys: WorkspaceKeys, asked: bytes, place: Place) -> str:
    """Write a place; ``asked`` is the digest of what was asked for."""
    text = cursors.write(keys, cursors.binding(asked.hex(), place.pin), Cursor(at=place.after or (0, 0)))
    return ".".join([*map(str, place.pin), text])


def read(keys: WorkspaceKeys, asked: bytes, text: str) -> Place:
    """Read a place. Raises BadCursor when it was changed, or made for another export."""
    form = _FORM.fullmatch(text)
    if form is None:
        raise BadCursor.at("cursor", "was not made for this export; start again without it")
    pin = (int(form[1]), int(form[2]), int(form[3]))
    at = cursors.read(keys, cursors.binding(asked.hex(), pin), form[4]).at
    return Place(*pin, after=at if at != (0, 0) else None)
