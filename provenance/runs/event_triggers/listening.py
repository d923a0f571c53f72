"""Hearing the rows of the ledger: the feed hands them by number, and what they start commits with the cursor."""

from provenance.core.db import ReadTx, WriteTx
from provenance.expressions import Evaluator
from provenance.ledger.feed import Handlers, Row
from provenance.runs.event_triggers import service
from provenance.runs.event_triggers.patterns import Index
from provenance.runs.triggering import Tools
from provenance.workflows import queries as workflow_queries

ROWS = 200
"""Most rows heard in one transaction: each may start runs."""


class Listener:
    """Starts the runs of the rows of every workspace that has event triggers."""

    def __init__(self, tools: Tools, evaluator: Evaluator) -> None:
        """Take what starts runs, and what evaluates filters that are not bounded."""
        self._tools = tools
        self._evaluator = evaluator

    def handlers(self) -> Handlers:
        """Return what the feed is to hand rows to."""
        found = Handlers()
        found.on_batch(start="now", rows=ROWS, wanted=self.wanted)(self.hear)
        return found

    async def wanted(self, tx: ReadTx) -> bool:
        """Tell whether a trigger of the workspace can hear anything."""
        return bool(await self._index(tx))

    async def hear(self, tx: WriteTx, rows: list[Row]) -> None:
        """Start the runs of some rows."""
        index = await self._index(tx)
        await service.start_runs(tx, self._tools, self._evaluator, index, rows)

    async def _index(self, tx: ReadTx) -> Index:
        return Index(await workflow_queries.event_triggers(tx))
