"""Where published versions come from: the tables of the workflows, compiled anew in each process."""

import uuid

import msgspec

from provenance.billing.allowing import Allowed
from provenance.ledger.service import Ledger
from provenance.runs.library import Live
from provenance.workflows import queries
from provenance.workflows.compiling import compile_definition
from provenance.workflows.plan import Plan

LIMITS = ("runs", "steps")
"""What a plan limits of runs: where either is used up, none begins."""


class WorkflowShelf:
    """The versions of the workflows of every workspace, read aside: who asks may be in a transaction."""

    def __init__(self, ledger: Ledger, *, limited: bool = True) -> None:
        """Take the ledger: its database, and what it counted.

        Not ``limited``: for what steps of runs start. It belongs to a run under way, which no limit of the plan tears.
        """
        self._db = ledger.db.aside
        self._allowed = Allowed(ledger, *(LIMITS if limited else ()))

    async def live(self, workspace_id: uuid.UUID, workflow_id: uuid.UUID) -> Live | None:
        """Return the deployed version; None for an unknown workflow and for one that is not deployed.

        Raises PlanLimitReached where nothing may begin this month.
        """
        async with self._db.housekeeping(workspace_id) as tx:
            row = await queries.live(tx, workflow_id)
        if row is None or row.live_version is None:
            return None
        await self._allowed.ensure(workspace_id)
        off = frozenset(row.triggers_off)
        return Live(row.id, row.live_version, row.environment, row.max_concurrent_runs, off)

    async def plan(self, workspace_id: uuid.UUID, workflow_id: uuid.UUID, version: int) -> Plan | None:
        """Return a version, also of a workflow that was deleted since; None when there is none.

        Raises InvalidDefinition for one that this release of the server does not take any more.
        """
        async with self._db.housekeeping(workspace_id) as tx:
            row = await queries.version_of(tx, workflow_id, version)
        return None if row is None else compile_definition(msgspec.json.decode(row.definition))
