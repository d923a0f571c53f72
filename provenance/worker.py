"""The worker: one process of background work over the ledgers of a database. Start as many as you need.

It feeds the handlers that `features.load_tasks` finds (DESIGN section 2). A worker owns nothing: what it
holds are row locks, and those end with it, so it may be killed at any moment and another goes on.
"""

import asyncio
import contextlib
import os
import signal
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError

from provenance.core.clock import until
from provenance.core.errors import Unavailable
from provenance.core.keyring import MASTER_KEY_FILE, Keyring, KeyringError, load_masters
from provenance.core.memory import settle_memory
from provenance.core.settings import Settings
from provenance.features import load_tasks, loops
from provenance.ledger.feed import Feed, registered
from provenance.ledger.service import Ledger

log: Any = structlog.get_logger("worker")

NICENESS = 5
"""The server's posts come first where both want the same processor."""
APART_SECONDS = 0.02
"""Between the starts of two loops. Most look every second: begun in the same moment they would ask at the same moment
ever after, each over a connection of its own."""
AWAY_SECONDS = 1.0
_NOT_MIGRATED = "42P01"


async def run(settings: Settings, stop: asyncio.Event | None = None) -> None:
    """Live one worker's life, until ``stop`` is set; without it, until SIGTERM or SIGINT.

    ``settings.database_url`` must be set. A database that is away, or not migrated yet, is waited for; at the
    end the chunks in hand are finished. Raises KeyringError when the installation's master key is missing.
    """
    assert settings.database_url is not None, "the command line resolves the database before it works"
    stop = _until_signalled() if stop is None else stop
    _lower_priority()
    load_tasks()
    background = loops()
    ledger = Ledger(settings, settings.database_url)
    try:
        keyring = await _keyring(settings, ledger, stop)
        if keyring is None:
            return
        ledger.use(keyring)
        ledger.wakeups.start()
        settle_memory()
        log.info("working", handlers=[handler.name for handler in registered])
        async with asyncio.TaskGroup() as work:
            work.create_task(Feed(ledger.db, ledger.catalogues, ledger.hints, registered).run(stop))
            for loop in background:
                work.create_task(loop(ledger, stop))  # type: ignore[arg-type]
                await asyncio.sleep(APART_SECONDS)
    finally:
        await ledger.stop()
    log.info("stopped")


def _until_signalled() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _lower_priority() -> None:
    with contextlib.suppress(OSError):
        missing = NICENESS - os.getpriority(os.PRIO_PROCESS, 0)
        if missing > 0:
            os.nice(missing)


async def _keyring(settings: Settings, ledger: Ledger, stop: asyncio.Event) -> Keyring | None:
    """Open the keyring, waiting for the database; None when the worker is told to stop first."""
    while not stop.is_set():
        try:
            return Keyring(await load_masters(settings, ledger.db), ledger.db)
        except Unavailable:
            log.warning("database_away", retry_seconds=AWAY_SECONDS)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _NOT_MIGRATED:
                raise
            log.warning("database_not_migrated", retry_seconds=AWAY_SECONDS)
        except KeyringError:
            # A server on its first start makes the key and uses it; it may have between our two looks.
            if not (settings.data_dir / MASTER_KEY_FILE).exists():
                raise
            return Keyring(await load_masters(settings, ledger.db), ledger.db)
        await until(stop, AWAY_SECONDS)
    return None
