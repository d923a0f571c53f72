"""What proves the records of a page: each row is checked against its own seal before it goes out.

The tiles that the proofs of a page need are read once; the proofs are made from them without the database.
"""

from collections.abc import Sequence

from provenance.core.db import ReadTx
from provenance.ledger.catalogue.cache import Catalogue
from provenance.ledger.entry import Columns
from provenance.ledger.export.schemas import Frame
from provenance.ledger.log import service as log
from provenance.ledger.log.envelopes import envelope_of
from provenance.ledger.log.errors import RowDiffers
from provenance.proof.json_proof import write_json_proof
from provenance.proof.leaf import content_digest, leaf_hash
from provenance.proof.notes import Note
from provenance.proof.tile_tree import TileTree, tiles_for_inclusion
from provenance.proof.tiles import WIDTH, tile_at


class Evidence:
    """Checks the rows of one page, and proves them when their tiles are at hand."""

    def __init__(self, note: Note, tree: TileTree | None) -> None:
        """Take the signed head and its tree; without a tree rows are checked, not proven."""
        self._note, self._tree = note, tree

    def of(self, number: int, row: Columns, catalogue: Catalogue, *, masked: bool) -> tuple[bytes, bytes | None]:
        """Return the leaf hash of a row, and its JSON proof; a masked row's holds no content.

        Raises RowDiffers when the row is not stored as it was recorded and signed.
        """
        envelope = envelope_of(row, catalogue)
        if leaf_hash(envelope) != row.leaf_hash or not _sealed(row):
            raise RowDiffers(number)
        if self._tree is None:
            return row.leaf_hash, None
        if self._tree.leaf(number - 1) != row.leaf_hash:
            raise RowDiffers(number)
        shown = not masked and row.content is not None
        content = row.content.encode() if shown and row.content is not None else None
        path = self._tree.inclusion_proof(number - 1)
        salt = row.salt if shown else None
        return row.leaf_hash, write_json_proof(envelope, number - 1, path, self._note, content, salt)


def _sealed(row: Columns) -> bool:
    """Tell whether the content is the one that the envelope commits to; that of an erased row is gone."""
    if row.content is None or row.salt is None:
        return row.content is None and row.salt is None
    return content_digest(row.salt, row.content.encode()) == row.content_digest


async def evidence_for(tx: ReadTx, frame: Frame, numbers: Sequence[int]) -> Evidence | None:
    """Return what proves these rows the way that was asked for; None for no proofs."""
    if frame.proofs == "none":
        return None
    if frame.proofs == "reference" or not numbers:
        return Evidence(frame.note, None)
    size = frame.head.size
    wanted = {tile for number in numbers for tile in tiles_for_inclusion(size, number - 1)}
    wanted |= {tile_at(size, 0, (number - 1) // WIDTH) for number in numbers}
    return Evidence(frame.note, await log.tree_for(tx, size, wanted))
