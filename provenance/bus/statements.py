"""Statements in PostgreSQL's own words, for a connection of a lane's or the transaction of whoever publishes.

Columns travel as array literals, texts quoted in them, which is cheaper than the driver's encoding of arrays
(`provenance.ledger.appending` measured it).
"""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Protocol

from provenance.core.db import ReadTx


class Statements(Protocol):
    """Where statements run."""

    async def fetch(self, sql: str, *arguments: Any) -> Sequence[Any]:
        """Run one statement and return its rows."""
        ...


class Within:
    """A transaction as `Statements`."""

    def __init__(self, tx: ReadTx) -> None:
        """Take the transaction."""
        self._tx = tx

    async def fetch(self, sql: str, *arguments: Any) -> Sequence[Any]:
        """Run one statement and return its rows; none of one that returns no rows."""
        result = await self._tx.driver_sql(sql, arguments)
        return result.all() if result.returns_rows else ()


def unnest(columns: Mapping[str, str], *, first: int = 1, ordered: str | None = None) -> str:
    """Return ``unnest(…) AS o(…)``, parameters from ``first`` on; ``ordered`` names a column with each row's place."""
    arrays = ", ".join([f"${at}::text::{kind}[]" for at, kind in enumerate(columns.values(), first)])
    names = ", ".join([*columns, ordered] if ordered else columns)
    return f"unnest({arrays}){' WITH ORDINALITY' if ordered else ''} AS o({names})"


def arrays(columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> list[Any]:
    """Return the parameters of `unnest` for these rows, each in the order of the columns."""
    values = list(zip(*rows, strict=True))
    return [_written(kind, value) for kind, value in zip(columns.values(), values, strict=True)]


def _written(kind: str, values: Sequence[Any]) -> str:
    """Write a column. Many say one thing of all rows; where that is nothing, ``unnest`` fills up an empty one."""
    write, first = _WRITERS.get(kind, str), values[0]
    if first == values[-1] and values.count(first) == len(values):
        return "{}" if first is None else "{" + ",".join([write(first)] * len(values)) + "}"
    return "{" + ",".join(["NULL" if value is None else write(value) for value in values]) + "}"


def _quoted(value: str) -> str:
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


_WRITERS: dict[str, Callable[[Any], str]] = {"text": _quoted, "uuid": attrgetter("hex")}


def as_uuid(value: Any) -> uuid.UUID:
    """Return the driver's UUID as a plain one, which hashes like those we make."""
    return uuid.UUID(int=value.int)
