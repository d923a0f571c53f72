"""What a workspace's plan does not allow any more."""

import asyncio
import time
import uuid

from provenance.billing.counting import Counted, counted, month_of
from provenance.core.clock import iso_millis
from provenance.ledger.service import Ledger
from provenance.workspace import service as workspaces
from provenance.workspace.errors import PlanLimitReached

FRESH_SECONDS = 5.0


class _Standing:
    """How a workspace stood when it was asked for: its limits with what was used, and what this process took since."""

    __slots__ = ("at", "counted", "limits", "taken", "until")

    def __init__(self, limits: dict[str, tuple[int, int]], until: int, counted: Counted | None) -> None:
        self.limits = limits
        self.until = until
        self.counted = counted
        self.taken = 0
        self.at = time.monotonic()

    def fresh(self) -> bool:
        return time.monotonic() - self.at < FRESH_SECONDS

    def left(self) -> int | None:
        return min((most - used - self.taken for most, used in self.limits.values()), default=None)

    def ensure(self, number: int) -> None:
        for name, (most, used) in self.limits.items():
            left = most - used - self.taken
            if left < number:
                raise PlanLimitReached(name, most, left, iso_millis(self.until))


class Allowed:
    """What each workspace may still use this month of some kinds of things, as one process knows it.

    What was used is asked for every five seconds at most; what this process takes meanwhile is counted ahead. So a
    limit is exceeded by at most what other processes take within five seconds, and what is under way while it is
    asked for.
    """

    def __init__(self, ledger: Ledger, *names: str) -> None:
        """Take the ledger, which is what is counted, and what is limited: of `counting.EVENTS`."""
        self._ledger = ledger
        self._names = names
        self._unlimited = not any(name in limits for limits in ledger.settings.plan_limits.values() for name in names)
        self._standings: dict[uuid.UUID, _Standing] = {}
        self._asking: dict[uuid.UUID, asyncio.Task[_Standing]] = {}

    def at_hand(self, workspace_id: uuid.UUID) -> bool:
        """Take one; False, and nothing is taken, where that has to be asked for first, or would be refused."""
        if self._unlimited:
            return True
        known = self._standings.get(workspace_id)
        if known is None or not known.fresh():
            return False
        left = known.left()
        if left is not None and left < 1:
            return False
        known.taken += 1
        return True

    async def take(self, workspace_id: uuid.UUID, number: int = 1) -> None:
        """Take so many, all or none. Raises PlanLimitReached."""
        if self._unlimited:
            return
        known = await self._standing(workspace_id)
        known.ensure(number)
        known.taken += number

    async def ensure(self, workspace_id: uuid.UUID, number: int = 1) -> None:
        """Raise PlanLimitReached where so many could not be taken; none is."""
        if not self._unlimited:
            (await self._standing(workspace_id)).ensure(number)

    async def left(self, workspace_id: uuid.UUID) -> int | None:
        """Return how many may still be taken, one at least; None without a limit. Raises PlanLimitReached for none."""
        if self._unlimited:
            return None
        known = await self._standing(workspace_id)
        known.ensure(1)
        return known.left()

    async def _standing(self, workspace_id: uuid.UUID) -> _Standing:
        known = self._standings.get(workspace_id)
        if known is not None and known.fresh():
            return known
        asking = self._asking.get(workspace_id)
        if asking is None:  # many that find it old at once ask once
            asking = self._asking[workspace_id] = asyncio.create_task(self._ask(workspace_id, known))
            asking.add_done_callback(lambda _: self._asking.pop(workspace_id))
        return await asyncio.shield(asking)

    async def _ask(self, workspace_id: uuid.UUID, before: _Standing | None) -> _Standing:
        """Ask aside: who wants to know may be in a transaction."""
        taken = 0 if before is None else before.taken
        async with self._ledger.db.aside.housekeeping(workspace_id) as tx:
            most = workspaces.limits_of(self._ledger.settings, await workspaces.plan_of(tx))
            limits: dict[str, tuple[int, int]] = {}
            known = None
            if any(name in most for name in self._names):
                catalogue = await self._ledger.catalogues.within(tx)
                known = await counted(tx, None if before is None else before.counted)
                limits = {name: (most[name], known.of(catalogue, name)) for name in self._names if name in most}
            found = _Standing(limits, month_of(tx.now)[1], known)
        if before is not None:  # taken since the question; what it took earlier is counted by now
            found.taken = before.taken - taken
        self._standings[workspace_id] = found
        return found
