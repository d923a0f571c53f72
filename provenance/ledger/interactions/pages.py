"""Pages that one index hands over, rows and all, in one statement; and how many rows it holds.

The statements are text, written once for each index and direction: building and compiling one for every request takes
longer than running it. A stretch of an index is given by the keys right before and right after it, so the parameters
are the same wherever a page begins. As in `queries`, only the index that ORDER BY names can serve a statement.
"""

from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Column, Row, Uuid

from provenance.core.db import ReadTx
from provenance.ledger.interactions.queries import LAST, Between, Everything, Holding, Key, PlatformRows, Source, Way
from provenance.ledger.interactions.rendering import selected_of
from provenance.ledger.tables import interactions

_ROW = selected_of("row")
_FIRST = -(2**63)
_row = interactions.c


class Stretch(NamedTuple):
    """A stretch of an index: the column before the number (None: the number alone), and the keys around it.

    ``partial`` is what a partial index asks for.
    """

    column: Column[Any] | None
    before: tuple[Any, ...]
    beyond: tuple[Any, ...]
    partial: str = ""

    def rest(self, way: Way) -> "Stretch":
        """Return what of it lies after the way's position."""
        if way.after is None:
            return self
        key = self._key(way.after, way)
        return self._replace(beyond=key) if way.newest_first else self._replace(before=key)

    def _key(self, key: Key, way: Way) -> tuple[Any, ...]:
        if self.column is None:
            return key[1:]
        return key if way.by_date else (self.before[0], key[1])


def stretch(source: Source) -> Stretch | None:
    """Return the stretch that a source is; None when it is several, or of an index that has no numbers."""
    match source:
        case (PlatformRows(),):
            return Stretch(None, (0,), (LAST,), " AND platform")
        case (Everything(),):
            return Stretch(None, (0,), (LAST,))
        case (Holding(column, value, table),) if table is interactions:
            partial = f" AND {column.name} IS NOT NULL" if column.nullable else ""
            return Stretch(column, (value, 0), (value, LAST), partial)
        case (Between(start, end),):
            before = (_FIRST if start is None else start, 0)
            return Stretch(_row.occurred_at, before, (LAST, LAST) if end is None else (end, 0))
    return None


async def read(tx: ReadTx, wanted: Stretch, way: Way, *, limit: int, offset: int = 0) -> list[Row[Any]]:
    """Return the next rows of a stretch on a way, ready to be rendered."""
    rest = wanted.rest(way)
    statement = _page(rest.column, rest.partial, newest_first=way.newest_first, skips=offset > 0)
    skipped = (offset,) if offset else ()
    found = await tx.driver_sql(statement, (tx.workspace_id, *rest.before, *rest.beyond, limit, *skipped))
    return list(found)


def key_of(row: Row[Any], way: Way) -> Key:
    """Return where a row stands on a way."""
    return (row.occurred_at if way.by_date else 0, row.number)


async def counted(tx: ReadTx, wanted: Stretch, *, limit: int) -> int:
    """Count the rows of a stretch, up to ``limit``, out of its index alone."""
    statement = _count(wanted.column, wanted.partial)
    found = await tx.driver_sql(statement, (tx.workspace_id, *wanted.before, *wanted.beyond, limit))
    return int(found.scalar_one())


@cache
def _page(column: Column[Any] | None, partial: str, *, newest_first: bool, skips: bool) -> str:
    walked = _walk(column, partial, newest_first=newest_first)
    limit = _parameters(column) + 1
    if not skips:
        return f"SELECT {_ROW}{walked} LIMIT ${limit}"
    # The rows that are passed over are passed over in the index: only those of the page are fetched.
    return (
        f"SELECT {_ROW} FROM (SELECT row.number{walked} LIMIT ${limit} OFFSET ${limit + 1}) AS found"  # noqa: S608 - our own names
        " JOIN interactions AS row ON row.workspace_id = $1 AND row.number = found.number"
        f" ORDER BY {_order(column, newest_first=newest_first)}"
    )


@cache
def _count(column: Column[Any] | None, partial: str) -> str:
    limit = _parameters(column) + 1
    return f"SELECT count(*) FROM (SELECT{_walk(column, partial, newest_first=True)} LIMIT ${limit}) AS found"  # noqa: S608 - our own names


def _parameters(column: Column[Any] | None) -> int:
    """Return how many parameters come first: the workspace and the two keys."""
    return 3 if column is None else 5


def _walk(column: Column[Any] | None, partial: str, *, newest_first: bool) -> str:
    if column is None:
        inside = "row.number > $2 AND row.number < $3"
    else:
        key = f"(row.{column.name}, row.number)"
        inside = f"{key} > ($2::{_type(column)}, $3::bigint) AND {key} < ($4::{_type(column)}, $5::bigint)"
    order = _order(column, newest_first=newest_first)
    return f" FROM interactions AS row WHERE row.workspace_id = $1 AND {inside}{partial} ORDER BY {order}"


def _order(column: Column[Any] | None, *, newest_first: bool) -> str:
    way = "DESC" if newest_first else "ASC"
    first = "" if column is None else f"row.{column.name} {way}, "
    return f"{first}row.number {way}"


def _type(column: Column[Any]) -> str:
    if isinstance(column.type, BigInteger):
        return "bigint"
    return "uuid" if isinstance(column.type, Uuid) else "text"
