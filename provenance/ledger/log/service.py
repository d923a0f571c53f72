"""Reading a log: its newest head, its tiles and entries, proofs of single rows, consistency between two sizes."""

import uuid
from collections.abc import Collection
from typing import NamedTuple

from provenance.core.clock import iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.errors import NotAllowed, NotFound
from provenance.ledger.catalogue.cache import Catalogues
from provenance.ledger.entry import Columns
from provenance.ledger.log import queries
from provenance.ledger.log.envelopes import envelope_of
from provenance.ledger.log.errors import BeyondTheLog, NoSuchLog, NoSuchTile, NotIntegrated, RowDiffers
from provenance.ledger.log.schemas import Consistency, Head, LogKey, LogKeys, LogState, LogStatus, Public, WitnessStatus
from provenance.ledger.self_audit import queries as self_audit_queries
from provenance.ledger.service import Fact, record
from provenance.ledger.witness import queries as witness_queries
from provenance.proof.json_proof import write_json_proof
from provenance.proof.leaf import leaf_hash
from provenance.proof.notes import Note
from provenance.proof.proof_file import ProofFile
from provenance.proof.strict import HASH_BYTES
from provenance.proof.tile_tree import TileTree, tiles_for_consistency, tiles_for_inclusion
from provenance.proof.tiles import (
    HEIGHT,
    WIDTH,
    Bundle,
    MalformedTile,
    Tile,
    pack_entries,
    parse_path,
    partial,
    tile_at,
)

INCIDENTS_COUNTED = 1_000
"""Beyond this the status says as much and no more."""


class Proven(NamedTuple):
    """A row with what proves it: its place, the audit path, and the head the path leads to."""

    number: int
    row: Columns
    envelope: bytes
    path: list[bytes]
    head: Head

    @property
    def proof_file(self) -> str:
        """The proof as a ``tlog-proof`` file."""
        return str(ProofFile(self.number - 1, tuple(self.path), Note.parse(self.head.note)))

    @property
    def document(self) -> bytes:
        """The proof as JSON, with content and salt (spec/proof.md, 4)."""
        content = None if self.row.content is None else self.row.content.encode()
        note = Note.parse(self.head.note)
        return write_json_proof(self.envelope, self.number - 1, self.path, note, content, self.row.salt)


async def signed_state(tx: ReadTx) -> LogState:
    """Return the state of the workspace's log. Raises NotIntegrated while nothing is signed."""
    found = await queries.state(tx)
    if found is None or found.size == 0:
        raise NotIntegrated()
    return found


async def newest_head(tx: ReadTx) -> Head:
    """Return the newest signed head. Raises NotIntegrated."""
    state = await signed_state(tx)
    found = await queries.head(tx, state.epoch)
    if found is None:
        raise NotIntegrated()
    return found


async def cite(tx: WriteTx) -> tuple[Head, LogState]:
    """Return the newest signed head, kept from now on because something refers to it. Raises NotIntegrated.

    The lock of the state row keeps the integrator from putting a newer head in its place meanwhile.
    """
    state = await queries.locked_state(tx)
    found = await queries.head(tx, state.epoch) if state.size else None
    if found is None:
        raise NotIntegrated()
    await queries.keep_head(tx, state.epoch, found.size)
    return found, state


async def cited(tx: ReadTx, epoch: int, size: int) -> tuple[Head, LogState] | None:
    """Return a head that was cited; None when the log was begun anew since. Raises NotIntegrated."""
    state = await signed_state(tx)
    found = await queries.head(tx, epoch, size) if state.epoch == epoch else None
    return None if found is None else (found, state)


async def prove(
    tx: ReadTx, catalogues: Catalogues, interaction_id: uuid.UUID | None, *, head: Head | None = None
) -> Proven:
    """Prove one row against a head, the newest by default.

    Raises NotFound, NotIntegrated, and RowDiffers when what is stored is not what was recorded.
    """
    found = None if interaction_id is None else await queries.find(tx, interaction_id)
    if found is None:
        raise NotFound("There is no interaction with this id.")
    number, row, state, newest = found
    head = head or newest
    if head is None or number > head.size:
        raise NotIntegrated()
    envelope = await sealed_envelope(tx, catalogues, number, row)
    place = tile_at(head.size, 0, (number - 1) // WIDTH)  # a leaf's own tile need not be on its path
    wanted = {place, *tiles_for_inclusion(head.size, number - 1)}
    tree = TileTree(head.size, (await read_tiles(tx, state, wanted)).__getitem__)
    if tree.leaf(number - 1) != row.leaf_hash:
        raise RowDiffers(number)
    return Proven(number, row, envelope, tree.inclusion_proof(number - 1), head)


async def sealed_envelope(tx: ReadTx, catalogues: Catalogues, number: int, row: Columns) -> bytes:
    """Return a row's envelope. Raises RowDiffers when it is not the one that was hashed when it was recorded."""
    envelope = envelope_of(row, await catalogues.within(tx))
    if leaf_hash(envelope) != row.leaf_hash:
        raise RowDiffers(number)
    return envelope


async def tree_for(tx: ReadTx, size: int, wanted: Collection[Tile]) -> TileTree:
    """Return the tree of a signed size with these tiles at hand."""
    state = await signed_state(tx)
    read = await read_tiles(tx, state, wanted)
    return TileTree(size, read.__getitem__)


async def read_tiles(tx: ReadTx, state: LogState, wanted: Collection[Tile]) -> dict[Tile, bytes]:
    """Return the bytes of tiles of the log as signed. Raises NoSuchTile for one beyond it."""
    for tile in wanted:
        if available(state.size, tile) < tile.width:
            raise NoSuchTile("The signed log does not reach that far.")
    stored = [tile for tile in wanted if available(state.size, tile) == WIDTH]
    kept = await queries.tiles(tx, state.epoch, [(tile.level, tile.index) for tile in stored]) if stored else {}
    found = {}
    for tile in wanted:
        if (tile.level, tile.index) in kept:
            found[tile] = kept[tile.level, tile.index][: tile.width * HASH_BYTES]
        elif tile.level == 0:
            found[tile] = await queries.hashes(tx, tile.index * WIDTH, tile.width)
        else:
            found[tile] = _edge_of(state, tile)
    return found


def available(size: int, tile: Tile) -> int:
    """Return how many hashes the tile at this place has in a log of this size, from 0 to 256."""
    return max(0, min(WIDTH, (size >> HEIGHT * tile.level) - tile.index * WIDTH))


def _edge_of(state: LogState, tile: Tile) -> bytes:
    at = 0
    for each in partial(state.size):
        if each.level == 0:
            continue
        if each.level == tile.level:
            return state.edge[at : at + tile.width * HASH_BYTES]
        at += each.width * HASH_BYTES
    raise NoSuchTile("A tile of the signed log is not stored. Run: provenance log check")


async def tile(tx: ReadTx, catalogues: Catalogues, path: str) -> bytes:
    """Return the bytes of ``tile/…``: hashes, or entries. Raises NoSuchTile and NotIntegrated."""
    try:
        place = parse_path(path)
    except MalformedTile:
        raise NoSuchTile("This is not the path of a tile.") from None
    state = await signed_state(tx)
    if isinstance(place, Bundle):
        return await _entries(tx, catalogues, state, place)
    return (await read_tiles(tx, state, [place]))[place]


async def _entries(tx: ReadTx, catalogues: Catalogues, state: LogState, bundle: Bundle) -> bytes:
    if available(state.size, Tile(0, bundle.index)) < bundle.width:
        raise NoSuchTile("The signed log does not reach that far.")
    rows = await queries.rows(tx, bundle.index * WIDTH, bundle.width)
    catalogue = await catalogues.within(tx)
    return pack_entries([envelope_of(row, catalogue) for _, row in rows])


async def consistency(tx: ReadTx, old: int, new: int | None) -> Consistency:
    """Prove that the log of ``old`` leaves is a prefix of the one of ``new`` (the signed size by default).

    Raises BeyondTheLog and NotIntegrated.
    """
    state = await signed_state(tx)
    size = state.size if new is None else new
    if size > state.size or old > size:
        raise BeyondTheLog.at("to" if size > state.size else "from", f"the signed log has {state.size} entries")
    tree = await tree_for(tx, size, tiles_for_consistency(size, old))
    head = await queries.head(tx, state.epoch, size)
    path = [each.hex() for each in tree.consistency_proof(old)]
    return Consistency(from_size=old, to_size=size, path=path, checkpoint=None if head is None else head.note)


async def verifier_key(tx: ReadTx) -> str:
    """Return the verifier key of the log's newest heads. Raises NotIntegrated."""
    known = await queries.keys(tx)
    if not known:
        raise NotIntegrated()
    return str(known[-1].verifier_key)


async def keys(tx: ReadTx) -> LogKeys:
    """Return every signing key the log has had."""
    return LogKeys(
        keys=[
            LogKey(
                origin=row.origin,
                verifier_key=row.verifier_key,
                from_size=row.from_size,
                successor_note=row.successor_note,
                created_at=iso_millis(row.created_at),
            )
            for row in await queries.keys(tx)
        ]
    )


async def status(tx: ReadTx) -> LogStatus:
    """Return how far the log is."""
    state = await queries.state(tx)
    assert state is not None, "a workspace is made with its log"
    size, known = await queries.last_number(tx), await queries.keys(tx)
    audited = await self_audit_queries.progress(tx)
    finished_at = None if audited is None else audited.finished_at
    cosigned = await witness_queries.cosigned(tx)
    return LogStatus(
        origin=state.origin,
        epoch=state.epoch,
        size=size,
        integrated_size=state.size,
        lag=max(0, size - state.size),
        checkpoint_at=None if state.signed_at is None else iso_millis(state.signed_at),
        verifier_key=known[-1].verifier_key if known else None,
        public_log=await queries.public_of(tx),
        halted=state.halted,
        last_self_audit=None if finished_at is None else iso_millis(finished_at),
        self_audited_size=None if audited is None else audited.finished_size,
        incidents=len(await self_audit_queries.incidents(tx, INCIDENTS_COUNTED)),
        cosigned_size=cosigned[1] if cosigned and cosigned[0] == state.epoch else None,
        witnesses=[
            WitnessStatus(
                name=witness.name,
                url=witness.url,
                last_size=answer.size if answer.epoch == state.epoch else 0,
                last_at=None if answer.cosigned_at is None else iso_millis(answer.cosigned_at),
                state=answer.state,
                error=answer.error,
            )
            for witness, answer in await witness_queries.asked(tx, await witness_queries.instance(tx))
        ],
    )


async def publish(tx: WriteTx, public: Public) -> None:
    """Say how much of the log outsiders may read."""
    await queries.change(tx, public=public)
    record(
        tx,
        Fact(
            resource_type="LEDGER",
            action="LOG_PUBLISHED",
            resource_id="log",
            data={"publicLog": public},
            risk="high",
            domain="ledger",
        ),
    )


async def published(tx: ReadTx, origin: str, *, whole: bool) -> uuid.UUID:
    """Return whose log is published under an origin; ``whole``: with its tiles. Raises NoSuchLog."""
    found = await queries.published(tx, origin)
    if found is None or found[1] not in (("all",) if whole else ("checkpoints", "all")):
        raise NoSuchLog("No log of this origin is published here.")
    return found[0]


def refuse_masked(row: Columns, *, sees_platform: bool) -> None:
    """Refuse to hand out the content of a platform row to who sees such rows masked. Raises NotAllowed."""
    if row.platform and not sees_platform:
        raise NotAllowed(
            "The content of platform rows is for editors and keys with audit:read. "
            "The .tlog-proof form (Accept: text/plain) holds no content."
        )
