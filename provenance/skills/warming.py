"""Fork servers of runtimes that live workflows call, started before their first call."""

import asyncio
from typing import Any

import structlog

from provenance.core.clock import until
from provenance.core.errors import Unavailable
from provenance.ledger.service import Ledger
from provenance.skills import queries
from provenance.skills.sandbox.errors import RuntimeUnavailable
from provenance.skills.sandbox.runner import Sandbox
from provenance.skills.sandbox.schemas import Runtime

LOOK_SECONDS = 10.0

log: Any = structlog.get_logger("skills")


async def keep_warm(ledger: Ledger, sandbox: Sandbox, stop: asyncio.Event) -> None:
    """Start what live workflows need and does not run, soon after they went live, until ``stop`` is set."""
    refused: set[Runtime] = set()
    while not stop.is_set():
        try:
            async with ledger.db.housekeeping() as tx:
                wanted = {Runtime(each) for each in await queries.live_runtimes(tx)}
        except Unavailable:
            wanted = set()
        for runtime in wanted - refused:
            try:
                await sandbox.server(runtime)
            except RuntimeUnavailable as error:
                refused.add(runtime)
                log.warning("runtime_not_warmed", runtime=runtime.value, reason=error.detail)
        await until(stop, LOOK_SECONDS)
