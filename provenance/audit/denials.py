"""Every refusal for want of a scope or role leaves ``authz.denied``; a storm of them leaves one row a minute.

The request is answered before its refusal is recorded: whoever is turned away must not be able to make the server
wait. What is noted and not yet recorded when a process is killed is lost, at most a second's worth.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any

import structlog

from provenance.audit.schemas import AuditEvent, Risk
from provenance.audit.service import record
from provenance.core.actor import Actor
from provenance.core.db import Database
from provenance.core.door import Exchange
from provenance.core.incoming import ORIGIN, USER_AGENT_KEPT, Origin
from provenance.core.masking import mask

FLUSH_SECONDS = 0.5
WINDOW_SECONDS = 60.0
KEPT = 10_000

log: Any = structlog.get_logger("audit.denials")

Key = tuple[str, str, str, str]


@dataclass
class _Denial:
    actor: Actor
    path: str
    origin: Origin
    began: float
    count: int = 1
    recorded: int = 0


class Denials:
    """Notes refusals of one process, and records them in the background."""

    def __init__(self, db: Database) -> None:
        """Take the database in whose ledger they are recorded."""
        self._db = db
        self._open: dict[Key, _Denial] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to record."""
        self._task = asyncio.create_task(self._run(), name="denials")

    async def stop(self) -> None:
        """Record what is noted, and stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            await self.flush(everything=True)

    def note(self, exchange: Exchange, route: str, code: str) -> None:
        """Note that a known caller was refused. Costs a look-up; beyond so many at once the rest go uncounted."""
        if exchange.actor is None:
            return
        key = (exchange.actor.id, exchange.method, route, code)
        known = self._open.get(key)
        if known is not None:
            known.count += 1
        elif len(self._open) < KEPT:
            agent = exchange.header(b"user-agent")
            origin = Origin(exchange.client_ip, agent and agent[:USER_AGENT_KEPT], exchange.request_id)
            self._open[key] = _Denial(exchange.actor, exchange.path, origin, time.monotonic())

    async def flush(self, *, everything: bool = False) -> None:
        """Record what is new, and what more came in a minute that is over."""
        now = time.monotonic()
        for key, denial in list(self._open.items()):
            over = everything or now - denial.began >= WINDOW_SECONDS
            if denial.count > denial.recorded and (over or not denial.recorded):
                await self._record(key, denial)
            if over:
                del self._open[key]

    async def _record(self, key: Key, denial: _Denial) -> None:
        _, method, route, code = key
        counted = denial.count - denial.recorded
        ORIGIN.set(denial.origin)
        async with self._db.write(denial.actor) as tx:
            data = {"method": method, "route": route, "path": mask(denial.path[:512]), "reason": code, "count": counted}
            record(tx, AuditEvent.DENIED, f"{method} {route}"[:512], data, risk=Risk.HIGH, outcome="denied")
        denial.recorded += counted

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except Exception as error:
                log.warning("denials_not_recorded", error=type(error).__name__)
