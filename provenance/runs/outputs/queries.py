"""Statements about outputs that are in the object store, or belong there."""

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Row, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import ReadTx, WriteTx
from provenance.engine.tables import LARGE_BYTES, run_steps
from provenance.runs.outputs.tables import run_output_garbage

_LARGE = func.octet_length(run_steps.c.output) > LARGE_BYTES


class Attempt(NamedTuple):
    """One attempt of a step or of one item of it: the key of its row in its workspace."""

    run_id: uuid.UUID
    step_key: str
    iteration: int
    attempt: int


def _is(tx: ReadTx, attempt: Attempt) -> list[Any]:
    mine = run_steps.c.workspace_id == tx.workspace_id
    return [mine, *[run_steps.c[name] == value for name, value in attempt._asdict().items()]]


async def large(tx: ReadTx, limit: int) -> list[tuple[uuid.UUID, Attempt]]:
    """Return attempts, of all workspaces, whose output is large and still in its row."""
    columns = [run_steps.c[name] for name in ("workspace_id", *Attempt._fields)]
    rows = await tx.execute(select(*columns).where(_LARGE).limit(limit))
    return [(row[0], Attempt._make(row[1:])) for row in rows]


async def output(tx: ReadTx, attempt: Attempt) -> str | None:
    """Return an output that is in its row, as JSON; None when it isn't any more."""
    found: str | None = (await tx.execute(select(run_steps.c.output).where(*_is(tx, attempt)))).scalar_one_or_none()
    return found


async def moved(tx: WriteTx, attempt: Attempt, blob: str) -> bool:
    """Note that an output is under a key of the object store now; tell whether it was still in its row."""
    there = update(run_steps).where(*_is(tx, attempt), _LARGE).values(output=None, output_ref=blob)
    return bool((await tx.execute(there)).rowcount)


async def newest(tx: ReadTx, run_id: uuid.UUID, place: int, iteration: int) -> Row[Any] | None:
    """Return kind, output and where the output is of the newest attempt of a step, by the step's place in its run."""
    mine = (run_steps.c.workspace_id == tx.workspace_id, run_steps.c.run_id == run_id)
    step = (run_steps.c.place == place, run_steps.c.iteration == iteration)
    columns = (run_steps.c.kind, run_steps.c.output, run_steps.c.output_ref)
    return (await tx.execute(select(*columns).where(*mine, *step).order_by(run_steps.c.attempt.desc()))).first()


async def blobs_of(tx: ReadTx, run_ids: Sequence[uuid.UUID]) -> dict[tuple[uuid.UUID, str, int, int], str]:
    """Return where outputs of runs are, by run, step, item and attempt; those in their rows are left out."""
    columns = [run_steps.c[name] for name in ("run_id", "step_key", "iteration", "attempt", "output_ref")]
    mine = (run_steps.c.workspace_id == tx.workspace_id, run_steps.c.run_id.in_(run_ids))
    rows = await tx.execute(select(*columns).where(*mine, run_steps.c.output_ref.is_not(None)))
    return {(row.run_id, row.step_key, row.iteration, row.attempt): row.output_ref for row in rows}


async def doubt(tx: WriteTx, blob: str, after: int) -> None:
    """Note that nothing may point at a blob, so that it is looked at after a moment."""
    values = {"workspace_id": tx.workspace_id, "blob": blob, "after": after}
    await tx.execute(insert(run_output_garbage).values(values).on_conflict_do_nothing())


async def doubt_all(tx: WriteTx, run_ids: Sequence[uuid.UUID], after: int) -> None:
    """Note the blobs of runs that are about to be removed; another run may point at the same ones."""
    mine = (run_steps.c.workspace_id == tx.workspace_id, run_steps.c.run_id.in_(run_ids))
    source = select(run_steps.c.workspace_id, run_steps.c.output_ref, literal(after, BigInteger)).distinct()
    found = source.where(*mine, run_steps.c.output_ref.is_not(None))
    noted = insert(run_output_garbage).from_select(["workspace_id", "blob", "after"], found)
    await tx.execute(noted.on_conflict_do_nothing())


async def doubted(tx: ReadTx, limit: int) -> list[tuple[uuid.UUID, str]]:
    """Return blobs, of all workspaces, whose moment has come, the oldest first."""
    columns = (run_output_garbage.c.workspace_id, run_output_garbage.c.blob)
    query = select(*columns).where(run_output_garbage.c.after <= tx.now).order_by(run_output_garbage.c.after)
    return [(row.workspace_id, row.blob) for row in await tx.execute(query.limit(limit))]


async def pointed_at(tx: ReadTx, blobs: Sequence[str]) -> set[str]:
    """Return those of some blobs that a step's row points at."""
    mine = (run_steps.c.workspace_id == tx.workspace_id, run_steps.c.output_ref.in_(blobs))
    return set((await tx.execute(select(run_steps.c.output_ref).where(*mine))).scalars())


async def settle(tx: WriteTx, blobs: Sequence[str]) -> None:
    """Note that there is no doubt about some blobs any more."""
    mine = (run_output_garbage.c.workspace_id == tx.workspace_id, run_output_garbage.c.blob.in_(blobs))
    await tx.execute(delete(run_output_garbage).where(*mine))
