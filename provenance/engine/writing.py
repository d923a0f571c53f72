"""Writing a group of checkpoints: what begins or passes the fence, steps and waits, then the ledger's append, last.

Most groups end nothing that others wait for. They are one statement, so one round trip and one commit: it counts who
passed before the ledger's lock is taken, and comes to nothing when somebody did not. Then, and for every other group,
the rows and the entries follow one another in a transaction, and what the fence turned away leaves nothing.
"""

import uuid
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import asyncpg

from provenance.engine import queries, rows
from provenance.engine.arrays import Args
from provenance.engine.schemas import Checkpoint, RunKey
from provenance.engine.tokens import token_parts
from provenance.ledger.appending import APPEND, arguments
from provenance.ledger.entry import Entry

Sealed = list[list[Entry]]
_ALL_PASSED = """
SELECT CASE WHEN 1 / CASE WHEN (SELECT count(*) FROM passed) = ${at}::bigint {done} THEN 1 ELSE 0 END = 1
            THEN (SELECT count(*) {then}) END
"""
"""Dividing by nothing undoes the statement."""


class Statements(Protocol):
    """Where statements of a group run: a connection of the lane, or a transaction of somebody else's."""

    async def fetch(self, sql: str, *arguments: Any) -> Sequence[Any]:
        """Run one statement and return its rows."""
        ...


async def commit(
    connection: "asyncpg.Connection[asyncpg.Record]", group: Sequence[Checkpoint], sealed: Sealed
) -> set[uuid.UUID]:
    """Commit a group on a connection that is in no transaction; return the ids of the runs that passed the fence."""
    if not any(each.resolves for each in group):
        try:
            return await _write_at_once(connection, group, sealed)
        except asyncpg.DivisionByZeroError:
            pass  # somebody did not pass: the statements one by one tell who
    async with connection.transaction():
        return await write(connection, group, sealed)


async def write(connection: Statements, group: Sequence[Checkpoint], sealed: Sealed) -> set[uuid.UUID]:
    """Write a group inside the connection's transaction; return the ids of the runs that passed the fence."""
    passed = await write_rows(connection, group)
    await append(connection, [own for each, own in zip(group, sealed, strict=True) if each.key.run_id in passed])
    return passed


async def write_rows(connection: Statements, group: Sequence[Checkpoint]) -> set[uuid.UUID]:
    """Write the runs, steps and waits of a group; the entries follow by `append`, last of all."""
    parts = _arguments(group)
    values = [value for part in parts.values() if part is not None for value in part]
    statement = _rows_alone(*[part is not None for part in parts.values()])
    passed = {as_uuid(row[0]) for row in await connection.fetch(statement, *values)}
    applied = [each for each in group if each.key.run_id in passed]
    for each in applied:
        if each.resolves is not None:
            await _resolve(connection, each.key, *each.resolves)
    return passed


async def append(connection: Statements, sealed: Sealed) -> None:
    """Append the entries of a group to the ledger: the last statement of its transaction."""
    entries = [entry for own in sealed for entry in own]
    if entries:
        await connection.fetch(APPEND, *arguments(entries))


async def _resolve(connection: Statements, child: RunKey, token: str, outcome: str) -> None:
    run_id, step_key, iteration = token_parts(token)
    await connection.fetch(queries.SIGNAL, child.workspace_id, run_id)
    await connection.fetch(queries.RESOLVE, child.workspace_id, run_id, step_key, iteration, outcome)


async def _write_at_once(connection: Statements, group: Sequence[Checkpoint], sealed: Sealed) -> set[uuid.UUID]:
    """Write a group that resolves nothing. Raises DivisionByZeroError when a run of it does not pass: nothing is left.

    The append is asked for only once that is known, and with it that every part is done: its lock is the last.
    """
    entries = [entry for own in sealed for entry in own]
    parts = _arguments(group)
    values = [value for part in parts.values() if part is not None for value in part]
    appended = arguments(entries) if entries else []
    statement = _at_once(bool(entries), *[part is not None for part in parts.values()])
    await connection.fetch(statement, *appended, *values, len(group))
    return {each.key.run_id for each in group}


def _arguments(group: Sequence[Checkpoint]) -> dict[str, Args | None]:
    """Return the parameters of each part of a group's statement, in their order; None for one that it is without."""
    begun, going = _apart(group)
    return {
        "begun": rows.new_rows(begun) if begun else None,
        "went": rows.fenced_rows(going) if going else None,
        "stepped": rows.step_rows(group),
        "closed": rows.closed_rows(group),
        "opened": rows.opened_rows(group),
    }


@lru_cache
def _at_once(appends: bool, *given: bool) -> str:
    """Return the one statement; its parameters are the append's, those of its parts, and how many runs are to pass."""
    parts, last = _parts(1 + appends * _APPENDED, "", *given)
    done = "".join(f"AND (SELECT count(*) FROM {name}) >= 0 " for name in parts if name not in _HEADS)  # noqa: S608 — names of ours
    ended = _ALL_PASSED.format(at=last, done=done, then=_CALL if appends else "")
    return _with(parts) + ended


@lru_cache
def _rows_alone(*given: bool) -> str:
    """Return the statement that writes the rows of those who pass and answers their ids."""
    parts, _ = _parts(1, rows.ONLY_PASSED, *given)
    return _with(parts) + "SELECT id FROM passed"  # noqa: S608 — names of ours


def _parts(first: int, only: str, begins: bool, goes: bool, *given: bool) -> tuple[dict[str, str], int]:
    """Return the parts of a statement by name, their parameters from ``first`` on, and the number that follows."""
    parts = {}
    if begins:
        parts["begun"] = rows.insert(first)
        first += rows.BEGUN_WIDTH
    if goes:
        parts |= {"went": rows.fence(first), "dropped": rows.DROP_ENDED}
        first += rows.FENCED_WIDTH
    for wanted, (name, write, width) in zip(given, _OF_RUNS, strict=True):
        if wanted:
            parts[name] = write(first, only)
            first += width
    return parts, first


def _with(parts: dict[str, str]) -> str:
    """Write the parts after a WITH, those that say which runs passed first."""
    heads = {name: text for name, text in parts.items() if name in _HEADS}
    heads["passed"] = " UNION ALL ".join(f"SELECT id FROM {name}" for name in heads)  # noqa: S608 — names of ours
    return "WITH " + ", ".join(f"{name} AS ({text})" for name, text in (heads | parts).items())


def _apart(group: Sequence[Checkpoint]) -> tuple[list[Checkpoint], list[Checkpoint]]:
    return [each for each in group if each.new is not None], [each for each in group if each.new is None]


def as_uuid(value: Any) -> uuid.UUID:
    """Return the driver's UUID as a plain one, which hashes like those we make."""
    return uuid.UUID(int=value.int)


_HEADS = ("begun", "went")
_OF_RUNS = (
    ("stepped", rows.steps, rows.STEP_WIDTH),
    ("closed", rows.closes, rows.CLOSED_WIDTH),
    ("opened", rows.opens, rows.OPENED_WIDTH),
)
_CALL, _APPENDED = "FROM " + APPEND.partition(" FROM ")[2], APPEND.count("$")
