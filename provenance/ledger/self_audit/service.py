"""A pass over one ledger: rows, tiles and heads, rebuilt from their values and compared with what was signed.

The tree is grown anew from the signed leaf hashes, so that every tile and the root of every head kept is checked;
each row is checked against its leaf. A pass goes tile by tile and remembers how far it came.
"""

import uuid
from collections.abc import Iterator
from typing import NamedTuple

from provenance.core.clock import iso_millis, now_ns
from provenance.core.db import Database, ReadTx
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.catalogue.cache import Catalogue
from provenance.ledger.entry import INDEX_PURPOSE
from provenance.ledger.erasure.schemas import Status
from provenance.ledger.interactions.cursors import BadCursor
from provenance.ledger.log import queries as log_queries
from provenance.ledger.log.heads import Heads
from provenance.ledger.log.integrating import incident
from provenance.ledger.log.keys import signer_of
from provenance.ledger.log.schemas import Head, LogState
from provenance.ledger.self_audit import queries
from provenance.ledger.self_audit.growth import Growth, Stretch
from provenance.ledger.self_audit.rows import check, check_time
from provenance.ledger.self_audit.schemas import Finding, Incident, Incidents, Kind, Progress, joined
from provenance.ledger.service import Ledger, record
from provenance.proof.certificates import open_certificate
from provenance.proof.notes import Note, UnverifiedNote, VerifierKey
from provenance.proof.strict import Malformed
from provenance.proof.tiles import WIDTH, completed

ROWS_AT_ONCE = 4 * WIDTH
_DIGITS = 19  # a bigint has no more
HEADS_AT_ONCE = 500


class Step(NamedTuple):
    """What one step of a pass did: rows re-read, what was found, whether the pass is over."""

    rows: int
    findings: list[Finding]
    done: bool


async def step(ledger: Ledger, heads: Heads, workspace_id: uuid.UUID) -> Step:
    """Re-read the next tiles of a ledger, record what is wrong, remember how far the pass came."""
    async with ledger.db.housekeeping(workspace_id) as tx:
        state = await log_queries.state(tx)
        if state is None or state.size == 0:
            return Step(0, [], True)
        keys = await ledger.keyring.within(tx)
        if not keys.holds(state.key_generation):  # another process rotated the key
            ledger.keyring.forget(workspace_id)
            keys = await ledger.keyring.within(tx)
        stretch = await _next(tx, state, heads.of(workspace_id))
        gone = await _gone(tx, stretch, keys)
        catalogue = await ledger.catalogues.within(tx)
    growth = Growth(stretch, [signer_of(keys, state.origin or "", each + 1).verifier for each in _generations(state)])
    findings = joined(
        [*gone, *_rows(stretch, catalogue, keys), *growth.findings, *_older(state, heads.of(workspace_id))]
    )
    done = stretch.upto == state.size or growth.broken
    async with ledger.db.housekeeping(workspace_id) as tx:
        for found in findings:
            if await queries.add_incident(tx, found):
                data = {"kind": found.kind.value, "first": found.first, "last": found.last, "found": found.sentence}
                record(tx, incident("log", data))
        await queries.keep(tx, _after(stretch, growth, done=done))
    return Step(len(stretch.rows), findings, done)


async def whole_pass(ledger: Ledger, heads: Heads, workspace_id: uuid.UUID) -> list[Finding]:
    """Re-read a whole ledger at once and return what is wrong with it; a pass under way is finished first."""
    findings: list[Finding] = []
    done = False
    while not done:
        _, found, done = await step(ledger, heads, workspace_id)
        findings += found
    return joined(findings)


async def count(db: Database) -> int:
    """Return how many findings the installation has, for the metrics."""
    async with db.housekeeping() as tx:
        return await queries.count_incidents(tx)


async def incidents(tx: ReadTx, limit: int, cursor: str | None) -> Incidents:
    """Return a page of findings. Raises BadCursor."""
    rows = await queries.incidents(tx, limit + 1, None if cursor is None else _position(cursor))
    shown = rows[:limit]
    return Incidents(
        items=[
            Incident(
                kind=Kind(row.kind),
                first_number=row.first_number,
                last_number=row.last_number,
                sentence=row.sentence,
                found_at=iso_millis(row.found_at),
            )
            for row in shown
        ],
        next_cursor=f"{shown[-1].found_at}.{shown[-1].first_number}.{shown[-1].kind}" if len(rows) > limit else None,
    )


def _position(cursor: str) -> tuple[int, int, str]:
    found_at, _, rest = cursor.partition(".")
    first, _, kind = rest.partition(".")
    numbers = (found_at, first)
    if kind not in set(Kind) or any(not each.isdecimal() or len(each) > _DIGITS for each in numbers):
        raise BadCursor.at("cursor", "is no cursor of this list")
    return int(found_at), int(first), kind


def _generations(state: LogState) -> range:
    return range(state.key_generation)


async def _next(tx: ReadTx, state: LogState, known: Head | None) -> Stretch:
    progress = await queries.progress(tx)
    if progress is None or progress.epoch != state.epoch or progress.size >= state.size:
        progress = Progress(state.epoch, 0, b"", 0, now_ns())
    upto = min(state.size, progress.size + ROWS_AT_ONCE)
    wanted = [(tile.level, tile.index) for tile in completed(progress.size, upto)]
    heads = await log_queries.heads_after(tx, state.epoch, progress.size, HEADS_AT_ONCE)
    outside = [known] if known is not None and known.epoch == state.epoch and known not in heads else []
    return Stretch(
        state,
        progress,
        upto,
        dict(await log_queries.rows(tx, progress.size, upto - progress.size)),
        await log_queries.tiles(tx, state.epoch, wanted) if wanted else {},
        sorted((head for head in [*heads, *outside] if progress.size < head.size <= upto), key=lambda head: head.size),
    )


def _rows(stretch: Stretch, catalogue: Catalogue, keys: WorkspaceKeys) -> Iterator[Finding]:
    index_mac = keys.fast_mac(INDEX_PURPOSE)
    before = stretch.progress.recorded_at
    for number in stretch.numbers:
        row, signed = stretch.rows.get(number), stretch.signed(number)
        if row is None:
            yield Finding(Kind.MISSING, number, number)
            continue
        assert signed is not None, "a row has at least its own leaf hash"
        yield from check(number, row, signed, catalogue, index_mac)
        yield from check_time(number, row.recorded_at, before)
        before = row.recorded_at


async def _gone(tx: ReadTx, stretch: Stretch, keys: WorkspaceKeys) -> list[Finding]:
    """Return the rows without content that no erasure accounts for: one under way, or one with a signed certificate."""
    empty = [number for number, row in stretch.rows.items() if row.content is None]
    if not empty:
        return []
    known = [signer_of(keys, each.origin, each.generation).verifier for each in await log_queries.keys(tx)]
    accounted: set[int] = set()
    for first, last, status, certificate in await queries.erasures_over(tx, empty[0], empty[-1]):
        if status != Status.FINISHED.value or _certified(certificate, known, first, last):
            accounted.update(range(first, last + 1))
    return [Finding(Kind.GONE, number, number) for number in empty if number not in accounted]


def _certified(note: str | None, known: list[VerifierKey], first: int, last: int) -> bool:
    try:
        certificate = open_certificate(Note.parse(note or ""), known)
    except (Malformed, UnverifiedNote):
        return False
    return any(begin <= first and last <= end for begin, end in certificate.ranges)


def _older(state: LogState, known: Head | None) -> Iterator[Finding]:
    if known is not None and (state.epoch, state.size) < (known.epoch, known.size) and state.epoch == known.epoch:
        yield Finding(Kind.OLDER, state.size + 1, known.size)


def _after(stretch: Stretch, growth: Growth, *, done: bool) -> Progress:
    last = stretch.rows.get(stretch.upto)
    if done:
        begun = stretch.progress._replace(size=0, edge=b"", recorded_at=0, started_at=now_ns())
        return begun._replace(finished_at=now_ns(), finished_size=stretch.state.size)
    recorded_at = stretch.progress.recorded_at if last is None else last.recorded_at
    return stretch.progress._replace(size=stretch.upto, edge=growth.edge, recorded_at=recorded_at)
