"""Finding rows without ever reading without bound (spec/ledger.md, 4).

`plan` chooses where candidates come from: a small set is gathered whole and sorted, a large one is walked
along its index. `scan` takes candidates in chunks, tests what no index answers, and stops when enough were
found, when nothing is left, or when the budget is used; then it says how far it came.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, and_

from provenance.core.db import ReadTx
from provenance.ledger.interactions import queries
from provenance.ledger.interactions.conditions import Term, terms
from provenance.ledger.interactions.filters import Criteria
from provenance.ledger.interactions.queries import Between, Candidate, Chunk, Everything, Key, Source, Way

GATHERED_AT_MOST = 5_000
COUNTED_AT_MOST = 10_000
BUDGET_ROWS = 50_000
BUDGET_SECONDS = 1.0

_FIRST_CHUNK = 200
_LARGEST_CHUNK = 20_000
_QUICK_SECONDS = 0.05
_ROWS_AT_ONCE = 250
_ROWS_A_SLICE = 50

Test = Callable[[Sequence[Row[Any]]], Awaitable[Iterable[bool]]]
"""Tests a slice of rows by what SQL can't: the condition of ``where``."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where candidates come from, in which order, and what is tested on each of them in SQL."""

    source: Source
    gathered: bool
    residual: ColumnElement[bool] | None
    by_date: bool

    @property
    def exact(self) -> bool:
        """Whether every candidate is a match as far as SQL knows."""
        return self.residual is None


async def plan(tx: ReadTx, criteria: Criteria, *, sees_platform: bool) -> Plan:
    """Choose the way to the rows that satisfy the criteria."""
    all_terms = terms(tx, criteria, sees_platform=sees_platform)
    options = [term for term in all_terms if term.source is not None]
    small = await _smallest(tx, options, certain=not criteria.by_date)
    if small is not None:
        dates = queries.between(criteria.start, criteria.end)
        return _plan(all_terms, small, gathered=True, by_date=criteria.by_date, dates=dates)
    if criteria.by_date:
        return _plan(all_terms, Term(and_(True), (Between(criteria.start, criteria.end),)), by_date=True)
    walkable = [term for term in options if _walkable(term)]
    return _plan(all_terms, walkable[0] if walkable else Term(and_(True), (Everything(),)), by_date=False)


def _plan(
    all_terms: Sequence[Term],
    chosen: Term,
    *,
    by_date: bool,
    gathered: bool = False,
    dates: Sequence[ColumnElement[bool]] = (),
) -> Plan:
    assert chosen.source is not None
    rest = [*dates, *[term.condition for term in all_terms if term is not chosen or not term.exact]]
    return Plan(chosen.source, gathered, and_(*rest) if rest else None, by_date)


def _walkable(term: Term) -> bool:
    return all(arm.numbered for arm in term.source or ())


async def _smallest(tx: ReadTx, options: Sequence[Term], *, certain: bool) -> Term | None:
    """Return the option with the fewest rows if they are few enough to be gathered; None to walk an index.

    With a single index in the order that is wanted (``certain``) there is nothing to choose, and nothing is
    counted.
    """
    if not options or (certain and len(options) == 1 and _walkable(options[0])):
        return None
    sources = [term.source for term in options if term.source is not None]
    counts = await queries.counted(tx, sources, limit=GATHERED_AT_MOST + 1)
    fewest = min(range(len(counts)), key=counts.__getitem__)
    return options[fewest] if counts[fewest] <= GATHERED_AT_MOST else None


class Wanted(NamedTuple):
    """What a scan is to find: matches after ``after``, the first ``skip`` of them passed over, then ``rows``.

    ``counting`` asks to go on after that, within the budget, until the matches are counted.
    """

    newest_first: bool
    after: Key | None
    skip: int
    rows: int
    counting: bool


@dataclass(slots=True)
class Found:
    """What a scan found: the keys of the rows wanted, how many matches it met, and how far it came.

    ``ended``: there are no candidates after ``last``, the last one seen. ``skipped`` of the matches were
    passed over. ``counted``: ``matches`` are all that there are from the position on.
    """

    keys: list[Key] = field(default_factory=list)
    matches: int = 0
    skipped: int = 0
    last: Key | None = None
    ended: bool = False
    counted: bool = False


async def scan(tx: ReadTx, chosen: Plan, wanted: Wanted, test: Test | None) -> Found:
    """Look for rows along a plan until enough were found, none are left or the budget is used."""
    if chosen.exact and not chosen.gathered and test is None:
        return await _read_off(tx, chosen, wanted)
    found = Found(last=wanted.after)
    deadline = time.monotonic() + BUDGET_SECONDS
    async for chunk in _chunks(tx, chosen, wanted, deadline):
        async for candidate, matches in _tested(tx, chunk, test, deadline):
            _take(found, candidate, matches, wanted)
            if _enough(found, wanted):
                return found
        whole = not chunk.candidates or found.last == _key(chunk.candidates[-1])
        found.ended = found.counted = chunk.ends and whole
        if not whole:
            break
    return found


def _key(candidate: Candidate) -> Key:
    return candidate.occurred_at, candidate.number


def _take(found: Found, candidate: Candidate, matches: bool, wanted: Wanted) -> None:
    found.last = _key(candidate)
    if not matches:
        return
    found.matches += 1
    if found.skipped < wanted.skip:
        found.skipped += 1
    elif len(found.keys) < wanted.rows:
        found.keys.append(found.last)


def _enough(found: Found, wanted: Wanted) -> bool:
    if wanted.counting:
        return found.matches > COUNTED_AT_MOST and len(found.keys) == wanted.rows
    return len(found.keys) == wanted.rows


async def _read_off(tx: ReadTx, chosen: Plan, wanted: Wanted) -> Found:
    """Read the rows wanted straight off an index that answers everything."""
    way = Way(wanted.newest_first, wanted.after)
    keys = await queries.candidates(tx, chosen.source, way, limit=wanted.rows, offset=wanted.skip)
    last = keys[-1] if keys else wanted.after
    found = Found(keys, last=last, skipped=wanted.skip, ended=len(keys) < wanted.rows)
    if wanted.counting:
        [found.matches] = await queries.counted(tx, [chosen.source], limit=COUNTED_AT_MOST + 1)
        found.counted = found.matches <= COUNTED_AT_MOST
    return found


async def _chunks(tx: ReadTx, chosen: Plan, wanted: Wanted, deadline: float) -> AsyncIterator[Chunk]:
    """Take candidates in chunks that grow while they come quickly, up to the budget of rows."""
    way = Way(wanted.newest_first, wanted.after)
    if chosen.gathered:
        # Rows may have come since they were counted: the limit only stands against a mistake.
        most = 2 * GATHERED_AT_MOST
        yield await queries.gathered(tx, chosen.source, chosen.residual, way, limit=most, by_date=chosen.by_date)
        return
    size, left = _FIRST_CHUNK, BUDGET_ROWS
    while left > 0:
        limit, started = min(size, left), time.monotonic()
        found = await queries.chunk(tx, chosen.source, chosen.residual, way, limit=limit)
        seconds = time.monotonic() - started
        yield found
        if found.ends or time.monotonic() > deadline:
            return
        left -= limit
        way = Way(wanted.newest_first, _key(found.candidates[-1]))
        if seconds < _QUICK_SECONDS:
            size = min(size * 5, _LARGEST_CHUNK)


async def _tested(
    tx: ReadTx, chunk: Chunk, test: Test | None, deadline: float
) -> AsyncIterator[tuple[Candidate, bool]]:
    """Yield each candidate and whether it matches; stops early when testing has used the time up.

    Testing runs in slices, with other work let in between, so that a long condition does not hold the server.
    """
    if test is None:
        for candidate in chunk.candidates:
            yield candidate, candidate.hit
        return
    for at in range(0, len(chunk.candidates), _ROWS_AT_ONCE):
        part = chunk.candidates[at : at + _ROWS_AT_ONCE]
        rows = iter(await queries.rows(tx, [candidate.number for candidate in part if candidate.hit]))
        for start in range(0, len(part), _ROWS_A_SLICE):
            piece = part[start : start + _ROWS_A_SLICE]
            hits = [next(rows) for candidate in piece if candidate.hit]
            answers = iter(await test(hits)) if hits else iter(())
            for candidate in piece:
                yield candidate, candidate.hit and next(answers)
            await asyncio.sleep(0)
            if time.monotonic() > deadline:
                return
