"""Bad signatures on record: of each source at each subscription one row a minute, after it was answered."""

import asyncio
import time
import uuid
from typing import Any

import structlog

from provenance.audit import service as audit
from provenance.bus.inbound.schemas import ArrivalEvent
from provenance.core.db import Database
from provenance.core.incoming import ORIGIN, Origin

WINDOW_SECONDS = 60.0
KEPT = 10_000

log: Any = structlog.get_logger("bus.inbound")


class Refusals:
    """Notes bad signatures of one process; a flood of them makes nobody wait."""

    def __init__(self, db: Database) -> None:
        """Take the database in whose ledgers they are recorded."""
        self._db = db
        self._recorded: dict[tuple[uuid.UUID, str, str | None], float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, workspace_id: uuid.UUID, subscription_id: str, origin: Origin) -> None:
        """Note one; it is recorded unless this source was within a minute."""
        place, now = (workspace_id, subscription_id, origin.ip), time.monotonic()
        if now - self._recorded.get(place, float("-inf")) < WINDOW_SECONDS:
            return
        if len(self._recorded) >= KEPT:
            self._recorded.clear()
        self._recorded[place] = now
        task = asyncio.create_task(self._record(workspace_id, subscription_id, origin))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _record(self, workspace_id: uuid.UUID, subscription_id: str, origin: Origin) -> None:
        ORIGIN.set(origin)
        try:
            async with self._db.housekeeping(workspace_id) as tx:
                data = {"address": f"/bus/inbound/{subscription_id}"}
                event = ArrivalEvent.SIGNATURE_INVALID
                audit.record(tx, event, subscription_id, data, risk=audit.Risk.MEDIUM, outcome="failure")
        except Exception as error:
            log.warning("refusal_not_recorded", error=type(error).__name__)
