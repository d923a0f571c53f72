"""The growing edge of a log: takes leaf hashes and gives back every tile that they complete, and the root.

All it needs to go on after a stop are the partial tiles of the log's size, at most one a level. A writer that
compares `root()` with the last signed head before it appends can never sign a head that does not extend it.
"""

from collections.abc import Callable, Sequence

from provenance.proof.merkle import EMPTY_ROOT, tree_root
from provenance.proof.strict import HASH_BYTES
from provenance.proof.tiles import HEIGHT, WIDTH, MalformedTile, Tile, full_tile_root, partial, unpack_hashes

Written = tuple[Tile, bytes]
"""A tile and its bytes."""


class Frontier:
    """The partial tiles of a log of `size` leaves, held in memory: a few kilobytes for any size.

    `read` gives the bytes of each tile in `partial(size)`; for an empty log it is never called. Raises
    `MalformedTile` if one of them has another length, and whatever `read` raises.
    """

    def __init__(self, size: int, read: Callable[[Tile], bytes]) -> None:
        self.size = size
        self._levels: list[list[bytes]] = [[]]
        for tile in partial(size):
            self._level(tile.level).extend(unpack_hashes(tile, read(tile)))

    def append(self, leaves: Sequence[bytes]) -> list[Written]:
        """Take the hashes of the next leaves; the full tiles this completes, each after those below it.

        These are the tiles of `completed(old size, new size)`. Raises `MalformedTile` for a hash that has
        not 32 bytes, and then nothing has been taken.
        """
        if any(len(leaf) != HASH_BYTES for leaf in leaves):
            raise MalformedTile(f"A leaf hash has {HASH_BYTES} bytes.")
        written: list[Written] = []
        at = 0
        while at < len(leaves):
            taken = leaves[at : at + WIDTH - len(self._levels[0])]
            self._levels[0].extend(taken)
            self.size += len(taken)
            at += len(taken)
            self._complete(written)
        return written

    def root(self) -> bytes:
        """The RFC 6962 root over all leaves so far: what a level has, with the root of all below at its end."""
        below: list[bytes] = []
        for hashes in self._levels:
            if hashes or below:
                below = [tree_root(hashes + below)]
        return below[0] if below else EMPTY_ROOT

    def partial(self) -> list[Written]:
        """The partial tiles of the log as it is now, from the lowest: what another frontier starts from."""
        return [(tile, b"".join(self._levels[tile.level])) for tile in partial(self.size)]

    def _complete(self, written: list[Written]) -> None:
        """Close every tile that is full, from the leaves up, and carry its root to the level above."""
        level = 0
        while len(self._levels[level]) == WIDTH:
            full = self._levels[level]
            index = (self.size >> HEIGHT * (level + 1)) - 1
            written.append((Tile(level, index), b"".join(full)))
            self._levels[level] = []
            self._level(level + 1).append(full_tile_root(full))
            level += 1

    def _level(self, level: int) -> list[bytes]:
        while len(self._levels) <= level:
            self._levels.append([])
        return self._levels[level]
