"""The follower: takes the signed leaves of a log into its completeness map, and signs the map's root.

One step is one transaction, and the lock of the state row is the fence: a follower that is killed leaves the last
step, and another goes on from there to the same root. Nothing is taken in that no signed head of the log covers.
"""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import structlog

from provenance.core.clock import NANOS
from provenance.core.db import WriteTx
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.completeness import queries
from provenance.ledger.completeness.errors import RowsMissing
from provenance.ledger.completeness.keys import commitment_of, signer_of
from provenance.ledger.completeness.queries import HeadFound
from provenance.ledger.completeness.schemas import LogNow, MapState
from provenance.ledger.log.integrating import incident
from provenance.ledger.service import Fact, Ledger, record
from provenance.proof.completeness_map import LETTERS, VALUE_BYTES, MapHead, place_of
from provenance.proof.completeness_tiles import MapDamaged, Placed, grow, tiles_above
from provenance.proof.notes import sign

STEP_ROWS = 65_536
"""Most rows of one transaction: the more that wait, the more of them share the rewriting of a bucket."""
PLACES_AT_ONCE = 8_192
"""Most keys that are taken in at a time. Their buckets, if each stands in another one, are some twenty megabytes."""
HOUR = 3_600 * NANOS
_ROW_BYTES = 3 * VALUE_BYTES + 1
_RESOURCE, _USER, _UNIT = LETTERS["r"], LETTERS["u"], LETTERS["uow"]

log: Any = structlog.get_logger("ledger.completeness")


class Progress(Enum):
    """Where a step leaves a map."""

    DONE = "done"
    """It has all there is."""
    WAITING = "waiting"
    """It has all that is signed; rows wait for the log to sign them."""
    MORE = "more"
    """Another step has something to do."""


class Follower:
    """Makes steps, for any workspace."""

    def __init__(self, ledger: Ledger, *, step_rows: int = STEP_ROWS) -> None:
        """Take the ledger whose logs are followed, and how many rows a step takes in at most."""
        self._ledger = ledger
        self._step_rows = step_rows

    async def follow(self, workspace_id: uuid.UUID) -> Progress:
        """Make one step of a workspace's map. Raises RowsMissing.

        A map that is not what was signed is recorded as an incident and begun again: the log has all it is made of.
        """
        keys = await self._ledger.keyring.of(workspace_id)
        try:
            async with self._ledger.db.housekeeping(workspace_id) as tx:
                return await self._step(tx, keys)
        except MapDamaged as damage:
            await self._begin_again(workspace_id, str(damage))
            return Progress.MORE

    async def _step(self, tx: WriteTx, keys: WorkspaceKeys) -> Progress:
        claimed = await queries.claim(tx)
        if claimed is None:
            return Progress.MORE if await queries.begin(tx) else Progress.DONE
        state, now = claimed
        if not keys.holds(now.key_generation):
            self._ledger.keyring.forget(tx.workspace_id)  # another process rotated the key: it is read anew
            return Progress.MORE
        if now.epoch > state.epoch:
            await queries.empty(tx, now.epoch)
            return Progress.MORE
        if now.epoch == state.epoch and now.size > state.size:
            state = await self._grow(tx, keys, state, now)
        await self._log(tx, state)
        if state.size < now.size:
            return Progress.MORE
        return Progress.WAITING if now.growing else Progress.DONE

    async def _grow(self, tx: WriteTx, keys: WorkspaceKeys, state: MapState, now: LogNow) -> MapState:
        limit = state.size + self._step_rows
        head = await queries.head_within(tx, state.epoch, state.size, limit)
        size = head.size if head else min(limit, now.size)
        found, rows = await queries.keys(tx, state.size, size)
        if found != size - state.size:
            raise RowsMissing(f"Between the rows {state.size + 1} and {size} only {found} are there.")
        root = await self._take_in(tx, state, rows)
        after = state._replace(size=size, root=root, note=None, checkpoint=None)
        if head is not None:
            after = _signed(after, now, head, keys, tx.now)
        await queries.change(tx, **after._asdict())
        return after

    async def _take_in(self, tx: WriteTx, state: MapState, rows: bytes) -> bytes:
        """Extend the buckets that these rows touch; the map's new root."""
        added, placed = await asyncio.to_thread(_added, rows, state.size)
        root = state.root
        for start in range(0, len(placed), PLACES_AT_ONCE):
            part = placed[start : start + PLACES_AT_ONCE]
            buckets = await queries.buckets_around(tx, [place for place, _ in part])
            tiles = await queries.tiles(tx, {prefix for bucket in buckets for prefix in tiles_above(bucket.prefix)})
            # In a thread: hashing must not hold up what else the worker does.
            grown = await asyncio.to_thread(grow, root, buckets, tiles, {key: added[key] for _, key in part})
            await queries.keep(tx, grown)
            root = grown.root
        return root

    async def _log(self, tx: WriteTx, state: MapState) -> None:
        """Record the root each hour, if anything but the record of the last one came in since."""
        own = 1 if state.logged_size else 0
        if state.note is None or tx.now - state.logged_at < HOUR or state.size - state.logged_size <= own:
            return
        record(
            tx,
            Fact(
                resource_type="LEDGER",
                action="MAP_SIGNED",
                resource_id="completeness",
                data={"size": state.size, "root": state.root.hex(), "note": state.note},
                domain="ledger",
            ),
        )
        await queries.change(tx, logged_size=state.size, logged_at=tx.now)

    async def _begin_again(self, workspace_id: uuid.UUID, reason: str) -> None:
        log.error("completeness_map_damaged", workspace=str(workspace_id), reason=reason)
        async with self._ledger.db.housekeeping(workspace_id) as tx:
            claimed = await queries.claim(tx)
            if claimed is None:
                return
            state, _ = claimed
            await queries.empty(tx, state.epoch)
            record(tx, incident("completeness", {"kind": "map_damaged", "reason": reason, "lastNote": state.note}))


def _signed(state: MapState, now: LogNow, head: HeadFound, keys: WorkspaceKeys, at: int) -> MapState:
    """The state with a note over its root and the log's head of the same size."""
    assert now.origin is not None, "a log that has a head has its origin"
    text = str(MapHead(now.origin, head.size, head.root, state.root, commitment_of(keys)))
    signer = signer_of(keys, now.origin, now.key_generation)
    note = str(sign(text, signer))
    return state._replace(note=note, checkpoint=head.note, verifier_key=str(signer.verifier), signed_at=at)


def _added(rows: bytes, first: int) -> tuple[Mapping[bytes, Sequence[int]], list[Placed]]:
    """The leaves of each key in these rows, and the keys with their places, sorted by place."""
    added: defaultdict[bytes, list[int]] = defaultdict(list)
    for index, at in enumerate(range(0, len(rows), _ROW_BYTES), first):
        added[_RESOURCE + rows[at : at + 16]].append(index)
        added[_UNIT + rows[at + 16 : at + 32]].append(index)
        if rows[at + 32]:
            added[_USER + rows[at + 33 : at + 49]].append(index)
    return added, sorted((place_of(key), key) for key in added)
