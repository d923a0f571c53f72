"""Tiles (c2sp.org/tlog-tiles): where the hashes and entries of a log stand, and what is in each file.

Everything here is arithmetic on sizes and bytes. A tile of level 0 holds up to 256 leaf hashes; one hash of
a higher level is the root of a full tile below it. The rightmost tile of a level may be partial.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from provenance.proof.strict import HASH_BYTES, MAX_COUNT, Malformed

WIDTH: Final = 256
"""Hashes in a full tile, entries in a full bundle."""

HEIGHT: Final = 8
"""Levels of the Merkle tree from one level of tiles to the next: 2^8 = 256."""

MAX_LEVEL: Final = 63
MAX_ENTRY_BYTES: Final = 0xFFFF

_NODE: Final = b"\x01"
_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class MalformedTile(Malformed):
    """A path that names no tile, or bytes that are not what the tile should hold."""


class EntryTooLarge(ValueError):
    """An entry of more than 65,535 bytes, which no bundle can hold."""


@dataclass(frozen=True, order=True, slots=True)
class Tile:
    """A tile of hashes: its level, its place in the level from the left, and how many hashes it holds.

    Raises `MalformedTile` for what cannot be: a level outside 0 … 63, a width outside 1 … 256.
    """

    level: int
    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if not 0 <= self.level <= MAX_LEVEL:
            raise MalformedTile(f"There is no level {self.level} of tiles.")
        _refuse_place(self.index, self.width)

    @property
    def path(self) -> str:
        """`tile/<level>/<index>[.p/<width>]`."""
        return f"tile/{self.level}/{_spell_place(self.index, self.width)}"


@dataclass(frozen=True, order=True, slots=True)
class Bundle:
    """A bundle of entries, parallel to the tile of level 0 with the same index and width."""

    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        _refuse_place(self.index, self.width)

    @property
    def path(self) -> str:
        """`tile/entries/<index>[.p/<width>]`."""
        return f"tile/entries/{_spell_place(self.index, self.width)}"


def parse_path(path: str) -> Tile | Bundle:
    """What `tile/…` names. Raises `MalformedTile` for every spelling that `path` would not give back."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise MalformedTile("This is not the path of a tile.")
    level, index, width = match[1], int(match[2].replace("/", "").replace("x", "")), int(match[3] or WIDTH)
    place = Bundle(index, width) if level == "entries" else Tile(int(level), index, width)
    if place.path != path:
        raise MalformedTile("This is not the path of a tile in its usual spelling.")
    return place


def completed(old: int, new: int) -> Iterator[Tile]:
    """The full tiles that a log has at `new` leaves and had not at `old`, level by level from the leaves.

    From 0 these are all full tiles. The bundles to write are those of level 0.
    """
    for level in range(MAX_LEVEL + 1):
        span = HEIGHT * (level + 1)
        if new >> span == 0:
            return
        for index in range(old >> span, new >> span):
            yield Tile(level, index)


def partial(size: int) -> list[Tile]:
    """The partial tiles of a log of this size, at most one a level; together they carry its root."""
    levels = range((size.bit_length() + HEIGHT - 1) // HEIGHT)
    counts = [(level, size >> HEIGHT * level) for level in levels]
    return [Tile(level, count // WIDTH, count % WIDTH) for level, count in counts if count % WIDTH]


def tile_at(size: int, level: int, index: int) -> Tile:
    """The tile at this place in a log of this size, full or partial. Raises IndexError if there is none."""
    width = min(WIDTH, (size >> HEIGHT * level) - index * WIDTH)
    if index < 0 or width <= 0:
        raise IndexError(f"a log of {size} leaves has no tile {index} on level {level}")
    return Tile(level, index, width)


def pack_hashes(hashes: Sequence[bytes]) -> bytes:
    """The bytes of a tile of 1 to 256 hashes. Raises `MalformedTile`."""
    if not 1 <= len(hashes) <= WIDTH or any(len(each) != HASH_BYTES for each in hashes):
        raise MalformedTile(f"A tile is made of 1 to {WIDTH} hashes of {HASH_BYTES} bytes.")
    return b"".join(hashes)


def unpack_hashes(tile: Tile, data: bytes) -> list[bytes]:
    """The hashes in the bytes of this tile. Raises `MalformedTile` if there are more or fewer."""
    if len(data) != tile.width * HASH_BYTES:
        raise MalformedTile(f"{tile.path} has {len(data)} bytes instead of {tile.width * HASH_BYTES}.")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def full_tile_root(hashes: Sequence[bytes]) -> bytes:
    """The root over 256 hashes (or another power of two): one hash of the level above.

    `merkle.tree_root` gives the same; this one is the loop in which a log's writer spends its time.
    """
    level = hashes
    while len(level) > 1:
        each = iter(level)
        level = [sha256(_NODE + left + right).digest() for left, right in zip(each, each, strict=True)]
    return level[0]


def pack_entries(entries: Sequence[bytes]) -> bytes:
    """The bytes of a bundle of 1 to 256 entries; ours are envelopes. Raises `MalformedTile`, `EntryTooLarge`."""
    if not 1 <= len(entries) <= WIDTH:
        raise MalformedTile(f"A bundle is made of 1 to {WIDTH} entries.")
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise EntryTooLarge(f"an entry has at most {MAX_ENTRY_BYTES} bytes, not {len(entry)}")
    return b"".join([len(entry).to_bytes(2) + entry for entry in entries])


def unpack_entries(bundle: Bundle, data: bytes) -> list[bytes]:
    """The entries in the bytes of this bundle. Raises `MalformedTile` if there are more, fewer or half ones."""
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < bundle.width:
        end = at + 2 + int.from_bytes(data[at : at + 2])
        entries.append(data[at + 2 : end])
        at = end
    if at != len(data) or len(entries) != bundle.width:
        raise MalformedTile(f"{bundle.path} does not hold exactly {bundle.width} entries.")
    return entries


def _spell_place(index: int, width: int) -> str:
    """The index in groups of three digits, all but the last with an x before it, and the width if partial."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    return "/".join(reversed(groups)) + ("" if width == WIDTH else f".p/{width}")


def _refuse_place(index: int, width: int) -> None:
    if not 0 <= index <= MAX_COUNT or not 1 <= width <= WIDTH:
        raise MalformedTile(f"There is no tile {index} of width {width}.")
