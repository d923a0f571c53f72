"""Every statement of the event triggers beyond the workflows' own."""

import uuid
from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import select

from provenance.core.db import ReadTx
from provenance.engine.tables import runs


class Owner(NamedTuple):
    """The run that owns a unit of work: of which workflow, and the how-manieth of its chain."""

    workflow_id: uuid.UUID
    hop_count: int


async def owners(tx: ReadTx, uow_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Owner]:
    """Return the runs that own these units of work; a unit of work outside of runs has none."""
    query = select(runs.c.id, runs.c.workflow_id, runs.c.hop_count).where(
        runs.c.workspace_id == tx.workspace_id, runs.c.id.in_(uow_ids)
    )
    return {row.id: Owner(row.workflow_id, row.hop_count) for row in await tx.execute(query)}
