"""The published versions that runs are of: compiled once, kept, because a version never changes."""

import asyncio
import time
import uuid
from collections import OrderedDict
from typing import NamedTuple, Protocol

from provenance.workflows.plan import Plan

FRESH_SECONDS = 1.0
_KEPT = 512


class Live(NamedTuple):
    """What of a workflow is started now."""

    workflow_id: uuid.UUID
    version: int
    environment: str
    max_concurrent: int | None
    triggers_off: frozenset[str] = frozenset()


class Shelf(Protocol):
    """Where published versions are: `provenance.workflows`."""

    async def live(self, workspace_id: uuid.UUID, workflow_id: uuid.UUID) -> Live | None:
        """Return the deployed version; None for an unknown workflow and for one that is not deployed."""
        ...

    async def plan(self, workspace_id: uuid.UUID, workflow_id: uuid.UUID, version: int) -> Plan | None:
        """Return the compiled version; None when there is none."""
        ...


class Library:
    """Plans in memory, and for a second what is live."""

    def __init__(self, shelf: Shelf) -> None:
        """Take where they come from."""
        self._shelf = shelf
        self._plans: OrderedDict[tuple[uuid.UUID, uuid.UUID, int], Plan] = OrderedDict()
        self._live: dict[tuple[uuid.UUID, uuid.UUID], tuple[float, Live]] = {}
        self._asking: dict[tuple[uuid.UUID, uuid.UUID], asyncio.Future[Live | None]] = {}

    def at_hand(self, workspace_id: uuid.UUID, workflow_id: uuid.UUID) -> tuple[Live, Plan] | None:
        """Return what is live with its plan, where nothing has to be asked for; None where something has."""
        known = self._live.get((workspace_id, workflow_id))
        if known is None or time.monotonic() - known[0] >= FRESH_SECONDS:
            return None
        plan = self._plans.get((workspace_id, workflow_id, known[1].version))
        return None if plan is None else (known[1], plan)

    async def live(self, workspace_id: uuid.UUID, workflow_id: uuid.UUID) -> Live | None:
        """Return what is live, at most a second behind; what is not is asked for each time."""
        known = self._live.get((workspace_id, workflow_id))
        if known is not None and time.monotonic() - known[0] < FRESH_SECONDS:
            return known[1]
        asking = self._asking.get((workspace_id, workflow_id))
        if asking is None:  # many starts that find it old at once ask once
            asking = asyncio.ensure_future(self._ask(workspace_id, workflow_id))
            self._asking[workspace_id, workflow_id] = asking
        return await asyncio.shield(asking)

    async def _ask(self, workspace_id: uuid.UUID, workflow_id: uuid.UUID) -> Live | None:
        try:
            found = await self._shelf.live(workspace_id, workflow_id)
        finally:
            del self._asking[workspace_id, workflow_id]
        if found is None:
            self._live.pop((workspace_id, workflow_id), None)
        else:
            self._live[workspace_id, workflow_id] = (time.monotonic(), found)
        return found

    async def plan(self, workspace_id: uuid.UUID, workflow_id: uuid.UUID, version: int) -> Plan | None:
        """Return a plan, compiled at first use."""
        key = (workspace_id, workflow_id, version)
        found = self._plans.get(key)
        if found is None:
            found = await self._shelf.plan(*key)
            if found is None:
                return None
            self._plans[key] = found
            if len(self._plans) > _KEPT:
                self._plans.popitem(last=False)
        self._plans.move_to_end(key)
        return found

    def forget(self, workspace_id: uuid.UUID, workflow_id: uuid.UUID) -> None:
        """Ask anew what is live: it was published, or taken back."""
        self._live.pop((workspace_id, workflow_id), None)
