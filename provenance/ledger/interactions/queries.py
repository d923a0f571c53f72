"""Every statement that lists interactions: candidates out of one index, and what they are tested by.

A candidate statement walks one index from a position, so its cost is the number of candidates it hands over.
The ranges are written as row comparisons, with an ORDER BY that names the index's own columns: only that
index can serve them, so the planner never trades it for a walk along the primary key that "should" meet a hot
value soon.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Row,
    Select,
    any_,
    func,
    literal,
    select,
    true,
    tuple_,
    union_all,
)

from provenance.core.db import ReadTx
from provenance.ledger.interactions.rendering import SELECTED
from provenance.ledger.tables import interactions

LAST = 2**63 - 1
Key = tuple[int, int]
"""Where a row stands: its time in nanoseconds (0 in the order of numbers) and its number."""

_row = interactions.c


class Candidate(NamedTuple):
    """A row that an index handed over, and whether it satisfies the conditions tested in SQL."""

    number: int
    occurred_at: int
    hit: bool


class Chunk(NamedTuple):
    """Candidates in the list's order; misses are left out, but for the last one when the index goes on."""

    candidates: list[Candidate]
    ends: bool


@dataclass(frozen=True, slots=True)
class Way:
    """How an index is walked: downwards or upwards, and from which row on (None: from its end)."""

    newest_first: bool
    after: Key | None = None

    def range(
        self, columns: Sequence[ColumnElement[Any]], first: Sequence[Any], last: Sequence[Any]
    ) -> ColumnElement[bool]:
        """Return the condition that ``columns`` lie from ``first`` to ``last``, both included."""
        left = tuple_(*columns)
        inside: ColumnElement[bool] = (left >= _values(columns, first)) & (left <= _values(columns, last))
        return inside

    def from_here(
        self, columns: Sequence[ColumnElement[Any]], fixed: Sequence[Any], key: Sequence[int]
    ) -> ColumnElement[bool]:
        """Return the condition that a row comes after ``key`` on this way."""
        left, right = tuple_(*columns), _values(columns, [*fixed, *key])
        beyond: ColumnElement[bool] = left < right if self.newest_first else left > right
        return beyond

    def ordered(self, *columns: ColumnElement[Any]) -> list[ColumnElement[Any]]:
        """Return the ORDER BY of this way."""
        return [column.desc() if self.newest_first else column.asc() for column in columns]


def _values(columns: Sequence[ColumnElement[Any]], values: Sequence[Any]) -> Any:
    return tuple_(*[literal(value, column.type) for column, value in zip(columns, values, strict=True)])


class Everything:
    """All rows of the workspace, in the order of their numbers."""

    table: FromClause = interactions
    numbered = True

    def narrowed(self, wanted: Select[Any], way: Way) -> Select[Any]:
        """Narrow ``wanted`` to this index from the way's position, in the index's order."""
        if way.after is not None:
            number = way.after[1]
            wanted = wanted.where(_row.number < number if way.newest_first else _row.number > number)
        return wanted.order_by(*way.ordered(_row.number))


class PlatformRows(Everything):
    """The rows that the platform made."""

    def narrowed(self, wanted: Select[Any], way: Way) -> Select[Any]:
        """Narrow to the partial index of platform rows."""
        return super().narrowed(wanted.where(_row.platform), way)


@dataclass(frozen=True, slots=True)
class Holding:
    """The rows that hold one value in an indexed column, in the order of their numbers."""

    column: Column[Any]
    value: Any
    table: FromClause = interactions
    numbered = True

    def narrowed(self, wanted: Select[Any], way: Way) -> Select[Any]:
        """Narrow to one value of the index (workspace, column, number)."""
        columns = [self.column, self.table.c.number]
        wanted = wanted.where(way.range(columns, [self.value, 0], [self.value, LAST]))
        if self.column.nullable:
            wanted = wanted.where(self.column.is_not(None))
        if way.after is not None:
            wanted = wanted.where(way.from_here(columns, [self.value], way.after[1:]))
        return wanted.order_by(*way.ordered(*columns))


@dataclass(frozen=True, slots=True)
class Loose:
    """Rows whose index does not hand them over in the order of numbers: they are gathered, then sorted."""

    condition: ColumnElement[bool]
    table: FromClause = interactions
    numbered = False

    def narrowed(self, wanted: Select[Any], way: Way) -> Select[Any]:
        """Narrow to the condition; the way's position is left to whoever sorts."""
        return wanted.where(self.condition)


@dataclass(frozen=True, slots=True)
class Between:
    """The rows of a stretch of time, in the order of their times. ``end`` is exclusive."""

    start: int | None
    end: int | None
    table: FromClause = interactions
    numbered = False

    def narrowed(self, wanted: Select[Any], way: Way) -> Select[Any]:
        """Narrow to the index (workspace, time, number)."""
        wanted = wanted.where(*between(self.start, self.end))
        columns = [_row.occurred_at, _row.number]
        if way.after is not None:
            wanted = wanted.where(way.from_here(columns, [], way.after))
        return wanted.order_by(*way.ordered(*columns))


Arm = Everything | Holding | Loose | Between
Source = tuple[Arm, ...]
"""Where candidates come from: one range of an index, or several of the same kind."""


def between(start: int | None, end: int | None) -> list[ColumnElement[bool]]:
    """Return the conditions of a stretch of time; ``end`` is exclusive."""
    found = [] if start is None else [_row.occurred_at >= start]
    return found if end is None else [*found, _row.occurred_at < end]


def after(key: Key, *, by_date: bool, newest_first: bool, of: FromClause = interactions) -> ColumnElement[bool]:
    """Return the condition that a row comes after ``key`` in the list's order."""
    way = Way(newest_first)
    columns = [of.c.occurred_at, of.c.number] if by_date else [of.c.number]
    return way.from_here(columns, [], key if by_date else key[1:])


def _arm(tx: ReadTx, arm: Arm, columns: Sequence[ColumnElement[Any]], way: Way, limit: int) -> Select[Any]:
    if arm.table is interactions:
        wanted = select(*columns).where(_row.workspace_id == tx.workspace_id)
        return arm.narrowed(wanted, way).limit(limit)
    named = select(arm.table.c.number).where(arm.table.c.workspace_id == tx.workspace_id)
    found = arm.narrowed(named, way).group_by(arm.table.c.resource_id, arm.table.c.number).limit(limit).subquery()
    here = (_row.workspace_id == tx.workspace_id) & (_row.number == found.c.number)
    return select(*columns).select_from(found.join(interactions, here)).order_by(*way.ordered(_row.number))


def _arms(
    tx: ReadTx, source: Source, columns: Sequence[ColumnElement[Any]], way: Way, limit: int
) -> Select[Any] | CompoundSelect[Any]:
    arms = [_arm(tx, arm, columns, way, limit) for arm in source]
    return arms[0] if len(arms) == 1 else union_all(*[select(arm.subquery()) for arm in arms])


def _shown(hit: ColumnElement[bool] | None) -> list[ColumnElement[Any]]:
    tested = true() if hit is None else func.coalesce(hit, False)
    return [_row.number, _row.occurred_at, tested.label("hit")]


async def candidates(tx: ReadTx, source: Source, way: Way, *, limit: int, offset: int = 0) -> list[Key]:
    """Walk an index from the way's position and return the keys of the next rows in its order."""
    found = _walk(tx, source, [_row.occurred_at, _row.number], way, limit, offset)
    return [(row.occurred_at, row.number) for row in await tx.execute(found)]


async def chunk(tx: ReadTx, source: Source, hit: ColumnElement[bool] | None, way: Way, *, limit: int) -> Chunk:
    """Walk ``limit`` candidates of an index and return those that satisfy ``hit``, and the last of all."""
    walked = _walk(tx, source, _shown(hit), way, limit).subquery()
    placed = select(walked, func.row_number().over().label("place")).subquery()
    kept = select(placed).where(placed.c.hit | (placed.c.place == limit)).order_by(placed.c.place)
    rows = (await tx.execute(kept)).all()
    ends = not rows or rows[-1].place < limit
    return Chunk([Candidate(row.number, row.occurred_at, row.hit) for row in rows], ends)


def _walk(
    tx: ReadTx, source: Source, columns: Sequence[ColumnElement[Any]], way: Way, limit: int, offset: int = 0
) -> Select[Any]:
    if len(source) == 1:
        found = _arm(tx, source[0], columns, way, limit)
    else:
        merged = _arms(tx, source, columns, way, limit + offset).subquery()
        found = select(merged).order_by(*way.ordered(merged.c.number)).limit(limit)
    return found.offset(offset) if offset else found


async def gathered(
    tx: ReadTx, source: Source, hit: ColumnElement[bool] | None, way: Way, *, limit: int, by_date: bool
) -> Chunk:
    """Take all of a small source (``limit`` rows at most); return the hits after the position, in order."""
    everything = _arms(tx, source, _shown(hit), Way(newest_first=True), limit).subquery()
    wanted = select(everything.c.number, everything.c.occurred_at, everything.c.hit).where(everything.c.hit).distinct()
    if way.after is not None:
        wanted = wanted.where(after(way.after, by_date=by_date, newest_first=way.newest_first, of=everything))
    order = [everything.c.occurred_at, everything.c.number] if by_date else [everything.c.number]
    rows = await tx.execute(wanted.order_by(*way.ordered(*order)))
    return Chunk([Candidate._make(row) for row in rows], ends=True)


async def counted(tx: ReadTx, sources: Iterable[Source], *, limit: int) -> list[int]:
    """Count the rows of each source, up to ``limit``, out of the indexes alone."""
    counts = []
    for source in sources:
        numbers = _arms(tx, source, [_row.number], Way(newest_first=True), limit).subquery()
        bounded = select(numbers.c.number).limit(limit).subquery()
        counts.append(select(func.count()).select_from(bounded).scalar_subquery())
    return list((await tx.execute(select(*counts))).one())


async def head(tx: ReadTx) -> int:
    """Return the highest number of the workspace, 0 when it holds no row: numbers have no gaps."""
    mine = select(_row.number).where(_row.workspace_id == tx.workspace_id)
    return (await tx.execute(mine.order_by(_row.number.desc()).limit(1))).scalar() or 0


async def rows(tx: ReadTx, numbers: Sequence[int]) -> list[Row[Any]]:
    """Return the rows with these numbers, in this order, ready to be rendered."""
    if not numbers:
        return []
    wanted = _row.number == any_(literal(list(numbers), ARRAY(BigInteger)))
    found = await tx.execute(select(*SELECTED).where(_row.workspace_id == tx.workspace_id, wanted))
    by_number = {row[0]: row for row in found}
    return [by_number[number] for number in numbers]


async def row(tx: ReadTx, interaction_id: uuid.UUID) -> Row[Any] | None:
    """Return one row by its id, or None."""
    mine = select(*SELECTED).where(_row.workspace_id == tx.workspace_id, _row.id == interaction_id)
    return (await tx.execute(mine)).one_or_none()
