"""Rows with what proves them, in pieces: envelope, content and salt as stored, the path to the head.

Each row is checked before it is handed out, so that a pack never holds what would not verify.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import msgspec

from provenance.core.actor import Actor
from provenance.core.db import Database, ReadTx
from provenance.evidence import queries
from provenance.evidence.schemas import Cited
from provenance.ledger.catalogue.cache import Catalogues
from provenance.ledger.entry import Columns
from provenance.ledger.log import queries as log_queries
from provenance.ledger.log import service as log
from provenance.ledger.log.envelopes import envelope_of
from provenance.ledger.log.errors import RowDiffers
from provenance.proof.canonical import canonical
from provenance.proof.json_proof import write_json_proof
from provenance.proof.leaf import content_digest, leaf_hash
from provenance.proof.notes import Note
from provenance.proof.tile_tree import TileTree, tiles_for_inclusion
from provenance.proof.tiles import WIDTH, tile_at

ROWS_AT_ONCE = 500
_encode = msgspec.json.Encoder().encode


class Sealed(NamedTuple):
    """One record: its number, its row, the canonical envelope, and the path from its leaf to the head."""

    number: int
    row: Columns
    envelope: bytes
    path: list[bytes]

    @property
    def line(self) -> bytes:
        """The record as a line of canonical JSON."""
        row = self.row
        content = b"null" if row.content is None else row.content.encode()
        salt = b"null" if row.salt is None else b'"%b"' % row.salt.hex().encode()
        path = canonical([each.hex() for each in self.path])
        return b'{"content":%b,"envelope":%b,"number":%d,"path":%b,"salt":%b}\n' % (
            content,
            self.envelope,
            self.number,
            path,
            salt,
        )

    def alone(self, note: Note) -> bytes:
        """The record as a proof that stands alone (spec/proof.md, 4)."""
        content = None if self.row.content is None else self.row.content.encode()
        return write_json_proof(self.envelope, self.number - 1, self.path, note, content, self.row.salt)


async def records_of(db: Database, actor: Actor, catalogues: Catalogues, cited: Cited) -> AsyncIterator[list[Sealed]]:
    """Yield the records of a piece of evidence, up to 500 at a time. Raises RowDiffers for a changed one."""
    for at in range(0, len(cited.numbers), ROWS_AT_ONCE):
        numbers = cited.numbers[at : at + ROWS_AT_ONCE]
        async with db.read(actor) as tx:
            piece, tree = await _piece(tx, catalogues, numbers, cited.size)
        yield await asyncio.to_thread(_prove, piece, tree)


async def _piece(
    tx: ReadTx, catalogues: Catalogues, numbers: Sequence[int], size: int
) -> tuple[list[tuple[int, Columns, bytes]], TileTree]:
    rows = await queries.rows(tx, numbers)
    if [number for number, _ in rows] != list(numbers):
        raise RowDiffers(min(set(numbers) - {number for number, _ in rows}))
    catalogue = await catalogues.within(tx)
    wanted = {tile_at(size, 0, (number - 1) // WIDTH) for number in numbers}
    for number in numbers:
        wanted.update(tiles_for_inclusion(size, number - 1))
    tree = await log.tree_for(tx, size, wanted)
    return [(number, row, envelope_of(row, catalogue)) for number, row in rows], tree


def _prove(piece: Sequence[tuple[int, Columns, bytes]], tree: TileTree) -> list[Sealed]:
    found = []
    for number, row, envelope in piece:
        if not leaf_hash(envelope) == row.leaf_hash == tree.leaf(number - 1) or not _content_fits(row):
            raise RowDiffers(number)
        found.append(Sealed(number, row, envelope, tree.inclusion_proof(number - 1)))
    return found


def _content_fits(row: Columns) -> bool:
    if row.content is None or row.salt is None:
        return row.content is None and row.salt is None
    return content_digest(row.salt, row.content.encode()) == row.content_digest


async def stored(tx: ReadTx, catalogues: Catalogues, first: int, limit: int) -> bytes:
    """Return rows by their numbers as JSON, as they stand in the table, whether or not they fit the log.

    ``index``: the columns that are searched, which repeat what the content says. The content of a platform row is
    left out for a caller who sees such rows masked.
    """
    rows = await log_queries.rows(tx, first - 1, limit)
    catalogue = await catalogues.within(tx)
    whole = tx.actor.reads_platform_rows
    found = [_stored(number, row, envelope_of(row, catalogue), whole or not row.platform) for number, row in rows]
    return b'{"records":[%b]}' % b",".join(found)


def _stored(number: int, row: Columns, envelope: bytes, seen: bool) -> bytes:
    content = row.content.encode() if seen and row.content is not None else b"null"
    salt = b'"%b"' % row.salt.hex().encode() if seen and row.salt is not None else b"null"
    index = {"resourceId": row.resource_id, "userId": row.user_id, "externalReference": row.external_reference}
    parts = (content, envelope, _encode(index) if seen else b"null", b"false" if seen else b"true", number, salt)
    return b'{"content":%b,"envelope":%b,"index":%b,"masked":%b,"number":%d,"salt":%b}' % parts
