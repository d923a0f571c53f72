"""What is done after a backup was restored: erasures are done again, logs that were signed further begin anew.

The logs themselves refuse to sign after a restore, because the heads kept outside the database say that more was
signed (spec/proof.md, 4). That is right when somebody rolled the database back, and in the way when it was you.
"""

import asyncio
import uuid
from pathlib import Path

from provenance.core.db import Database
from provenance.core.ids import decode
from provenance.core.keyring import Keyring, load_masters
from provenance.core.settings import Settings
from provenance.features import load_tasks
from provenance.ledger.erasure.reapplying import reapply
from provenance.ledger.log import queries
from provenance.ledger.log.heads import Heads
from provenance.ledger.log.integrating import Integrator
from provenance.ledger.log.reopening import reopen
from provenance.ledger.service import Ledger

LISTED = 1_000


class UnknownWorkspace(Exception):
    """The id names no workspace of this installation."""


def erase_again(database_url: str, data_dir: Path) -> int:
    """Destroy anew what was erased since the backup was made, before anybody reads it; return how many rows."""
    return asyncio.run(_erase_again(database_url, data_dir))


async def _erase_again(database_url: str, data_dir: Path) -> int:
    db = Database(database_url, pool_size=2)
    try:
        load_tasks()
        return await reapply(db, data_dir)
    finally:
        await db.close()


def reopen_logs(settings: Settings, reason: str, workspace: str | None) -> list[str]:
    """Reopen the log of one workspace (``ws_…``), or every one that is halted; return the new origins.

    Raises UnknownWorkspace, and KeyringError without the master key.
    """
    return asyncio.run(_reopen_logs(settings, reason, workspace))


async def _reopen_logs(settings: Settings, reason: str, workspace: str | None) -> list[str]:
    assert settings.database_url is not None, "the command line resolves the database before"
    ledger = Ledger(settings, settings.database_url)
    try:
        ledger.use(Keyring(await load_masters(settings, ledger.db), ledger.db))
        heads = Heads(settings.data_dir)
        heads.load()
        wanted = await _wanted(ledger, heads, workspace)
        return [await reopen(ledger, each, reason, heads.of(each)) for each in wanted]
    finally:
        await ledger.stop()


async def _wanted(ledger: Ledger, heads: Heads, workspace: str | None) -> list[uuid.UUID]:
    """Return the halted logs; those that a worker has not looked at since the restore are looked at now."""
    chosen = None if workspace is None else decode("ws", workspace)
    found, after = [], uuid.UUID(int=0)
    integrator = Integrator(ledger, heads)
    while True:
        async with ledger.db.housekeeping() as tx:
            listed = await queries.halted_or_not(tx, after, LISTED)
        for workspace_id, _ in listed:
            await integrator.integrate([workspace_id])
        async with ledger.db.housekeeping() as tx:
            again = await queries.halted_or_not(tx, after, LISTED)
        found += [workspace_id for workspace_id, halted in again if halted]
        if len(listed) < LISTED:
            break
        after = listed[-1][0]
    if workspace is None:
        return found
    if chosen is None:
        raise UnknownWorkspace(f"{workspace} names no workspace")
    return [chosen]
