"""Growing a stretch of the tree anew: its tiles and the heads over it against what is stored. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from provenance.ledger.entry import Columns
from provenance.ledger.log.schemas import Head, LogState
from provenance.ledger.self_audit.schemas import Finding, Kind, Progress
from provenance.proof.checkpoints import Checkpoint, open_checkpoint
from provenance.proof.frontier import Frontier, Written
from provenance.proof.notes import Note, UnverifiedNote, VerifierKey
from provenance.proof.strict import HASH_BYTES, Malformed
from provenance.proof.tiles import HEIGHT, WIDTH, Tile, partial

SKEW_NS = 10**9
"""How far the clocks of a server and of the worker that signs may be apart."""


class Stretch(NamedTuple):
    """The rows of one step, numbers (progress.size, upto], with what was signed for them."""

    state: LogState
    progress: Progress
    upto: int
    rows: dict[int, Columns]
    tiles: dict[tuple[int, int], bytes]
    heads: list[Head]

    @property
    def numbers(self) -> range:
        """The numbers that should be there."""
        return range(self.progress.size + 1, self.upto + 1)

    def signed(self, number: int) -> bytes | None:
        """Return the leaf hash that stands under the signed head; None when neither tile nor row is there."""
        tile = self.tiles.get((0, (number - 1) // WIDTH))
        if tile is not None:
            at = (number - 1) % WIDTH * HASH_BYTES
            return tile[at : at + HASH_BYTES]
        return self.rows[number].leaf_hash if number in self.rows else None


class Growth:
    """The tree over a stretch: what does not fit (``findings``), and the edge to go on from.

    ``broken``: a leaf is nowhere to be found, and the tree can't be grown beyond it.
    """

    def __init__(self, stretch: Stretch, keys: Sequence[VerifierKey]) -> None:
        self._stretch = stretch
        self._keys = keys
        self._checked = stretch.progress.size
        self._frontier = Frontier(stretch.progress.size, tiles_of(stretch.progress).__getitem__)
        self.findings: list[Finding] = []
        self.broken = False
        for head in stretch.heads:
            if self._grow(head.size):
                self._check_head(head)
        if self._grow(stretch.upto) and stretch.upto == stretch.state.size:
            self._check_root(stretch.state.root, stretch.state.size)

    @property
    def edge(self) -> bytes:
        """The partial tiles of levels 1 and up, from the lowest."""
        return b"".join(hashes for tile, hashes in self._frontier.partial() if tile.level)

    def _grow(self, size: int) -> bool:
        leaves = []
        for number in range(self._frontier.size + 1, size + 1):
            leaf = self._stretch.signed(number)
            if leaf is None or self.broken:
                self.broken = True
                return False
            leaves.append(leaf)
        self._compare(self._frontier.append(leaves))
        return True

    def _compare(self, made: Iterable[Written]) -> None:
        for tile, hashes in made:
            if self._stretch.tiles.get((tile.level, tile.index)) != hashes:
                span = 1 << HEIGHT * (tile.level + 1)
                self.findings.append(Finding(Kind.TREE, tile.index * span + 1, (tile.index + 1) * span))

    def _check_root(self, root: bytes, size: int) -> None:
        if self._frontier.root() != root:
            first = self._checked + 1 if self._checked < size else 1
            self.findings.append(Finding(Kind.HEAD, first, size))
        else:
            self._checked = size

    def _check_head(self, head: Head) -> None:
        first = self._checked + 1
        self._check_root(head.root, head.size)
        try:
            signed = open_checkpoint(Note.parse(head.note), self._keys)
        except (Malformed, UnverifiedNote):
            self.findings.append(Finding(Kind.KEY, first, head.size))
            return
        if signed != Checkpoint(signed.origin, head.size, head.root):
            self.findings.append(Finding(Kind.HEAD, first, head.size))
        for number in range(first, head.size + 1):
            row = self._stretch.rows.get(number)
            if row is not None and row.recorded_at > head.signed_at + SKEW_NS:
                self.findings.append(Finding(Kind.TIME, number, number))


def tiles_of(progress: Progress) -> dict[Tile, bytes]:
    """Return the partial tiles from which a pass goes on; between whole tiles there is none of level 0."""
    found, at = {}, 0
    for tile in partial(progress.size):
        found[tile] = progress.edge[at : at + tile.width * HASH_BYTES]
        at += tile.width * HASH_BYTES
    return found
