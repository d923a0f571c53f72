"""Workers in processes of their own, which can be killed."""

import asyncio
import os
import sys

from tests.conftest import Running

_RUN = """
import asyncio
from provenance.bus.bridges import tasks
from provenance.core.keyring import Keyring, load_master_key
from provenance.core.settings import Settings
from provenance.ledger.service import Ledger

async def main():
    settings = Settings()
    ledger = Ledger(settings, settings.database_url)
    ledger.use(Keyring(await load_master_key(settings.data_dir, ledger.db), ledger.db))
    await tasks.run(ledger, asyncio.Event(), lease_seconds=0.5)

asyncio.run(main())
"""


async def start_worker(app: Running) -> asyncio.subprocess.Process:
    """Start a worker that runs bridges alone; it ends by being killed."""
    environment = {
        **os.environ,
        "DATABASE_URL": app.ledger.db.url,
        "PROVENANCE_DATA_DIR": str(app.ledger.settings.data_dir),
        "PROVENANCE_EGRESS_ALLOW": '["127.0.0.1"]',
    }
    return await asyncio.create_subprocess_exec(sys.executable, "-c", _RUN, env=environment)


async def kill(worker: asyncio.subprocess.Process) -> None:
    """Kill a worker as a power cut would."""
    worker.kill()
    await worker.wait()
