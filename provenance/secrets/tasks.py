"""What the clock does with secrets: rotations that are due, graces that are over, deleted ones to be destroyed."""

import asyncio
import uuid
from typing import Any

import structlog

from provenance.core.actor import Actor, Kind
from provenance.core.clock import until
from provenance.core.errors import Unavailable
from provenance.ledger.service import Ledger
from provenance.secrets import queries, rotating

LOOK_SECONDS = 15.0
AT_ONCE = 100
SYSTEM = "system"

log: Any = structlog.get_logger("secrets")


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Look every fifteen seconds, until ``stop`` is set. Several workers don't get in each other's way."""
    while not stop.is_set():
        try:
            await look(ledger)
        except Unavailable:
            log.warning("database_away")
        except Exception as error:
            log.error("secrets_not_looked_after", error=type(error).__name__)
        await until(stop, LOOK_SECONDS)


async def look(ledger: Ledger) -> None:
    """Do once what is due in every workspace."""
    async with ledger.db.housekeeping() as tx:
        found = await queries.workspaces_with_work(tx)
    for workspace_id in found:
        await _look_into(ledger, workspace_id)


async def _look_into(ledger: Ledger, workspace_id: uuid.UUID) -> None:
    async with ledger.db.housekeeping(workspace_id) as tx:
        await queries.destroy_over(tx)
        due = await queries.due(tx, AT_ONCE)
    keys = await ledger.keyring.of(workspace_id)
    for secret_id in due:
        async with ledger.db.write(Actor(Kind.SYSTEM, SYSTEM, workspace_id)) as tx:
            await rotating.rotate_if_due(tx, keys, secret_id)
