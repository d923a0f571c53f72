"""What a workspace knows as secret, taken out of what comes from outside: the second line behind `Authorized.mask`.

The first is where a secret is sent: its value is taken out of that very answer. But a service may tell another caller
what it was sent by one before, and a file may hold what somebody wrote there.
"""

import asyncio
import time
import uuid
from typing import NamedTuple

from provenance.connections import carrying
from provenance.core.db import ReadTx
from provenance.ledger.service import Ledger
from provenance.secrets import service as secrets
from provenance.secrets.masking import Mask

SHORTEST = 16
"""A shorter value could be a word of ordinary data, which steps need: it is taken out only where it is sent."""
FRESH_SECONDS = 1.0

_Stamp = tuple[int, ...]


class _Kept(NamedTuple):
    stamp: _Stamp
    mask: Mask
    looked: float


class Known:
    """The masks of workspaces in one process, each as secret as what it knows."""

    def __init__(self, ledger: Ledger) -> None:
        """Take the running ledger, for its database and keys."""
        self._ledger = ledger
        self._kept: dict[uuid.UUID, _Kept] = {}
        self._looking: dict[uuid.UUID, asyncio.Task[Mask]] = {}
        self._next: dict[uuid.UUID, asyncio.Task[Mask]] = {}

    async def mask(self, workspace_id: uuid.UUID, *, now: bool) -> Mask:
        """Return the workspace's mask, a second old at most; with ``now`` it knows all that is known at this moment."""
        kept = self._kept.get(workspace_id)
        if kept is not None and not now and time.monotonic() - kept.looked < FRESH_SECONDS:
            return kept.mask
        coming = self._next.get(workspace_id)
        if coming is None:
            before = self._looking.get(workspace_id)
            coming = self._next[workspace_id] = asyncio.ensure_future(self._look_after(before, workspace_id))
        return await asyncio.shield(coming)  # whoever gives up leaves it to the others

    async def _look_after(self, before: asyncio.Task[Mask] | None, workspace_id: uuid.UUID) -> Mask:
        """Look once for all who ask until it begins; who asks later needs a later look."""
        if before is not None:
            await asyncio.wait({before})
        mine = self._looking[workspace_id] = self._next.pop(workspace_id)
        try:
            return await self._look(workspace_id)
        finally:
            if self._looking.get(workspace_id) is mine:
                del self._looking[workspace_id]

    async def _look(self, workspace_id: uuid.UUID) -> Mask:
        kept, looked = self._kept.get(workspace_id), time.monotonic()
        keys = await self._ledger.keyring.of(workspace_id)
        async with self._ledger.db.housekeeping(workspace_id) as tx:
            stamp = await _stamp(tx)
            if kept is None or kept.stamp != stamp:
                values = [*await secrets.known_values(tx, keys), *await carrying.known_values(tx, keys)]
                kept = _Kept(stamp, Mask(values, shortest=SHORTEST), looked)
        self._kept[workspace_id] = kept._replace(looked=looked)
        return kept.mask


async def _stamp(tx: ReadTx) -> _Stamp:
    return (*await secrets.known_stamp(tx), *await carrying.known_stamp(tx))
