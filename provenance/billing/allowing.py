"""What a workspace's plan does not allow any more."""

import time
import uuid

from provenance.billing import service
from provenance.ledger.service import Ledger
from provenance.workspace import service as workspaces
from provenance.workspace.errors import PlanLimitReached

FRESH_SECONDS = 5.0


class RunsAllowed:
    """How many runs each workspace may still begin this month, as one process knows it."""

    def __init__(self, ledger: Ledger) -> None:
        """Take the ledger, which is what is counted."""
        self._ledger = ledger
        self._left_of: dict[uuid.UUID, tuple[float, int | None]] = {}

    async def ensure(self, workspace_id: uuid.UUID) -> None:
        """Raise PlanLimitReached when the workspace used up the runs of its plan.

        What was used is asked for every five seconds: what starts meanwhile is beyond the limit at most.
        """
        if not self._ledger.settings.plan_limits:
            return
        now = time.monotonic()
        at, left = self._left_of.get(workspace_id, (float("-inf"), None))
        if now - at > FRESH_SECONDS:
            left = await self._left(workspace_id)
            self._left_of[workspace_id] = (now, left)
        if left is not None and left <= 0:
            raise PlanLimitReached("runs")

    async def _left(self, workspace_id: uuid.UUID) -> int | None:
        async with self._ledger.db.aside.housekeeping(workspace_id) as tx:
            limit = workspaces.limits_of(self._ledger.settings, await workspaces.plan_of(tx)).get("runs")
            if limit is None:
                return None
            used = await service.usage(tx, await self._ledger.catalogues.within(tx))
        return limit - used.runs
