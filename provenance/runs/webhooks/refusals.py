"""Bad signatures on record: of each source at each webhook one row a minute, with how many there were.

As with `provenance.audit.denials`, whoever is turned away is answered first: a flood of bad requests must not make
the server wait. What is noted and not yet recorded when a process is killed is lost.
"""

import asyncio
import contextlib
import time
import uuid
from dataclasses import dataclass
from typing import Any

import structlog

from provenance.audit.service import Risk, record
from provenance.core.actor import Actor, Kind
from provenance.core.db import Database
from provenance.core.door import Exchange
from provenance.core.incoming import ORIGIN, USER_AGENT_KEPT, Origin
from provenance.runs.events import workflow_wire_id
from provenance.runs.webhooks.schemas import WebhookEvent

FLUSH_SECONDS = 0.5
WINDOW_SECONDS = 60.0
KEPT = 10_000

log: Any = structlog.get_logger("runs.webhooks")


@dataclass
class _Source:
    workspace_id: uuid.UUID
    origin: Origin
    preset: str
    noted: int = 1
    recorded_at: float | None = None

    def due(self, now: float) -> bool:
        return bool(self.noted) and (self.recorded_at is None or now - self.recorded_at >= WINDOW_SECONDS)


class Refusals:
    """Notes bad signatures of one process, and records them in the background."""

    def __init__(self, db: Database) -> None:
        """Take the database in whose ledgers they are recorded."""
        self._db = db
        self._sources: dict[tuple[uuid.UUID, str | None], _Source] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to record."""
        self._task = asyncio.create_task(self._run(), name="webhook-refusals")

    async def stop(self) -> None:
        """Record what is due, and stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            await self.flush()

    def note(self, workspace_id: uuid.UUID, workflow_id: uuid.UUID, exchange: Exchange, preset: str) -> None:
        """Note a bad signature. Costs a look-up; beyond so many sources at once the rest go uncounted."""
        key = (workflow_id, exchange.client_ip)
        known = self._sources.get(key)
        if known is not None:
            known.noted += 1
        elif len(self._sources) < KEPT:
            agent = exchange.header(b"user-agent")
            origin = Origin(exchange.client_ip, agent and agent[:USER_AGENT_KEPT], exchange.request_id)
            self._sources[key] = _Source(workspace_id, origin, preset)

    async def flush(self) -> None:
        """Record the sources that are new or whose minute is over; forget those that went quiet."""
        now = time.monotonic()
        for key, source in list(self._sources.items()):
            if source.due(now):
                await self._record(key[0], source, now)
            elif not source.noted and source.recorded_at is not None and now - source.recorded_at >= WINDOW_SECONDS:
                del self._sources[key]

    async def _record(self, workflow_id: uuid.UUID, source: _Source, now: float) -> None:
        before, counted = source.recorded_at, source.noted
        source.recorded_at, source.noted = now, 0  # first of all: another flush may come while this one records
        try:
            await self._write(workflow_id, source, counted)
        except BaseException:  # it is still to be recorded
            source.recorded_at, source.noted = before, source.noted + counted
            raise

    async def _write(self, workflow_id: uuid.UUID, source: _Source, counted: int) -> None:
        ORIGIN.set(source.origin)
        wire_id = workflow_wire_id(workflow_id)
        async with self._db.write(Actor(Kind.WEBHOOK, "webhook", source.workspace_id)) as tx:
            data = {"workflowId": wire_id, "preset": source.preset, "count": counted}
            record(tx, WebhookEvent.SIGNATURE_INVALID, wire_id, data, risk=Risk.HIGH, outcome="denied")

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except Exception as error:
                log.warning("refusals_not_recorded", error=type(error).__name__)
