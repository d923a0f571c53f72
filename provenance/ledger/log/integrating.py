"""The integrator: takes what the ledgers recorded into their trees and signs the new heads (spec/proof.md, 4).

Many logs share a transaction. The lock of a log's state row is the fence: a second integrator waits for nothing
and signs nothing. A head is signed only when the tree rebuilt from the edge still has the root that was signed
last, when numbers have no gap, and when no head outside the database says that the log was longer.
"""

import asyncio
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from provenance.core.clock import now_ns
from provenance.core.db import WriteTx
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.log import queries
from provenance.ledger.log.errors import RefusedToSign
from provenance.ledger.log.heads import Heads
from provenance.ledger.log.keys import origin_of, signer_of
from provenance.ledger.log.queries import Grown, Leaves
from provenance.ledger.log.schemas import Head, LogState
from provenance.ledger.service import Fact, Ledger, record
from provenance.proof.checkpoints import Checkpoint, sign_checkpoint
from provenance.proof.frontier import Frontier
from provenance.proof.merkle import EMPTY_ROOT
from provenance.proof.notes import Signer
from provenance.proof.strict import HASH_BYTES
from provenance.proof.tiles import WIDTH, Tile, partial

LEAVES_AT_ONCE = 65_536
"""Most leaves of one transaction: about 70 ms of hashing."""
MINUTE = 60 * 10**9
_SIGNERS_KEPT = 20_000

log: Any = structlog.get_logger("ledger.log")


class Integrator:
    """Integrates logs, any number at once. Keeps their signers, and the heads outside the database."""

    def __init__(self, ledger: Ledger, heads: Heads) -> None:
        """Take the ledger whose rows are integrated, and the file of heads."""
        self._ledger = ledger
        self._heads = heads
        self._signers: dict[tuple[uuid.UUID, str, int], Signer] = {}

    async def integrate(self, workspace_ids: Iterable[uuid.UUID]) -> set[uuid.UUID]:
        """Sign a new head of each log that has new rows; return the logs that have more.

        A log that can't be signed is halted and its incident recorded; the others are signed all the same.
        """
        wanted = list(workspace_ids)
        limit = max(WIDTH, LEAVES_AT_ONCE // len(wanted))
        keys = {each: await self._ledger.keyring.of(each) for each in wanted}
        refused: dict[uuid.UUID, str] = {}
        async with self._ledger.db.housekeeping() as tx:
            grown, more = await self._grow(tx, wanted, keys, limit, refused)
            if grown:
                await queries.move(tx, grown)
        if grown:
            await asyncio.to_thread(self._heads.keep, [each.head for each in grown])
        for workspace_id, reason in refused.items():
            await self._halt(workspace_id, reason)
        return more

    async def _grow(
        self,
        tx: WriteTx,
        wanted: Sequence[uuid.UUID],
        keys: dict[uuid.UUID, WorkspaceKeys],
        limit: int,
        refused: dict[uuid.UUID, str],
    ) -> tuple[list[Grown], set[uuid.UUID]]:
        states = await queries.claim(tx, wanted)
        found = await queries.leaves(tx, [(each.workspace_id, edge_start(each)) for each in states], limit + WIDTH)
        grown, more = [], set()
        for state in states:
            if not keys[state.workspace_id].holds(state.key_generation):
                more.add(state.workspace_id)  # another process rotated the key: it is read anew for the next round
                self._ledger.keyring.forget(state.workspace_id)
                continue
            try:
                after = self._grown(state, found[state.workspace_id], keys[state.workspace_id])
            except RefusedToSign as refusal:
                refused[state.workspace_id] = str(refusal)
                continue
            if after is not None:
                grown.append(after)
                await self._introduce(tx, after, keys[state.workspace_id])
            if found[state.workspace_id].found == limit + WIDTH:
                more.add(state.workspace_id)
        made = [(each.before, tile, hashes) for each in grown for tile, hashes in each.tiles]
        different = await queries.add_tiles(tx, made) if made else set()
        for workspace_id in different:
            refused[workspace_id] = "A tile that was signed before has other hashes now."
        return [each for each in grown if each.before.workspace_id not in different], more

    def _grown(self, state: LogState, leaves: Leaves, keys: WorkspaceKeys) -> Grown | None:
        self._refuse_older(state)
        frontier = frontier_of(state, leaves)
        fresh = leaves.hashes[(state.size - edge_start(state)) * HASH_BYTES :]
        if not fresh:
            return None
        tiles = frontier.append([fresh[at : at + HASH_BYTES] for at in range(0, len(fresh), HASH_BYTES)])
        origin = state.origin or origin_of(self._ledger.settings.instance_name, state.name, state.epoch)
        root, now = frontier.root(), now_ns()
        note = sign_checkpoint(Checkpoint(origin, frontier.size, root), self._signer(state, origin, keys))
        head = Head(state.workspace_id, state.epoch, frontier.size, root, str(note), now)
        minute = now // MINUTE
        edge = b"".join(hashes for tile, hashes in frontier.partial() if tile.level) if tiles else None
        return Grown(state, origin, head, edge, tiles, minute if minute != state.kept_minute else None)

    def _refuse_older(self, state: LogState) -> None:
        known = self._heads.of(state.workspace_id)
        if known is None or state.epoch > known.epoch:
            return
        if (state.epoch, state.size) < (known.epoch, known.size):
            raise RefusedToSign(
                f"A head of {known.size} leaves was signed, and the database knows of {state.size}: it is older. "
                "After a restore, run: provenance log reopen"
            )
        if state.size == known.size and state.root != known.root:
            raise RefusedToSign(f"Another head of {known.size} leaves was signed before.")

    def _signer(self, state: LogState, origin: str, keys: WorkspaceKeys) -> Signer:
        key = (state.workspace_id, origin, state.key_generation)
        found = self._signers.get(key)
        if found is None:
            if len(self._signers) >= _SIGNERS_KEPT:
                self._signers.clear()
            found = self._signers[key] = signer_of(keys, origin, state.key_generation)
        return found

    async def _introduce(self, tx: WriteTx, grown: Grown, keys: WorkspaceKeys) -> None:
        """Note the key with which a log signs for the first time."""
        state = grown.before
        if state.size == 0:
            signer = self._signer(state, grown.origin, keys)
            await queries.add_key(
                tx.inside(state.workspace_id),
                epoch=state.epoch,
                generation=state.key_generation,
                origin=grown.origin,
                verifier_key=str(signer.verifier),
                from_size=0,
                successor_note=None,
                created_at=tx.now,
            )

    async def _halt(self, workspace_id: uuid.UUID, reason: str) -> None:
        async with self._ledger.db.housekeeping(workspace_id) as tx:
            if not await queries.halt(tx, reason):
                return
            known = self._heads.of(workspace_id)
            data = {"kind": "refused_to_sign", "reason": reason, "lastHead": None if known is None else known.note}
            record(tx, incident("log", data))
        log.error("log_halted", workspace=str(workspace_id), reason=reason)


def incident(subject: str, data: dict[str, Any], *, repeat_key: str | None = None) -> Fact:
    """Return the fact that something in the ledger is not as it was signed; with a ``repeat_key``, told once."""
    return Fact(
        resource_type="LEDGER",
        action="INCIDENT",
        resource_id=subject,
        data=data,
        outcome="failure",
        risk="critical",
        domain="ledger",
        repeat_key=repeat_key,
    )


def edge_start(state: LogState) -> int:
    """Return the leaf at which the log's partial tile of level 0 begins."""
    return state.size - state.size % WIDTH


def frontier_of(state: LogState, leaves: Leaves) -> Frontier:
    """Return the growing edge of a log as signed, from its partial tile's rows and the edge kept of higher levels.

    Raises RefusedToSign when numbers have a gap, rows are missing, or the tree has another root than was signed.
    """
    start = edge_start(state)
    if leaves.found and leaves.last != start + leaves.found:
        raise RefusedToSign(f"Between the rows {start + 1} and {leaves.last} some are missing.")
    if start + leaves.found < state.size:
        raise RefusedToSign(f"The log was signed with {state.size} leaves, and only {leaves.last} rows are there.")
    higher = iter(_cut(state))

    def read(tile: Tile) -> bytes:
        return leaves.hashes[: tile.width * HASH_BYTES] if tile.level == 0 else next(higher)

    frontier = Frontier(state.size, read)
    if (frontier.root() if state.size else EMPTY_ROOT) != state.root:
        raise RefusedToSign(f"A row between {start + 1} and {state.size}, or the log's state, is not what was signed.")
    return frontier


def _cut(state: LogState) -> Iterable[bytes]:
    """Cut the kept edge into the partial tiles of levels 1 and up."""
    at = 0
    for tile in partial(state.size):
        if tile.level:
            yield state.edge[at : at + tile.width * HASH_BYTES]
            at += tile.width * HASH_BYTES
