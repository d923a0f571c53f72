"""A worker process that does nothing but follow alerts: ``python -m tests.alerts.worker_process <database> <data>``.

It ends on SIGTERM. Chunks are small, so that it can be killed between two of them.
"""

import asyncio
import dataclasses
import signal
import sys
from pathlib import Path

from provenance.alerts import tasks
from provenance.alerts.queries import HANDLER
from provenance.core.keyring import Keyring, load_master_key
from provenance.core.settings import Settings
from provenance.ledger.feed import Feed, registered
from provenance.ledger.service import Ledger

ROWS = 20


async def work(url: str, data: str) -> None:
    """Follow until SIGTERM."""
    settings = Settings(database_url=url, data_dir=Path(data), min_free_bytes=0)
    ledger, stop = Ledger(settings, url), asyncio.Event()
    ledger.use(Keyring(await load_master_key(settings.data_dir, ledger.db), ledger.db))
    ledger.wakeups.start()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    handlers = [dataclasses.replace(each, rows=ROWS) for each in registered if each.name == HANDLER]
    await asyncio.gather(Feed(ledger.db, ledger.catalogues, handlers).run(stop), tasks.run(ledger, stop))
    await ledger.stop()


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
