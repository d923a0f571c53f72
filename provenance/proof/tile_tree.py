"""A Merkle tree read from its tiles: root, leaves, inclusion and consistency proofs.

Nothing is fetched here. Ask first which tiles a proof needs, get them in whatever way suits, and hand in a
function that gives the bytes of each: `TileTree(size, tiles.__getitem__)`.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from provenance.proof.leaf import node_hash
from provenance.proof.merkle import EMPTY_ROOT
from provenance.proof.tiles import HEIGHT, WIDTH, Tile, full_tile_root, tile_at, unpack_hashes

Read = Callable[[Tile], bytes]
"""Gives the bytes of a tile; what it raises passes through."""


class _Node(NamedTuple):
    """The root over leaves [place · 2^height, (place + 1) · 2^height)."""

    height: int
    place: int

    @property
    def level(self) -> int:
        return self.height // HEIGHT

    @property
    def hashes(self) -> tuple[int, int]:
        """From which to which hash of its level of tiles this node reaches."""
        shift = self.height % HEIGHT
        return self.place << shift, (self.place + 1) << shift


_Range = tuple[int, int]


class TileTree:
    """The tree over the first `size` leaves of a log; each tile is read once."""

    def __init__(self, size: int, read: Read) -> None:
        self.size = size
        self._read = read
        self._tiles: dict[Tile, list[bytes]] = {}
        self._inner: dict[_Node, bytes] = {}

    def root(self) -> bytes:
        """The RFC 6962 root. Raises `MalformedTile` for a tile of another length, as all of these do."""
        return self._over((0, self.size)) if self.size else EMPTY_ROOT

    def leaf(self, index: int) -> bytes:
        """The hash of one leaf. Raises IndexError for a leaf outside the tree."""
        if not 0 <= index < self.size:
            raise IndexError(f"a tree of {self.size} leaves has no leaf {index}")
        return self._node(_Node(0, index))

    def inclusion_proof(self, index: int) -> list[bytes]:
        """The audit path of one leaf (RFC 9162, 2.1.3.1). Raises IndexError for a leaf outside the tree."""
        return [self._over(each) for each in _inclusion_ranges(self.size, index)]

    def consistency_proof(self, old_size: int) -> list[bytes]:
        """The proof that the log of `old_size` leaves is a prefix of this one (RFC 9162, 2.1.4.1).

        Empty for no leaves and for all of them. Raises IndexError for a size beyond the tree.
        """
        return [self._over(each) for each in _consistency_ranges(self.size, old_size)]

    def _over(self, leaves: _Range) -> bytes:
        *left, root = [self._node(node) for node in _nodes(leaves)]
        for each in reversed(left):
            root = node_hash(each, root)
        return root

    def _node(self, node: _Node) -> bytes:
        """Proofs of neighbours share most of their nodes: those inside a tile are computed once."""
        found = self._inner.get(node)
        if found is not None:
            return found
        start, end = node.hashes
        hashes = self._hashes(tile_at(self.size, node.level, start // WIDTH))
        first = start % WIDTH
        if end - start == 1:
            return hashes[first]
        found = self._inner[node] = full_tile_root(hashes[first : first + end - start])
        return found

    def _hashes(self, tile: Tile) -> list[bytes]:
        if tile not in self._tiles:
            self._tiles[tile] = unpack_hashes(tile, self._read(tile))
        return self._tiles[tile]


def tiles_for_inclusion(size: int, index: int) -> list[Tile]:
    """The tiles from which the inclusion proof of a leaf is made. Raises IndexError as that does."""
    return _tiles_of(size, _inclusion_ranges(size, index))


def tiles_for_consistency(size: int, old_size: int) -> list[Tile]:
    """The tiles from which the proof that a log grew from `old_size` is made. Raises IndexError as that does."""
    return _tiles_of(size, _consistency_ranges(size, old_size))


def _tiles_of(size: int, ranges: Iterable[_Range]) -> list[Tile]:
    nodes = [node for each in ranges for node in _nodes(each)]
    return sorted({tile_at(size, node.level, node.hashes[0] // WIDTH) for node in nodes})


def _nodes(leaves: _Range) -> list[_Node]:
    """The whole subtrees, from left to right and from large to small, that a subtree of the RFC is made of."""
    start, end = leaves
    nodes = []
    while start < end:
        height = (end - start).bit_length() - 1
        nodes.append(_Node(height, start >> height))
        start += 1 << height
    return nodes


def _inclusion_ranges(size: int, index: int) -> list[_Range]:
    """The leaves under each hash of an inclusion proof, from the leaf's sibling up."""
    if not 0 <= index < size:
        raise IndexError(f"a tree of {size} leaves has no leaf {index}")
    ranges, start, end = [], 0, size
    while end - start > 1:
        middle = _middle(start, end)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def _consistency_ranges(size: int, old_size: int) -> list[_Range]:
    """The leaves under each hash of a consistency proof, in its order."""
    if not 0 <= old_size <= size:
        raise IndexError(f"a tree of {size} leaves was never of size {old_size}")
    ranges, start, end = [], 0, size
    while 0 < old_size < end:
        middle = _middle(start, end)
        if old_size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start:
        ranges.append((start, end))
    return ranges[::-1]


def _middle(start: int, end: int) -> int:
    """Where the RFC splits: after the largest power of two smaller than the number of leaves."""
    return start + (1 << (end - start - 1).bit_length() - 1)
