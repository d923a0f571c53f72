"""The worker's share: re-read every ledger at a set pace, one pass after another."""

import asyncio
import time
import uuid
from typing import Any

import structlog

from provenance.core.clock import until
from provenance.core.errors import Unavailable
from provenance.ledger.log.heads import Heads
from provenance.ledger.self_audit import queries
from provenance.ledger.self_audit.service import step
from provenance.ledger.service import Ledger

AWAY_SECONDS = 5.0
LISTED = 1_000

log: Any = structlog.get_logger("ledger.self_audit")


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Re-read all ledgers, round after round, until ``stop`` is set.

    Several workers re-read independently of one another: each incident is recorded once.
    """
    settings = ledger.settings
    if settings.self_audit_rows_per_second == 0:
        return
    while not stop.is_set():
        try:
            await _round(ledger, stop)
            await until(stop, settings.self_audit_pause_minutes * 60)
        except Unavailable:
            await until(stop, AWAY_SECONDS)
        except Exception:
            log.exception("self_audit_failed")
            await until(stop, AWAY_SECONDS)


async def _round(ledger: Ledger, stop: asyncio.Event) -> None:
    heads = Heads(ledger.settings.data_dir)
    await asyncio.to_thread(heads.load)
    after = uuid.UUID(int=0)
    while not stop.is_set():
        async with ledger.db.housekeeping() as tx:
            found = await queries.signed_logs(tx, after, LISTED)
        for workspace_id in found:
            await _whole(ledger, heads, workspace_id, stop)
        if len(found) < LISTED:
            return
        after = found[-1]


async def _whole(ledger: Ledger, heads: Heads, workspace_id: uuid.UUID, stop: asyncio.Event) -> None:
    done = False
    while not done and not stop.is_set():
        started = time.monotonic()
        rows, findings, done = await step(ledger, heads, workspace_id)
        for found in findings:
            log.error("ledger_incident", workspace=str(workspace_id), kind=found.kind.value, found=found.sentence)
        pace = rows / ledger.settings.self_audit_rows_per_second
        await until(stop, pace - (time.monotonic() - started))
