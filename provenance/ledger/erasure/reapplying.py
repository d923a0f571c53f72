"""After a restore: what was erased since the backup loses its content again, before anything is served.

Rows are recognised by their leaf hash, not by their number alone: a log that was reopened gives numbers again.
"""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import structlog

from provenance.core.db import Database
from provenance.ledger.erasure import journal, queries
from provenance.ledger.erasure.destroying import destroy
from provenance.ledger.erasure.journal import Line
from provenance.ledger.erasure.schemas import LEAF_BYTES, Job, Status

ROWS_AT_ONCE = 1_000

log: Any = structlog.get_logger("ledger.erasure")


async def reapply(db: Database, folder: Path) -> int:
    """Destroy what the file in this data folder says was erased and the database still has; return how many rows.

    An erasure that this database has finished itself needs nothing, so a usual start costs one question a workspace.
    """
    kept = await asyncio.to_thread(journal.load, folder)
    if not kept:
        return 0
    again = 0
    for workspace_id in sorted({key[0] for key in kept}):
        async with db.housekeeping(workspace_id) as tx:
            finished = await queries.finished(tx)
        for (_, erasure_id), lines in kept.items():
            if lines[0].workspace == workspace_id and erasure_id not in finished:
                again += await _again(db, lines)
    if again:
        log.warning("erasures_reapplied", rows=again)
    return again


async def _again(db: Database, lines: Sequence[Line]) -> int:
    begun = next((line for line in lines if line.certificate is None), None)
    if begun is None:
        return 0
    job = _job(begun, next((line for line in lines if line.certificate is not None), None))
    async with db.housekeeping(job.workspace_id) as tx:
        if not await queries.has_ledger(tx):
            return 0
        known = await queries.job(tx, job.id)
    erased = 0
    for batch in _batches(lines):
        async with db.housekeeping(job.workspace_id) as tx:
            await queries.lock(tx)
            numbers = await _same(tx, batch)
            if not numbers:
                continue
            if known is None and await queries.add(tx, job):
                known = job
            done = await destroy(tx, known or job, numbers, folder=None)
            await queries.change(tx, job.id, erased=queries.more(done), erased_at=tx.now)
            erased += done
    return erased


def _batches(lines: Sequence[Line]) -> Iterator[dict[int, bytes]]:
    """Yield numbers with the beginnings of their leaf hashes, at most a thousand at once."""
    batch: dict[int, bytes] = {}
    for line in lines:
        for first, last, leaves in line.taken:
            for number in range(first, last + 1):
                at = (number - first) * LEAF_BYTES
                batch[number] = leaves[at : at + LEAF_BYTES]
                if len(batch) == ROWS_AT_ONCE:
                    yield batch
                    batch = {}
    if batch:
        yield batch


async def _same(tx: Any, batch: dict[int, bytes]) -> list[int]:
    rows = await queries.rows(tx, list(batch))
    return [row.number for row in rows if row.leaf_hash[:LEAF_BYTES] == batch[row.number]]


def _job(begun: Line, finished: Line | None) -> Job:
    """Return the erasure as it is stored when it comes back: with its certificate, and the clean-up still to do."""
    return Job(
        workspace_id=begun.workspace,
        id=begun.erasure,
        kind=begun.kind,
        status=Status.CLEANING.value,
        selector=begun.selector,
        selector_hash=begun.selector_hash,
        selector_sealed=None,
        reason=begun.reason,
        requested_by=begun.by,
        requested_at=begun.requested_at,
        upto=begun.upto,
        expected=None,
        erased=0,
        cursor_moment=0,
        cursor_number=0,
        shown=begun.shown,
        erased_at=None,
        finished_at=None,
        certificate=None if finished is None else finished.certificate,
        continues=begun.continues,
        reapplied=True,
    )
