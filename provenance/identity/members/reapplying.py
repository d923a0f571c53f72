"""After a restore: people who were erased since the backup are erased again, before anybody is let in."""

import asyncio
from pathlib import Path
from typing import Any

import structlog

from provenance.core.db import Database, WriteTx
from provenance.identity import service as identity_service
from provenance.identity.members import journal, queries
from provenance.identity.members.destroying import destroy_traces
from provenance.identity.members.journal import Line

PEOPLE_AT_ONCE = 1_000

log: Any = structlog.get_logger("identity.members")


async def erase_again(db: Database, folder: Path) -> int:
    """Erase whom the file in this data folder names and the database still has; return how many people."""
    lines = await asyncio.to_thread(journal.load, folder)
    again = 0
    for start in range(0, len(lines), PEOPLE_AT_ONCE):
        several = {line.person: line for line in lines[start : start + PEOPLE_AT_ONCE]}
        async with db.housekeeping() as tx:
            living = await queries.living(tx, list(several))
        for person_id in living:
            async with db.housekeeping() as tx:
                again += await _again(tx, several[person_id])
    if again:
        log.warning("people_erased_again", people=again)
    return again


async def _again(tx: WriteTx, line: Line) -> bool:
    places = [place.workspace_id for place in await queries.places_of(tx, line.person)]
    await queries.lock_workspaces(tx, places)
    if not await queries.lock_person(tx, line.person):
        return False  # another process was first
    await identity_service.erase_person(tx, line.person)
    await queries.insert_erasure(tx, line)
    for workspace_id in places:
        await destroy_traces(tx.inside(workspace_id), line, again=True)
    return True
