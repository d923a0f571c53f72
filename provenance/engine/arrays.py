"""Rows as the arrays that statements take: one parameter a column.

Columns of numbers, ids and words of ours travel as array literals, one text each: joining them is several times cheaper
than the driver's encoding of arrays, which asks of each element whether it is a sequence. Texts of others' making
travel as real arrays and are never part of a literal.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Args = list[Any]
Kinds = Mapping[str, str]
"""Columns by name, with their types; ``word`` is a text of letters, digits and ``_`` that is one of ours."""


def unnest(columns: Kinds, first: int = 1) -> str:
    """Return the rows ``o`` of arrays that are parameters from ``first`` on."""
    listed = ", ".join(_parameter(at, kind) for at, kind in enumerate(columns.values(), first))
    return f"unnest({listed}) AS o({', '.join(columns)})"


def arrays(columns: Kinds, rows: Iterable[Sequence[Any]]) -> Args:
    """Return the parameters of `unnest` for these rows."""
    turned = list(zip(*rows, strict=True)) or [()] * len(columns)
    return [_column(kind, column) for kind, column in zip(columns.values(), turned, strict=True)]


def _column(kind: str, values: Sequence[Any]) -> Any:
    """Write a column. Many say nothing of any row, and where arrays differ in length, `unnest` adds nulls."""
    if values and values[0] is None and values.count(None) == len(values):
        values = ()
    return _WRITERS[kind](values)


def _parameter(place: int, kind: str) -> str:
    if kind == "word":
        return f"${place}::text::text[]"
    return f"${place}::text[]" if kind == "text" else f"${place}::text::{kind}[]"


def _literal(values: Sequence[Any]) -> str:
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def _uuids(values: Sequence[Any]) -> str:
    return "{" + ",".join(["NULL" if value is None else f"{value.int:032x}" for value in values]) + "}"


def _flags(values: Sequence[Any]) -> str:
    return "{" + ",".join(["t" if value else "f" for value in values]) + "}"


def _as_they_are(values: Sequence[Any]) -> Any:
    return values


_WRITERS: dict[str, Callable[[Sequence[Any]], Any]] = {
    "uuid": _uuids,
    "boolean": _flags,
    "text": _as_they_are,
    **dict.fromkeys(("word", "integer", "smallint", "bigint", "float8"), _literal),
}
