"""A worker process that does nothing but follow alerts: ``python -m tests.alerts.worker_process <database> <data>``."""

import asyncio
import dataclasses
import sys
from pathlib import Path

from provenance.alerts import tasks
from provenance.alerts.queries import HANDLER
from provenance.core.keyring import Keyring, load_master_key
from provenance.core.settings import Settings
from provenance.ledger.feed import Feed, registered
from provenance.ledger.service import Ledger

ROWS = 20


async def follow(ledger: Ledger, stop: asyncio.Event) -> None:
    """Do what a worker does for alerts, in chunks so small that it can be killed between two of them."""
    handlers = [dataclasses.replace(each, rows=ROWS) for each in registered if each.name == HANDLER]
    feed = Feed(ledger.db, ledger.catalogues, ledger.hints, handlers)
    await asyncio.gather(feed.run(stop), tasks.run(ledger, stop))


async def work(url: str, data: str) -> None:
    """Follow until killed."""
    settings = Settings(database_url=url, data_dir=Path(data), min_free_bytes=0)
    ledger = Ledger(settings, url)
    ledger.use(Keyring(await load_master_key(settings.data_dir, ledger.db), ledger.db))
    await follow(ledger, asyncio.Event())


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
