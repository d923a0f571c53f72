"""What the workflows ask of the runs, which stand above them: `create_app` hands it over.

Without runs (a process that serves none) nothing ever ran.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Protocol

from provenance.core.db import ReadTx
from provenance.workflows.schemas import LastRun, Stats


class RunsOfWorkflows(Protocol):
    """What lists and deletions need to know of runs."""

    async def last(self, tx: ReadTx, workflow_ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, LastRun]:
        """Return the latest run of each workflow that has one."""
        ...

    async def stats(self, tx: ReadTx, workflow_id: uuid.UUID) -> Stats | None:
        """Return how the runs of the last 30 days went."""
        ...

    async def active(self, tx: ReadTx, workflow_id: uuid.UUID) -> bool:
        """Tell whether a run of the workflow has not ended."""
        ...


class NoRuns:
    """The answers where nothing ever ran."""

    async def last(self, tx: ReadTx, workflow_ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, LastRun]:
        """Return nothing."""
        return {}

    async def stats(self, tx: ReadTx, workflow_id: uuid.UUID) -> Stats | None:
        """Return nothing."""
        return None

    async def active(self, tx: ReadTx, workflow_id: uuid.UUID) -> bool:
        """Nothing is under way."""
        return False
