"""Every statement of the schedules beyond the workflows' own."""

import uuid

from sqlalchemy import func, select

from provenance.core.db import Database, ReadTx
from provenance.engine.schemas import Status
from provenance.engine.tables import runs

_OPEN = [status.value for status in (Status.QUEUED, Status.RUNNING, Status.APPROVAL)]
_OUTLOOK = """
SELECT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint,
       (SELECT min(next_at) FROM workflow_triggers WHERE next_at IS NOT NULL)
"""


async def outlook(db: Database) -> tuple[int, int | None]:
    """Return the database's time, by which all workers fire, and when the next is due; None when none ever is."""
    [(now, following)] = await db.single(_OUTLOOK)
    return now, following


async def active(tx: ReadTx, workflow_id: uuid.UUID, start_keys: str) -> bool:
    """Tell whether a run of a workflow goes on whose start key begins so."""
    query = select(func.count()).where(
        runs.c.workspace_id == tx.workspace_id,
        runs.c.workflow_id == workflow_id,
        runs.c.status.in_(_OPEN),
        runs.c.start_key.startswith(start_keys, autoescape=True),
    )
    return bool((await tx.execute(query)).scalar_one())
