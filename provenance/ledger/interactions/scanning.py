"""Finding rows without ever reading without bound (spec/ledger.md, 4).

`plan` chooses where candidates come from: a small set is gathered whole and sorted, a large one is walked
along its index. `scan` takes candidates in chunks, tests what no index answers, and stops when enough were
found, when nothing is left, or when the budget is used; then it says how far it came.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, and_

from provenance.core.db import ReadTx
from provenance.ledger.interactions import pages, queries
from provenance.ledger.interactions.conditions import Term, spelt_out, terms
from provenance.ledger.interactions.filters import Criteria
from provenance.ledger.interactions.plenty import Plenty
from provenance.ledger.interactions.queries import Between, Candidate, Chunk, Everything, Holding, Key, Source, Way

GATHERED_AT_MOST = 5_000
COUNTED_AT_MOST = 10_000
BUDGET_ROWS = 50_000
BUDGET_SECONDS = 1.0

_AMPLE = 2 * GATHERED_AT_MOST
"""More rows than a small set can have grown to since it was counted."""

_FEW = 200
"""So few rows that gathering them costs no more than counting others."""

_FIRST_CHUNK = 200
_LARGEST_CHUNK = 20_000
_QUICK_SECONDS = 0.05
_ROWS_AT_ONCE = 250
_ROWS_A_SLICE = 50

_plenty = Plenty()

Test = Callable[[Sequence[Row[Any]]], Awaitable[Iterable[bool]]]
"""Tests a slice of rows by what SQL can't: the condition of ``where``."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where candidates come from, in which order, and what is tested on each of them in SQL."""

    source: Source
    gathered: bool
    residual: ColumnElement[bool] | None
    by_date: bool


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
    walked = await _first_walkable(tx, options) or Term(and_(True), (Everything(),))
    return _plan(all_terms, walked, by_date=False)


def _plan(
    all_terms: Sequence[Term],
    chosen: Term,
    *,
    by_date: bool,
    gathered: bool = False,
    dates: Sequence[ColumnElement[bool]] = (),
) -> Plan:
    assert chosen.source is not None
    served = chosen.condition if chosen.exact else None
    rest = [*dates, *[term.condition for term in all_terms if term.condition is not served]]
    return Plan(chosen.source, gathered, and_(*rest) if rest else None, by_date)


def _walkable(term: Term) -> bool:
    return all(arm.numbered for arm in term.source or ())


async def _first_walkable(tx: ReadTx, options: Sequence[Term]) -> Term | None:
    """Return the first option whose index can be walked in the order of numbers, prefixes spelt out if they must."""
    for option in options:
        if _walkable(option):
            return option
        spelt = await spelt_out(tx, option.source or ())
        if spelt is not None:
            return option._replace(source=spelt)
    return None


async def _smallest(tx: ReadTx, options: Sequence[Term], *, certain: bool) -> Term | None:
    """Return the option with the fewest rows if they are few enough to be gathered; None to walk an index.

    With a single index in the order that is wanted (``certain``) there is nothing to choose, and nothing is
    counted. Nor is it after an option that is small enough for anyone.
    """
    if certain and len(options) == 1 and _walkable(options[0]):
        return None
    best, fewest = None, GATHERED_AT_MOST + 1
    for option in options:
        assert option.source is not None
        count = await _count(tx, option.source, GATHERED_AT_MOST + 1)
        if count < fewest:
            best, fewest = option, count
        if fewest <= _FEW:
            break
    return best


async def _count(tx: ReadTx, source: Source, limit: int) -> int:
    """Count the rows of a source up to a limit, unless they are known to be as many."""
    lasting = all(isinstance(arm, Holding) for arm in source)
    if lasting and _plenty.holds(tx.workspace_id, source, limit):
        return limit
    stretch = pages.stretch(source)
    if stretch is None:
        count = await queries.counted(tx, source, limit=limit)
    else:
        count = await pages.counted(tx, stretch, limit=limit)
    if lasting and count == limit:
        _plenty.note(tx.workspace_id, source, limit)
    return count


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
    passed over. ``counted``: ``matches`` are all that there are from the position on. ``records``: the rows
    themselves, where they came along.
    """

    keys: list[Key] = field(default_factory=list)
    matches: int = 0
    skipped: int = 0
    last: Key | None = None
    ended: bool = False
    counted: bool = False
    records: Sequence[Row[Any]] | None = None


async def find(tx: ReadTx, criteria: Criteria, wanted: Wanted, test: Test | None, *, sees_platform: bool) -> Found:
    """Plan, then scan; matches that are known to be more than are ever counted are not counted again."""
    chosen = await plan(tx, criteria, sees_platform=sees_platform)
    asked, most = (criteria, sees_platform), COUNTED_AT_MOST + 1
    if not wanted.counting or test is not None:
        return await scan(tx, chosen, wanted, test)
    if _plenty.holds(tx.workspace_id, asked, most):
        found = await scan(tx, chosen, wanted._replace(counting=False), None)
        found.matches = most
        return found
    found = await scan(tx, chosen, wanted, None)
    if found.matches >= most:
        _plenty.note(tx.workspace_id, asked, most)
    return found


async def scan(tx: ReadTx, chosen: Plan, wanted: Wanted, test: Test | None) -> Found:
    """Look for rows along a plan until enough were found, none are left or the budget is used."""
    way = Way(wanted.newest_first, wanted.after, chosen.by_date)
    if test is None and chosen.gathered:
        return await _pick(tx, chosen, way, wanted)
    if test is None and chosen.residual is None:
        return await _read_off(tx, chosen, way, wanted)
    budget = _Budget()
    found = await _search(tx, chosen, way, wanted, test, budget)
    if wanted.counting and test is None:
        await _count_on(tx, chosen, replace(way, after=found.last), found, budget)
    return found


async def _pick(tx: ReadTx, chosen: Plan, way: Way, wanted: Wanted) -> Found:
    """Pick the page out of a small set that is sorted whole."""
    end = wanted.skip + wanted.rows
    keys, matches = await queries.gathered(tx, chosen.source, chosen.residual, way, limit=_AMPLE, most=end)
    return Found(
        keys[wanted.skip :],
        matches,
        min(wanted.skip, len(keys)),
        last=keys[-1] if keys else wanted.after,
        ended=matches < end,
        counted=True,
    )


async def _read_off(tx: ReadTx, chosen: Plan, way: Way, wanted: Wanted) -> Found:
    """Read the page straight off an index that answers everything; its rows come along when it is a single one."""
    stretch = pages.stretch(chosen.source)
    if stretch is None:
        keys = await queries.candidates(tx, chosen.source, way, limit=wanted.rows, offset=wanted.skip)
        found = Found(keys)
    else:
        records = await pages.read(tx, stretch, way, limit=wanted.rows, offset=wanted.skip)
        found = Found([pages.key_of(record, way) for record in records], records=records)
    found.last = found.keys[-1] if found.keys else wanted.after
    found.skipped, found.ended = wanted.skip, len(found.keys) < wanted.rows
    if wanted.counting:
        await _count_off(tx, chosen, wanted, found)
    return found


async def _count_off(tx: ReadTx, chosen: Plan, wanted: Wanted, found: Found) -> None:
    """Count what an index holds; a page that is not full, and not behind the end, has told already."""
    if found.ended and (found.keys or not wanted.skip):
        found.matches = wanted.skip + len(found.keys)
    else:
        found.matches = await _count(tx, chosen.source, COUNTED_AT_MOST + 1)
    found.counted = found.matches <= COUNTED_AT_MOST


class _Budget:
    """How many more candidates may be looked at, how long, and how many at once: more while they come quickly."""

    def __init__(self) -> None:
        self._left = BUDGET_ROWS
        self._size = _FIRST_CHUNK
        self._deadline = time.monotonic() + BUDGET_SECONDS
        self._started = 0.0

    @property
    def over(self) -> bool:
        """Whether nothing is left of it."""
        return self._left <= 0 or self.late

    @property
    def late(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self._deadline

    def take(self, arms: int) -> int:
        """Return how many candidates to look at next; each arm of a source reads that many to merge them."""
        limit = max(1, min(self._size, self._left) // arms)
        self._left -= limit * arms
        self._started = time.monotonic()
        return limit

    def came(self) -> None:
        """Note that the candidates taken last have come."""
        if time.monotonic() - self._started < _QUICK_SECONDS:
            self._size = min(self._size * 5, _LARGEST_CHUNK)


async def _search(tx: ReadTx, chosen: Plan, way: Way, wanted: Wanted, test: Test | None, budget: _Budget) -> Found:
    """Test candidates until the page is full; with a test that SQL can't do, go on while counting is asked for."""
    found = Found(last=wanted.after)
    async for chunk in _chunks(tx, chosen, way, budget):
        async for candidate, matches in _tested(tx, chunk, test, budget):
            _take(found, candidate.key, matches, wanted)
            if len(found.keys) == wanted.rows and not wanted.counting:
                return found
        whole = not chunk.candidates or found.last == chunk.candidates[-1].key
        found.ended = found.counted = chunk.ends and whole
        full = len(found.keys) == wanted.rows and (test is None or found.matches > COUNTED_AT_MOST)
        if full or not whole:
            break
    return found


def _take(found: Found, key: Key, matches: bool, wanted: Wanted) -> None:
    found.last = key
    if not matches:
        return
    found.matches += 1
    if found.skipped < wanted.skip:
        found.skipped += 1
    elif len(found.keys) < wanted.rows:
        found.keys.append(key)


async def _count_on(tx: ReadTx, chosen: Plan, way: Way, found: Found, budget: _Budget) -> None:
    """Count the matches after a page that is full, up to the limit of counting and within the budget."""
    while not (found.counted or budget.over or found.matches > COUNTED_AT_MOST):
        tally = await queries.tally(tx, chosen.source, chosen.residual, way, limit=budget.take(len(chosen.source)))
        budget.came()
        found.matches += tally.hits
        found.counted = tally.last is None
        way = replace(way, after=tally.last)


async def _chunks(tx: ReadTx, chosen: Plan, way: Way, budget: _Budget) -> AsyncIterator[Chunk]:
    if chosen.gathered:
        keys, _ = await queries.gathered(tx, chosen.source, chosen.residual, way, limit=_AMPLE)
        yield Chunk([Candidate(key, True) for key in keys], ends=True)
        return
    while not budget.over:
        chunk = await queries.chunk(tx, chosen.source, chosen.residual, way, limit=budget.take(len(chosen.source)))
        budget.came()
        yield chunk
        if chunk.ends:
            return
        way = replace(way, after=chunk.candidates[-1].key)


async def _tested(
    tx: ReadTx, chunk: Chunk, test: Test | None, budget: _Budget
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
        rows = iter(await queries.rows(tx, [candidate.key[1] for candidate in part if candidate.hit]))
        for start in range(0, len(part), _ROWS_A_SLICE):
            piece = part[start : start + _ROWS_A_SLICE]
            hits = [next(rows) for candidate in piece if candidate.hit]
            answers = iter(await test(hits)) if hits else iter(())
            for candidate in piece:
                yield candidate, candidate.hit and next(answers)
            await asyncio.sleep(0)
            if budget.late:
                return
