"""Calling ``ledger_append``: the one statement through which every interaction enters the ledger."""

from collections.abc import Sequence
from typing import Any

from provenance.core.db import ReadTx
from provenance.ledger.entry import Entry, Verdict, arrays

_TYPES = (
    "uuid uuid uuid uuid uuid text text text uuid uuid uuid bigint bigint text boolean text text bigint text text "
    "uuid text bytea bytea bytea bytea bytea bytea bytea integer integer text"
).split()
APPEND = (
    "SELECT number, id, verdict FROM ledger_append("
    + ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(_TYPES, 1))
    + f", ${len(_TYPES) + 1}::boolean)"
)


def arguments(entries: list[Entry], *, all_or_nothing: bool = False) -> list[Any]:
    """Return the arguments of `APPEND` for these entries."""
    return [*arrays(entries), all_or_nothing]


def verdicts(rows: Sequence[Any]) -> list[Verdict]:
    """Read the answer of `APPEND`."""
    return [Verdict(row[0], str(row[1]), row[2]) for row in rows]


async def append(tx: ReadTx, entries: list[Entry], *, all_or_nothing: bool = False) -> list[Verdict]:
    """Append within a transaction, as its last statement: it takes the workspace's lock."""
    result = await tx.driver_sql(APPEND, tuple(arguments(entries, all_or_nothing=all_or_nothing)))
    return verdicts(result.all())
