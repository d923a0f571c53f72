"""Calling ``ledger_append``: the one statement through which every interaction enters the ledger.

Each column travels as one text: joining values to an array literal is several times cheaper than the driver's
encoding of arrays, which asks of each element whether it is a sequence (measured: 20 against 5 µs a row). Texts of
the client's own making are quoted in it. Contents are cut at line feeds instead, which canonical JSON never holds.
"""

import uuid
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from provenance.core.db import ReadTx
from provenance.ledger.entry import Columns, Entry, Verdict


@lru_cache(maxsize=4096)
def _uuid(value: uuid.UUID | str) -> str:
    return str(value)


def _literal(values: Sequence[Any]) -> str:
    """Write UUIDs, numbers and words of ours (letters, digits, ``_``, ``.``, ``-``) as an array literal."""
    try:
        return "{" + ",".join(values) + "}"
    except TypeError:  # there are others than texts
        return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def _workspaces(values: Sequence[Any]) -> str:
    return "{" + ",".join([_uuid(value) for value in values]) + "}"


def _flags(values: Sequence[Any]) -> str:
    return "{" + ",".join(["t" if value else "f" for value in values]) + "}"


def _bytes(values: Sequence[Any]) -> str:
    """Write bytes as an array literal."""
    if not values:
        return "{}"
    try:
        return '{"\\\\x' + '","\\\\x'.join(map(bytes.hex, values)) + '"}'
    except TypeError:  # some are missing
        return "{" + ",".join(["NULL" if value is None else f'"\\\\x{value.hex()}"' for value in values]) + "}"


def _texts(values: Sequence[str | None]) -> str:
    """Write texts of anyone's making as an array literal."""
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def _quoted(value: str) -> str:
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


def _lines(values: Sequence[str]) -> str:
    """Write canonical JSON texts, one on each line."""
    return "\n".join(values)


_WRITTEN: dict[str, tuple[str, Callable[[Sequence[Any]], str]]] = {
    "workspace_id": ("uuid", _workspaces),
    "id": ("uuid", _literal),
    "resource_type_id": ("uuid", _literal),
    "action_id": ("uuid", _literal),
    "origin_id": ("uuid", _literal),
    "resource_id": ("text", _texts),
    "user_id": ("text", _texts),
    "external_reference": ("text", _texts),
    "uow_id": ("uuid", _literal),
    "span_id": ("uuid", _literal),
    "parent_span_id": ("uuid", _literal),
    "occurred_at": ("bigint", _literal),
    "recorded_at": ("bigint", _literal),
    "outcome": ("text", _literal),
    "platform": ("boolean", _flags),
    "recorded_by": ("text", _literal),
    "actor_kind": ("text", _literal),
    "sequence_index": ("bigint", _literal),
    "risk": ("text", _literal),
    "domain": ("text", _literal),
    "corrects": ("uuid", _literal),
    "content": ("text", _lines),
    "salt": ("bytea", _bytes),
    "content_digest": ("bytea", _bytes),
    "resource_key": ("bytea", _bytes),
    "user_key": ("bytea", _bytes),
    "leaf_hash": ("bytea", _bytes),
    "key": ("bytea", _bytes),
    "digest": ("bytea", _bytes),
    "related_entry": ("integer", _literal),
    "related_position": ("integer", _literal),
    "related_resource": ("text", _texts),
}
"""How each argument of the function is written, in its order: the columns, the keys, the related resources."""

_WRITERS = [write for _, write in _WRITTEN.values()]
assert tuple(_WRITTEN)[: len(Columns._fields)] == Columns._fields


def _parameter(place: int, kind: str, write: Callable[[Sequence[Any]], str]) -> str:
    return f"string_to_array(${place}, E'\\n')" if write is _lines else f"${place}::text::{kind}[]"


_PARAMETERS = ", ".join(_parameter(place, *written) for place, written in enumerate(_WRITTEN.values(), 1))
APPEND = (
    "SELECT array_agg(number), string_agg(verdict, ''), array_agg(id) FILTER (WHERE verdict <> 'c') "  # noqa: S608 — no value
    f"FROM ledger_append({_PARAMETERS}, ${len(_WRITTEN) + 1}::boolean)"
)
"""Answers one row for all entries: their numbers, their verdicts, a letter each, and the ids that repeats have."""


def arguments(entries: list[Entry], *, all_or_nothing: bool = False) -> list[Any]:
    """Return the arguments of `APPEND` for these entries."""
    related = [
        (at, position, resource)
        for at, entry in enumerate(entries, 1)
        if entry.related
        for position, resource in enumerate(entry.related)
    ]
    values = [
        *zip(*[entry.columns for entry in entries], strict=True),
        [entry.key for entry in entries],
        [entry.digest for entry in entries],
        *(zip(*related, strict=True) if related else ((), (), ())),
    ]
    return [*[_column(write, column) for write, column in zip(_WRITERS, values, strict=True)], all_or_nothing]


def _column(write: Callable[[Sequence[Any]], str], values: Sequence[Any]) -> str:
    """Write a column. Of a group many say one thing of all rows; where that is nothing, an empty array does as well."""
    if not values or values[0] != values[-1] or values.count(values[0]) < len(values) or write is _lines:
        return write(values)
    return "{}" if values[0] is None else "{" + ",".join([write(values[:1])[1:-1]] * len(values)) + "}"


def verdicts(rows: Sequence[Any], entries: list[Entry]) -> list[Verdict]:
    """Read the answer of `APPEND` to these entries."""
    [(numbers, kinds, repeated)] = rows
    ids = iter(repeated or ())
    return [
        Verdict(number, entry.columns.id if kind == "c" else str(next(ids)), kind)
        for number, kind, entry in zip(numbers, kinds, entries, strict=True)
    ]


async def append(tx: ReadTx, entries: list[Entry], *, all_or_nothing: bool = False) -> list[Verdict]:
    """Append within a transaction, as its last statement: it takes the workspace's lock."""
    result = await tx.driver_sql(APPEND, tuple(arguments(entries, all_or_nothing=all_or_nothing)))
    return verdicts(result.all(), entries)
