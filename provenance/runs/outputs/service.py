"""Moves large outputs to the object store, brings them back for a run that goes on, destroys what no run needs."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog

from provenance.core.clock import NANOS, until
from provenance.core.db import Database, ReadTx, WriteTx
from provenance.core.errors import Unavailable
from provenance.core.ids import new_uuid_text
from provenance.core.objects import Objects
from provenance.engine.schemas import StepRow, StepStatus
from provenance.runs.errors import StepNotFound
from provenance.runs.events import place_of
from provenance.runs.outputs import queries
from provenance.runs.outputs.queries import Attempt

AREA = "outputs"
LOOK_SECONDS = 5.0
AT_ONCE = 50
DOUBT_NS = 900 * NANOS
"""How long a blob that no row may point at is left alone: longer than any transaction that is copying a row."""

log: Any = structlog.get_logger("runs.outputs")


class Place(NamedTuple):
    """An output as JSON, or the blob that holds it; neither where the step gave nothing."""

    text: str | None
    blob: str | None


class Outputs:
    """The large outputs of one installation's runs."""

    def __init__(self, db: Database, objects: Objects) -> None:
        """Take the database and the object store."""
        self._db = db
        self._objects = objects

    async def keep_moving(self, stop: asyncio.Event) -> None:
        """Look every five seconds, until ``stop`` is set; what fails stays where it is and is tried again."""
        while not stop.is_set():
            try:
                while await self.move() == AT_ONCE:
                    continue
                while await self.destroy() == AT_ONCE:
                    continue
            except Unavailable as error:
                log.warning("outputs_wait", code=error.code)
            except Exception as error:
                log.error("outputs_not_moved", error=type(error).__name__)
            await until(stop, LOOK_SECONDS)

    async def move(self) -> int:
        """Move some large outputs out of their rows; return how many were found. Raises Unavailable.

        Several workers may do the same: one of them wins, the others' bytes are destroyed later.
        """
        async with self._db.housekeeping() as tx:
            found = await queries.large(tx, AT_ONCE)
        for workspace_id, attempt in found:
            await self._move(workspace_id, attempt)
        return len(found)

    async def _move(self, workspace_id: uuid.UUID, attempt: Attempt) -> None:
        blob = new_uuid_text()
        async with self._db.housekeeping(workspace_id) as tx:
            text = await queries.output(tx, attempt)
            await queries.doubt(tx, blob, tx.now + DOUBT_NS)
        if text is None:
            return
        await self._objects.put(workspace_id, AREA, blob, text.encode(), content_type="application/json")
        async with self._db.housekeeping(workspace_id) as tx:
            if await queries.moved(tx, attempt, blob):
                await queries.settle(tx, [blob])

    async def destroy(self) -> int:
        """Destroy blobs that no row points at; return how many were looked at. Raises Unavailable."""
        async with self._db.housekeeping() as tx:
            found = await queries.doubted(tx, AT_ONCE)
        for workspace_id in {workspace_id for workspace_id, _ in found}:
            await self._destroy(workspace_id, [blob for whose, blob in found if whose == workspace_id])
        return len(found)

    async def _destroy(self, workspace_id: uuid.UUID, blobs: list[str]) -> None:
        async with self._db.housekeeping(workspace_id) as tx:
            needed = await queries.pointed_at(tx, blobs)
        await self._objects.delete(workspace_id, AREA, [blob for blob in blobs if blob not in needed])
        async with self._db.housekeeping(workspace_id) as tx:
            await queries.settle(tx, blobs)

    async def whole(self, workspace_id: uuid.UUID, steps: Sequence[StepRow]) -> list[StepRow]:
        """Return rows with the outputs that were moved. Raises ObjectGone and Unavailable."""
        if not any(row.output is None and _has_output(row) for row in steps):
            return list(steps)
        async with self._db.housekeeping(workspace_id) as tx:
            blobs = await queries.blobs_of(tx, list({row.run_id for row in steps}))
        found = []
        for row in steps:
            blob = blobs.get((row.run_id, row.step_key, row.iteration, row.attempt))
            found.append(row if blob is None else row._replace(output=await self.read(workspace_id, blob)))
        return found

    async def text(self, workspace_id: uuid.UUID, place: Place) -> str:
        """Return an output as JSON, wherever it is. Raises ObjectGone and Unavailable."""
        return await self.read(workspace_id, place.blob) if place.blob is not None else place.text or "null"

    async def read(self, workspace_id: uuid.UUID, blob: str) -> str:
        """Return an output that was moved, as JSON. Raises ObjectGone and Unavailable."""
        return (await self._objects.read(workspace_id, AREA, blob)).decode()


def _has_output(row: StepRow) -> bool:
    return row.status == StepStatus.SUCCEEDED or row.choice == "rejected"


async def find(tx: ReadTx, run_id: uuid.UUID, step_id: str, iteration: int) -> Place:
    """Return a step's output, or where it is. Raises StepNotFound."""
    place = place_of(step_id)
    row = None if place is None else await queries.newest(tx, run_id, place[0], iteration)
    if place is None or row is None or row.kind != place[1]:
        raise StepNotFound
    return Place(row.output, row.output_ref)


async def forget(tx: WriteTx, run_ids: Sequence[uuid.UUID]) -> None:
    """Note the blobs of runs that are about to be removed: they are destroyed within minutes, where no replay of
    the run needs them.
    """
    await queries.doubt_all(tx, run_ids, tx.now + DOUBT_NS)
