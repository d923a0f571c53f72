"""What the workflows are told of their runs: the last one, how they went, whether one is under way."""

import uuid
from collections.abc import Mapping, Sequence

from provenance.core.clock import NANOS, iso_millis
from provenance.core.db import ReadTx
from provenance.runs import queries
from provenance.runs.events import wire_id
from provenance.runs.rendering import total_of
from provenance.workflows.schemas import LastRun, Stats

STATS_NS = 30 * 24 * 3600 * NANOS


class RunsSeenByWorkflows:
    """The answers from the table of runs."""

    async def last(self, tx: ReadTx, workflow_ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, LastRun]:
        """Return the latest run of each workflow that has one."""
        rows = await queries.last(tx, workflow_ids)
        return {
            row.workflow_id: LastRun(run_id=wire_id(row.id), status=row.status, started_at=iso_millis(row.started_at))
            for row in rows
        }

    async def stats(self, tx: ReadTx, workflow_id: uuid.UUID) -> Stats | None:
        """Return how the runs of the last 30 days went; None when there were none."""
        since = tx.now - STATS_NS
        row = await queries.stats(tx, workflow_id, since)
        if row.runs == 0:
            return None
        cost = total_of(await queries.usages_of(tx, workflow_id, since)).cost_usd
        rate = None if row.ended == 0 else row.completed / row.ended
        p95 = None if row.p95 is None else int(row.p95) // 1_000_000
        return Stats(runs30d=row.runs, success_rate=rate, p95_ms=p95, cost_usd30d=cost)

    async def active(self, tx: ReadTx, workflow_id: uuid.UUID) -> bool:
        """Tell whether a run of the workflow has not ended."""
        return await queries.count_active(tx, workflow_id) > 0
