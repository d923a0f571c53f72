"""Writing a group of checkpoints: what begins or passes the fence, steps and waits, then the ledger's append, last.

Most groups neither open nor close waits, nor end what others wait for. They are one statement, so one round trip and
one commit: it counts who passed before the ledger's lock is taken, and comes to nothing when somebody did not. Then,
and for every other group, the statements follow one another in a transaction, and what the fence turned away leaves
nothing.
"""

import uuid
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import asyncpg

from provenance.engine import queries, rows
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
_DROPPED, _STEPPED = "AND (SELECT count(*) FROM dropped) >= 0 ", "AND (SELECT count(*) FROM stepped) >= 0 "


class Statements(Protocol):
    """Where statements of a group run: a connection of the lane, or a transaction of somebody else's."""

    async def fetch(self, sql: str, *arguments: Any) -> Sequence[Any]:
        """Run one statement and return its rows."""
        ...


async def commit(
    connection: "asyncpg.Connection[asyncpg.Record]", group: Sequence[Checkpoint], sealed: Sealed
) -> set[uuid.UUID]:
    """Commit a group on a connection that is in no transaction; return the ids of the runs that passed the fence."""
    if not any(each.opened or each.closed or each.resolves for each in group):
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
    passed: set[uuid.UUID] = set()
    begun, going = _apart(group)
    if begun:
        passed |= {as_uuid(row[1]) for row in await connection.fetch(_INSERT, *rows.new_rows(begun))}
    if going:
        passed |= {as_uuid(row[1]) for row in await connection.fetch(_FENCE, *rows.fenced_rows(going))}
    applied = [each for each in group if each.key.run_id in passed]
    for statement, changed in (
        (_STEPS, rows.step_rows(applied)),
        (rows.CLOSE_WAITS, rows.closed_rows(applied)),
        (rows.OPEN_WAITS, rows.opened_rows(applied)),
        (rows.DROP_WAITS, rows.ended_keys(applied)),
    ):
        if changed is not None:
            await connection.fetch(statement, *changed)
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
    """Write a group without waits. Raises DivisionByZeroError when a run of it does not pass: nothing is written."""
    entries = [entry for own in sealed for entry in own]
    begun, going = _apart(group)
    parts = [
        arguments(entries) if entries else None,
        rows.new_rows(begun) if begun else None,
        rows.fenced_rows(going) if going else None,
        rows.step_rows(group),
    ]
    given = [part is not None for part in parts]
    values = [value for part in parts if part is not None for value in part]
    await connection.fetch(_at_once(*given), *values, len(group))
    return {each.key.run_id for each in group}


@lru_cache
def _at_once(appends: bool, begins: bool, goes: bool, steps: bool) -> str:
    """Return the one statement; its parameters are those of its parts in this order, and how many runs are to pass.

    The append is asked for only once that is known, and with it that every part is done: its lock is the last.
    """
    first = 1 + appends * _APPENDED
    parts, passed = [], []
    if begins:
        parts.append(f"begun AS ({rows.insert(first)})")
        passed.append("SELECT id FROM begun")
        first += rows.BEGUN_WIDTH
    if goes:
        parts += [f"went AS ({rows.fence(first)})", f"dropped AS ({rows.DROP_ENDED})"]
        passed.append("SELECT id FROM went")
        first += rows.FENCED_WIDTH
    if steps:
        parts.append(f"stepped AS ({rows.steps(first)})")
        first += rows.STEP_WIDTH
    done = goes * _DROPPED + steps * _STEPPED
    last = _ALL_PASSED.format(at=first, done=done, then=_CALL if appends else "")
    return f"WITH {', '.join(parts)}, passed AS ({' UNION ALL '.join(passed)}) {last}"


def _apart(group: Sequence[Checkpoint]) -> tuple[list[Checkpoint], list[Checkpoint]]:
    return [each for each in group if each.new is not None], [each for each in group if each.new is None]


def as_uuid(value: Any) -> uuid.UUID:
    """Return the driver's UUID as a plain one, which hashes like those we make."""
    return uuid.UUID(int=value.int)


_INSERT, _FENCE, _STEPS = rows.insert(), rows.fence(), rows.steps()
_CALL, _APPENDED = "FROM " + APPEND.partition(" FROM ")[2], APPEND.count("$")
