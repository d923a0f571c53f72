"""Every statement that lists interactions: candidates out of one index, and what they are tested by.

A candidate statement walks one index from a position, so its cost is the number of candidates it hands over.
The ranges are written as row comparisons, with an ORDER BY that names the index's own columns: only that
index can serve them, so the planner never trades it for a walk along the primary key that "should" meet a hot
value soon.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Row,
    Select,
    Subquery,
    func,
    literal,
    literal_column,
    select,
    true,
    tuple_,
    union_all,
)

from provenance.core.db import ReadTx
from provenance.ledger.interactions.rendering import selected_of
from provenance.ledger.tables import interactions

LAST = 2**63 - 1
Key = tuple[int, int]
"""Where a row stands: its time in nanoseconds (0 in the order of numbers) and its number."""

_row = interactions.c


class Candidate(NamedTuple):
    """A row that an index handed over, and whether it satisfies the conditions tested in SQL."""

    key: Key
    hit: bool


class Chunk(NamedTuple):
    """Candidates in the list's order; misses are left out, but for the last one when the index goes on."""

    candidates: list[Candidate]
    ends: bool


class Tally(NamedTuple):
    """How many of the candidates walked were hits, and the last candidate when the index goes on after it."""

    hits: int
    last: Key | None


@dataclass(frozen=True, slots=True)
class Way:
    """How rows are walked: by time or by number, downwards or upwards, from which row on (None: from the end)."""

    newest_first: bool
    after: Key | None = None
    by_date: bool = False

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
class Beginning(Loose):
    """Rows about resources whose id begins with a text."""

    prefix: str = ""


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


def _key(way: Way) -> list[ColumnElement[Any]]:
    """Return the columns of a `Key`; the time is only read where rows are ordered by it, so indexes alone may do."""
    moment = _row.occurred_at if way.by_date else literal_column("0", BigInteger)
    return [moment.label("moment"), _row.number]


def _tested(way: Way, hit: ColumnElement[bool] | None) -> list[ColumnElement[Any]]:
    return [*_key(way), (true() if hit is None else func.coalesce(hit, False)).label("hit")]


def _walk(
    tx: ReadTx, source: Source, columns: Sequence[ColumnElement[Any]], way: Way, limit: int, offset: int = 0
) -> Select[Any]:
    if len(source) == 1 and source[0].table is interactions:
        found = _arm(tx, source[0], columns, way, limit)
    else:
        merged = _arms(tx, source, columns, way, limit + offset).subquery()
        found = select(merged).order_by(*way.ordered(merged.c.number)).limit(limit)
    return found.offset(offset) if offset else found


def _placed(tx: ReadTx, source: Source, hit: ColumnElement[bool] | None, way: Way, limit: int) -> Subquery:
    walked = _walk(tx, source, _tested(way, hit), way, limit).subquery()
    return select(walked, func.row_number().over().label("place")).subquery()


async def candidates(tx: ReadTx, source: Source, way: Way, *, limit: int, offset: int = 0) -> list[Key]:
    """Walk an index from the way's position and return the keys of the next rows in its order."""
    return [(row.moment, row.number) for row in await tx.execute(_walk(tx, source, _key(way), way, limit, offset))]


async def chunk(tx: ReadTx, source: Source, hit: ColumnElement[bool] | None, way: Way, *, limit: int) -> Chunk:
    """Walk ``limit`` candidates of an index and return those that satisfy ``hit``, and the last of all."""
    placed = _placed(tx, source, hit, way, limit)
    kept = select(placed).where(placed.c.hit | (placed.c.place == limit)).order_by(placed.c.place)
    rows = (await tx.execute(kept)).all()
    ends = not rows or rows[-1].place < limit
    return Chunk([Candidate((row.moment, row.number), row.hit) for row in rows], ends)


async def tally(tx: ReadTx, source: Source, hit: ColumnElement[bool] | None, way: Way, *, limit: int) -> Tally:
    """Walk ``limit`` candidates of an index and count those that satisfy ``hit``."""
    placed = _placed(tx, source, hit, way, limit)
    is_last = placed.c.place == limit
    counted = select(
        func.count().filter(placed.c.hit).label("hits"),
        func.max(placed.c.moment).filter(is_last).label("moment"),
        func.max(placed.c.number).filter(is_last).label("number"),
    )
    row = (await tx.execute(counted)).one()
    return Tally(row.hits, None if row.number is None else (row.moment, row.number))


async def gathered(
    tx: ReadTx, source: Source, hit: ColumnElement[bool] | None, way: Way, *, limit: int, most: int | None = None
) -> tuple[list[Key], int]:
    """Take all of a small source (``limit`` rows at most); return the keys of hits after the position, in order.

    At most ``most`` of them are returned; the second value says how many there are.
    """
    everything = _arms(tx, source, _tested(way, hit), Way(newest_first=True, by_date=way.by_date), limit).subquery()
    hits = select(everything.c.moment, everything.c.number).where(everything.c.hit).distinct().subquery()
    key = [hits.c.moment, hits.c.number]
    wanted = select(*key, func.count().over().label("hits")).order_by(*way.ordered(*key)).limit(most)
    if way.after is not None:
        wanted = wanted.where(way.from_here(key, [], way.after))
    rows = (await tx.execute(wanted)).all()
    return [(row.moment, row.number) for row in rows], rows[0].hits if rows else 0


async def counted(tx: ReadTx, source: Source, *, limit: int) -> int:
    """Count the rows of a source, up to ``limit``, out of the indexes alone."""
    numbers = _arms(tx, source, [_row.number], Way(newest_first=True), limit).subquery()
    bounded = select(numbers.c.number).limit(limit).subquery()
    return int((await tx.execute(select(func.count()).select_from(bounded))).scalar_one())


_RESOURCES = """
WITH RECURSIVE each AS (
    (SELECT resource_id FROM interactions WHERE workspace_id = $1 AND resource_id >= $2 ORDER BY resource_id LIMIT 1)
    UNION ALL
    SELECT (SELECT i.resource_id FROM interactions AS i WHERE i.workspace_id = $1 AND i.resource_id > each.resource_id
             ORDER BY i.resource_id LIMIT 1)
      FROM each WHERE starts_with(each.resource_id, $2)
)
SELECT resource_id FROM each WHERE starts_with(resource_id, $2) LIMIT $3
"""


async def resources(tx: ReadTx, prefix: str, *, limit: int) -> list[str]:
    """Return the first resources whose ids begin with a text, hopping from one to the next in their index."""
    return [row[0] for row in await tx.driver_sql(_RESOURCES, (tx.workspace_id, prefix, limit))]


_HEAD = "SELECT number FROM interactions WHERE workspace_id = $1 ORDER BY number DESC LIMIT 1"


async def head(tx: ReadTx) -> int:
    """Return the highest number of the workspace, 0 when it holds no row: numbers have no gaps."""
    return (await tx.driver_sql(_HEAD, (tx.workspace_id,))).scalar() or 0


_SELECTED = f"SELECT {selected_of('interactions')} FROM interactions WHERE workspace_id = $1"  # noqa: S608 - our own names
_ROWS = _SELECTED + " AND number = ANY($2::bigint[])"
_ONE = _SELECTED + " AND id = $2"


async def rows(tx: ReadTx, numbers: Sequence[int]) -> list[Row[Any]]:
    """Return the rows with these numbers, in this order, ready to be rendered."""
    if not numbers:
        return []
    by_number = {row[0]: row for row in await tx.driver_sql(_ROWS, (tx.workspace_id, list(numbers)))}
    return [by_number[number] for number in numbers]


async def row(tx: ReadTx, interaction_id: uuid.UUID) -> Row[Any] | None:
    """Return one row by its id, or None."""
    return (await tx.driver_sql(_ONE, (tx.workspace_id, interaction_id))).one_or_none()
