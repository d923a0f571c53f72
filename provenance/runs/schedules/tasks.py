"""What the worker does for schedules: it fires them when their time has come."""

import asyncio
from typing import Any

import structlog

from provenance.core.clock import until
from provenance.core.errors import Unavailable
from provenance.engine.running import Engine
from provenance.ledger.service import Ledger
from provenance.runs.library import Library
from provenance.runs.schedules import service
from provenance.runs.shelf import WorkflowShelf
from provenance.runs.triggering import Tools

LOOK_SECONDS = 1.0
AWAY_SECONDS = 5.0

log: Any = structlog.get_logger("runs.schedules")


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Fire until ``stop`` is set. Several workers fire each time once: whoever moves the schedule on starts the run."""
    engine = Engine(ledger)
    engine.start()
    tools = Tools(engine, Library(WorkflowShelf(ledger)))
    try:
        while not stop.is_set():
            seconds = await _look(ledger, tools)
            await until(stop, seconds)
    finally:
        await engine.stop()


async def _look(ledger: Ledger, tools: Tools) -> float:
    """Look once; return how many seconds to wait: to the next time, and never long, for schedules come and go."""
    try:
        found, following = await service.look(ledger.db, tools)
    except Unavailable:
        log.warning("database_away", retry_seconds=AWAY_SECONDS)
        return AWAY_SECONDS
    except Exception as error:
        log.error("schedules_failed", error=type(error).__name__)
        return AWAY_SECONDS
    if found == service.AT_ONCE:
        return 0.0
    return LOOK_SECONDS if following is None else min(max(following, 0.01), LOOK_SECONDS)
