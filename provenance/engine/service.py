"""The engine's verbs for others' transactions: resolve a wait, lock a run (spec/engine.md, Claiming, parking, waking).

The lock order is runs, then waits and what they wait for, then workspaces: take the run's lock by `lock_run` before
the rows of your own that a decision changes.
"""

import uuid
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from provenance.core.db import WriteTx
from provenance.engine import queries, writing
from provenance.engine.errors import AlreadyResolved
from provenance.engine.schemas import Checkpoint, RunKey
from provenance.engine.tokens import token_parts


async def lock_run(tx: WriteTx, token: str) -> None:
    """Take the lock of the run that holds this wait and wake it: what the caller commits with it is what it finds.

    Raises AlreadyResolved when the run has ended.
    """
    run_id, _, _ = token_parts(token)
    if not await queries.signal(tx, RunKey(tx.workspace_id, run_id)):
        raise AlreadyResolved


async def hold_run(tx: WriteTx, token: str) -> None:
    """Take the lock of the run that holds this wait and leave it asleep: `resolve` wakes it, if it comes to that.

    Raises AlreadyResolved when the run has ended.
    """
    run_id, _, _ = token_parts(token)
    if not await queries.hold(tx, RunKey(tx.workspace_id, run_id)):
        raise AlreadyResolved


async def resolve(tx: WriteTx, token: str, outcome: dict[str, Any]) -> None:
    """End a wait with an outcome, in the decider's transaction; the run goes on after its commit.

    ``outcome`` is any JSON object; the step that waits reads it. A decision that meets a run still busy in another
    branch is kept until that run looks. Raises AlreadyResolved when the wait is not open any more; the caller's
    transaction is then to roll back. The caller records what was decided, and tells the engine by `wake` after.
    """
    if not await resolve_if_open(tx, token, outcome):
        raise AlreadyResolved


def resolving(tx: WriteTx, token: str, outcome: dict[str, Any]) -> tuple[Any, ...]:
    """Return the first parameters of a statement that has `queries.RESOLVING` among its parts."""
    run_id, step_key, iteration = token_parts(token)
    return tx.workspace_id, run_id, step_key, iteration, msgspec.json.encode(outcome).decode()


async def resolve_if_open(tx: WriteTx, token: str, outcome: dict[str, Any]) -> bool:
    """End a wait as `resolve` does where it is open; False where it is not."""
    run_id, step_key, iteration = token_parts(token)
    key = RunKey(tx.workspace_id, run_id)
    if not await queries.signal(tx, key):
        return False
    return await queries.resolve(tx, key, step_key, iteration, msgspec.json.encode(outcome).decode())


class _InTransaction:
    """The statements of a group, run in somebody's transaction."""

    def __init__(self, tx: WriteTx) -> None:
        self._tx = tx

    async def fetch(self, sql: str, *arguments: Any) -> Sequence[Any]:
        found = await self._tx.driver_sql(sql, arguments)
        return found.all() if found.returns_rows else ()


async def write_rows(tx: WriteTx, checkpoint: Checkpoint) -> bool:
    """Write a checkpoint's rows in the caller's transaction; False when the fence, or a start key, turns it away.

    Its deeds are the caller's to record, after whatever else the transaction writes.
    """
    return bool(await writing.write_rows(_InTransaction(tx), [checkpoint]))


class Hints(Protocol):
    """What tells the workers: the engine of this process, or hints alone."""

    def grew(self, workspace_id: uuid.UUID) -> None:
        """Say that a run of this workspace may go on."""
        ...


def wake(tx: WriteTx, engine: Hints) -> None:
    """Tell the workers after the commit that a run of this workspace may go on; a lost hint costs a poll."""
    tx.after_commit.append(lambda: engine.grew(tx.workspace_id))
