"""A worker's part of runs as a process of its own: `python -m tests.connections.worker_process FILE`.

Its settings come from the environment. The file is made once it works; at SIGTERM it hands back what it holds.
"""

import asyncio
import signal
import sys
from pathlib import Path

from provenance.core.keyring import Keyring, load_master_key
from provenance.core.settings import Settings
from provenance.ledger.service import Ledger
from provenance.runs import tasks


async def main(working: Path) -> None:
    settings, stop = Settings(), asyncio.Event()
    assert settings.database_url is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    ledger = Ledger(settings, settings.database_url)
    ledger.use(Keyring(await load_master_key(settings.data_dir, ledger.db), ledger.db))
    working.touch()
    try:
        await tasks.run(ledger, stop)
    finally:
        await ledger.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
