"""The job of an erasure, step by step: every step is one transaction, and a killed worker goes on where it was."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from provenance.core.clock import iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.erasure import journal, queries
from provenance.ledger.erasure.cleaning import clean
from provenance.ledger.erasure.destroying import destroy
from provenance.ledger.erasure.holds import queries as hold_queries
from provenance.ledger.erasure.holds import service as holds
from provenance.ledger.erasure.journal import Line
from provenance.ledger.erasure.retention import queries as policies
from provenance.ledger.erasure.retention import service as retention
from provenance.ledger.erasure.schemas import Job, Kind, Status
from provenance.ledger.erasure.selecting import find, opened, system
from provenance.ledger.erasure.service import fact, fresh_job
from provenance.ledger.interactions.queries import Key
from provenance.ledger.log import queries as log_queries
from provenance.ledger.log.keys import origin_of, signer_of
from provenance.ledger.service import Ledger, record
from provenance.proof.certificates import MAX_RANGES, Certificate, Step, merged, sign_certificate

ROWS_AT_ONCE = 1_000
KEYS_AT_ONCE = 100_000
RANGES_KEPT = MAX_RANGES - ROWS_AT_ONCE
"""Ranges after which an erasure is certified and another goes on with the rest."""
RANGES_RECORDED = 100
RETENTION_REASON = "retention policy"


class _Batch(NamedTuple):
    """What is next: rows, those of them that are held, and where to go on; ``policy`` under which, for retention."""

    numbers: list[int]
    held: holds.Held
    holds: list[uuid.UUID]
    after: Key
    ended: bool
    policy: uuid.UUID | None = None


async def erase(ledger: Ledger, workspace_id: uuid.UUID, erasure_id: uuid.UUID, stop: asyncio.Event) -> None:
    """Take the content of every row of an erasure; it is then to be cleaned up after, or waits for a hold to end."""
    going = True
    while going and not stop.is_set():
        going = await _step(ledger, workspace_id, erasure_id)


async def _step(ledger: Ledger, workspace_id: uuid.UUID, erasure_id: uuid.UUID) -> bool:
    """Do one batch; False when there is no other."""
    keys = await ledger.keyring.of(workspace_id)
    async with ledger.db.read(system(workspace_id)) as tx:
        job = await queries.job(tx, erasure_id)
        if job is None or job.status not in (Status.ERASING, Status.HELD):
            return False
        active = await hold_queries.active(tx)
        found = await (_aged if job.kind == Kind.RETENTION else _selected)(ledger, tx, keys, job)
        held = await holds.held_among(tx, ledger.catalogues, keys, active, found.numbers)
        batch = found._replace(held=held, holds=[hold.id for hold in active])
    async with ledger.db.housekeeping(workspace_id) as tx:
        await queries.lock(tx)
        if [hold.id for hold in await hold_queries.active(tx)] != batch.holds:
            return True  # a hold was set or lifted meanwhile: look again
        if batch.held.numbers and job.kind == Kind.ERASURE:
            await queries.change(tx, job.id, status=Status.HELD.value)
            return False
        return await _take(ledger, tx, job, batch)


async def _selected(ledger: Ledger, tx: ReadTx, keys: WorkspaceKeys, job: Job) -> _Batch:
    assert job.selector_sealed is not None, "the selector goes when the erasure is finished"
    wanted = opened(keys, job.selector_sealed).criteria(await ledger.catalogues.within(tx))
    after = (job.cursor_moment, job.cursor_number)
    found = await find(tx, ledger.catalogues, wanted, after, limit=ROWS_AT_ONCE, upto=job.upto)
    numbers = await queries.with_content(tx, found.numbers)
    return _Batch(numbers, holds.Held(frozenset(), []), [], found.after, found.ended)


async def _aged(ledger: Ledger, tx: ReadTx, keys: WorkspaceKeys, job: Job) -> _Batch:
    found = await retention.aged(tx, now=job.requested_at, upto=job.upto, limit=ROWS_AT_ONCE)
    return _Batch(found.numbers, holds.Held(frozenset(), []), [], (0, found.swept), found.policy is None, found.policy)


async def _take(ledger: Ledger, tx: WriteTx, job: Job, batch: _Batch) -> bool:
    numbers = [number for number in batch.numbers if number not in batch.held.numbers]
    done = await destroy(tx, job, numbers, folder=ledger.settings.data_dir) if numbers else 0
    if batch.policy is not None:
        await policies.note_swept(tx, batch.policy, batch.after[1])
    full = not batch.ended and await queries.count_ranges(tx, job.id) > RANGES_KEPT
    status = Status.CLEANING if batch.ended or full else Status.ERASING
    moment, number = batch.after
    values = {"status": status.value, "cursor_moment": moment, "cursor_number": number}
    if done:
        values |= {"erased": queries.more(done), "erased_at": tx.now}
    await queries.change(tx, job.id, **values)
    if full:
        await queries.add(tx, _rest(tx, job, batch.after))
    if batch.ended and job.kind == Kind.RETENTION:
        await policies.note_checked(tx)
    return status is Status.ERASING


def _rest(tx: WriteTx, job: Job, after: Key) -> Job:
    """Return the erasure that goes on where the certificate of this one is full."""
    rest = fresh_job(tx, Kind(job.kind), job.selector, job.reason, job.requested_by, upto=job.upto)
    return rest._replace(
        selector_hash=job.selector_hash,
        selector_sealed=job.selector_sealed,
        cursor_moment=after[0],
        cursor_number=after[1],
        continues=job.id,
        requested_at=job.requested_at,
    )


async def finish(ledger: Ledger, jobs: Sequence[tuple[uuid.UUID, uuid.UUID]]) -> None:
    """Clean up after erasures, all at once, then certify each. Raises what `clean` raises."""
    for workspace_id, erasure_id in jobs:
        await _forget_keys(ledger, workspace_id, erasure_id)
    steps = await clean(ledger.settings, ledger.db.url)
    for workspace_id, erasure_id in jobs:
        await _certify(ledger, workspace_id, erasure_id, steps)


async def _forget_keys(ledger: Ledger, workspace_id: uuid.UUID, erasure_id: uuid.UUID) -> None:
    after: bytes | None = b""
    while after is not None:
        async with ledger.db.housekeeping(workspace_id) as tx:
            after = await queries.forget_keys(tx, erasure_id, after, KEYS_AT_ONCE)


async def _certify(ledger: Ledger, workspace_id: uuid.UUID, erasure_id: uuid.UUID, steps: tuple[Step, ...]) -> None:
    keys = await ledger.keyring.of(workspace_id)
    async with ledger.db.housekeeping(workspace_id) as tx:
        await queries.lock(tx)
        job = await queries.job(tx, erasure_id)
        if job is None or job.status != Status.CLEANING:
            return
        ranges = merged(await queries.ranges(tx, erasure_id, MAX_RANGES))
        note = job.certificate or await _signed(ledger, tx, keys, job, steps, ranges)
        line = Line(workspace=workspace_id, erasure=erasure_id, certificate=note, finished_at=tx.now)
        await asyncio.to_thread(journal.keep, ledger.settings.data_dir, line)
        values = {"status": Status.FINISHED.value, "finished_at": tx.now, "certificate": note, "selector_sealed": None}
        await queries.change(tx, erasure_id, **values)
        record(tx, fact("ERASED", erasure_id, _told(job, steps, ranges)))


def _told(job: Job, steps: Sequence[Step], ranges: Sequence[tuple[int, int]]) -> dict[str, object]:
    return {
        "kind": job.kind,
        "selector": job.selector,
        "reason": job.reason,
        "by": job.requested_by,
        "rows": job.erased,
        "numbers": [list(each) for each in ranges[:RANGES_RECORDED]],
        "moreNumbers": len(ranges) > RANGES_RECORDED,
        "cleanUp": {step.name: step.outcome for step in steps},
        "reapplied": job.reapplied,
    }


async def _signed(
    ledger: Ledger,
    tx: WriteTx,
    keys: WorkspaceKeys,
    job: Job,
    steps: tuple[Step, ...],
    ranges: tuple[tuple[int, int], ...],
) -> str:
    state = await log_queries.state(tx)
    assert state is not None, "a workspace is made with its log"
    origin = state.origin or origin_of(ledger.settings.instance_name, state.name, state.epoch)
    now = iso_millis(tx.now)
    certificate = Certificate(
        origin=origin,
        id=str(job.id),
        kind=job.kind,
        selector=job.selector,
        selector_hash=None if job.selector_hash is None else job.selector_hash.hex(),
        reason=job.reason,
        by=job.requested_by,
        requested=iso_millis(job.requested_at),
        erased=None if job.erased_at is None else iso_millis(job.erased_at),
        cleaned=now,
        backups=now,
        rows=job.erased,
        steps=steps,
        ranges=ranges,
        continues=None if job.continues is None else str(job.continues),
    )
    return str(sign_certificate(certificate, signer_of(keys, origin, state.key_generation)))


async def retain(ledger: Ledger, workspace_id: uuid.UUID) -> uuid.UUID | None:
    """Begin what retention has to do in a workspace, if anything is old enough; return the erasure."""
    async with ledger.db.housekeeping(workspace_id) as tx:
        await queries.lock(tx)
        if await queries.retaining(tx):
            return None
        checked = [policy.checked_at for policy in await policies.policies(tx)]
        if checked and await hold_queries.ended_since(tx, min(checked)):
            await policies.look_again(tx)
        upto = await queries.head(tx)
        while True:
            found = await retention.aged(tx, now=tx.now, upto=upto, limit=1)
            if found.policy is None:
                await policies.note_checked(tx)
                return None
            if found.numbers:
                break
            await policies.note_swept(tx, found.policy, found.swept)
        job = fresh_job(tx, Kind.RETENTION, "retention", RETENTION_REASON, "system", upto=upto)
        await queries.add(tx, job)
        return job.id
