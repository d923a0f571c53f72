"""No transaction waits for a second connection of the pool that it holds one of (`Database.aside` is there for that).

As many as the pool has connections would wait for each other until they give up. The tests' processes refuse it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from provenance.core.db import Database


@dataclass
class _Held:
    database: Database
    open: bool = True


_held: ContextVar[_Held | None] = ContextVar("held", default=None)
_transaction: Any = Database._transaction
_single: Any = Database.single


def _refuse_second(database: Database) -> _Held | None:
    before = _held.get()
    assert before is None or not before.open or before.database is not database, (
        "a transaction within a transaction: look it up before, or by `aside`"
    )
    return before


async def _single_alone(self: Database, sql: str, *arguments: Any) -> Any:
    _refuse_second(self)
    return await _single(self, sql, *arguments)


@asynccontextmanager
async def _alone(self: Database) -> AsyncIterator[Any]:
    before = _refuse_second(self)
    mine = _Held(self)
    _held.set(mine)
    try:
        async with _transaction(self) as connection:
            yield connection
    finally:
        mine.open = False
        _held.set(before)


def watch() -> None:
    """Refuse a transaction within a transaction of the same pool from now on, in this process."""
    setattr(Database, "_transaction", _alone)  # noqa: B010 — methods of ours, for the tests
    setattr(Database, "single", _single_alone)  # noqa: B010
