"""What the clock does with skills: bytes of packages that nobody needs any more are destroyed.

Bytes come before their row says that they are there, and go after it is gone. Where a process dies in between, they
are left over: of an upload, until its address has run out; of a deleted skill, at once.
"""

import asyncio
import uuid
from typing import Any

import structlog

from provenance.core.clock import until
from provenance.core.db import Database
from provenance.core.errors import Unavailable
from provenance.core.objects import Objects
from provenance.ledger.service import Ledger
from provenance.skills import queries
from provenance.skills.service import SLACK_NS
from provenance.skills.uploading import AREA

LOOK_SECONDS = 60.0
AT_ONCE = 100

log: Any = structlog.get_logger("skills")


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Look every minute, until ``stop`` is set. Several workers don't get in each other's way."""
    objects = Objects.of(ledger.settings)
    while not stop.is_set():
        try:
            await look(ledger.db, objects)
        except Unavailable as error:
            log.warning("skills_wait", code=error.code)
        except Exception as error:
            log.error("skills_not_looked_after", error=type(error).__name__)
        await until(stop, LOOK_SECONDS)


async def look(db: Database, objects: Objects) -> None:
    """Destroy once what is due in every workspace."""
    async with db.housekeeping() as tx:
        in_vain = await queries.awaited_in_vain(tx, tx.now - SLACK_NS)
    for workspace_id in in_vain:
        async with db.housekeeping(workspace_id) as tx:
            gone = await queries.forget_awaited(tx, tx.now - SLACK_NS)
            await queries.discard(tx, dict.fromkeys(gone, tx.now))
    async with db.housekeeping() as tx:
        littered = await queries.workspaces_with_garbage(tx)
    for workspace_id in littered:
        while await _destroy(db, objects, workspace_id) == AT_ONCE:
            continue


async def _destroy(db: Database, objects: Objects, workspace_id: uuid.UUID) -> int:
    async with db.housekeeping(workspace_id) as tx:
        packages = await queries.garbage(tx, AT_ONCE)
    await objects.delete(workspace_id, AREA, [each.hex for each in packages])
    async with db.housekeeping(workspace_id) as tx:
        await queries.forget_garbage(tx, packages)
    return len(packages)
