"""A worker as a process of its own, to be killed: `python -m tests.runs.worker_process FOLDER`.

The folder holds what it needs: `settings.json` and the definitions that are published.
"""

import asyncio
import json
import os
import sys
import uuid
from pathlib import Path

from provenance.core.egress import Egress
from provenance.core.keyring import Keyring, load_master_key
from provenance.core.objects import Objects
from provenance.core.settings import Settings
from provenance.expressions import Evaluator
from provenance.ledger.service import Ledger
from provenance.runs.library import Live
from provenance.runs.runtime import Working
from provenance.workflows.compiling import compile_definition
from tests.runs.published import Published


async def main(folder: Path) -> None:
    given = json.loads((folder / "settings.json").read_text())
    published = Published()
    for name, document in given["workflows"].items():
        published.versions[uuid.UUID(name), 1] = compile_definition(document)
        published.lives[uuid.UUID(name)] = Live(uuid.UUID(name), 1, "development", None)
    settings = Settings(database_url=given["url"], data_dir=Path(given["data"]), min_free_bytes=0)
    ledger = Ledger(settings, given["url"])
    ledger.use(Keyring(await load_master_key(settings.data_dir, ledger.db), ledger.db))
    ledger.wakeups.start()
    egress = Egress(["127.0.0.1"])
    (folder / f"working-{os.getpid()}").touch()
    options = {"slots": 32, "lease_seconds": given["lease"]}
    objects = Objects.of(settings)
    await Working(ledger, published, egress, objects, evaluate=Evaluator().value, **options).run(asyncio.Event())


asyncio.run(main(Path(sys.argv[1])))
