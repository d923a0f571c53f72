"""Runs whose time is over: their data goes after the workspace's `dataRetentionDays`, what they recorded stays."""

import asyncio
import uuid
from typing import Any

import structlog

from provenance.audit.schemas import Risk
from provenance.audit.service import record
from provenance.core.clock import NANOS, until
from provenance.core.db import Database
from provenance.runs import queries, service
from provenance.runs.events import RunEvent, wire_id
from provenance.workspace import service as workspaces

PAUSE_SECONDS = 3600.0
AT_ONCE = 500
DAY_NS = 24 * 3600 * NANOS

log: Any = structlog.get_logger("runs.retention")


async def keep_forgetting(db: Database, stop: asyncio.Event) -> None:
    """Look every hour, until ``stop`` is set; a failure is logged, the next hour does what was left."""
    while not stop.is_set():
        try:
            await forget_old(db)
        except Exception as error:
            log.warning("retention_failed", error=type(error).__name__)
        await until(stop, PAUSE_SECONDS)


async def forget_old(db: Database) -> int:
    """Remove the data of every run that ended too long ago, in all workspaces; return how many there were."""
    async with db.housekeeping() as tx:
        kept = await workspaces.data_retentions(tx)
    gone = 0
    for workspace_id, days in kept:
        while found := await _forget_some(db, workspace_id, days):
            gone += found
    return gone


async def _forget_some(db: Database, workspace_id: uuid.UUID, days: int) -> int:
    """Remove a batch, with one record of it that names the first, the last and how many."""
    async with db.housekeeping(workspace_id) as tx:
        found = await queries.over_their_time(tx, tx.now - days * DAY_NS, AT_ONCE)
        if found:
            await service.forget(tx, found)
            told = {"reason": "retention", "runs": len(found), "days": days, "lastRunId": wire_id(found[-1])}
            record(tx, RunEvent.DELETED, wire_id(found[0]), told, risk=Risk.LOW)
    return len(found)
