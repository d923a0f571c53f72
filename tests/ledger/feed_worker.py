"""A worker process of the feed's tests: slow enough to be killed in the middle, with traces of what it did.

``python -m tests.ledger.feed_worker <database> <file for effects outside the database>``; it ends on SIGTERM.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from provenance.core.db import WriteTx
from provenance.core.settings import Settings
from provenance.ledger.feed import Feed, Handlers, Row
from provenance.ledger.service import Ledger

BATCH, SINGLE = "tests.feed.batch", "tests.feed.single"


async def note(tx: WriteTx, handler: str, rows: list[Row]) -> None:
    """Leave a trace of rows that is only there when the transaction commits."""
    await tx.driver_sql(
        "INSERT INTO effects (workspace_id, handler, number, pid) SELECT $1, $2, n, $4 FROM unnest($3::bigint[]) AS n",
        (tx.workspace_id, handler, [row.number for row in rows], os.getpid()),
    )


def slow_handlers(outside: Path) -> Handlers:
    """One handler of batches, which also has effects outside the database, and one of single rows."""
    handlers = Handlers()

    async def batch(tx: WriteTx, rows: list[Row]) -> None:
        await note(tx, BATCH, rows)
        await tx.driver_sql("SELECT pg_sleep(0.01)")
        with outside.open("a") as file:
            file.write("".join(f"{row.workspace_id} {row.number}\n" for row in rows))

    async def single(tx: WriteTx, row: Row) -> None:
        await note(tx, SINGLE, [row])

    handlers.on_batch(rows=20)(batch)
    handlers.on()(single)
    return handlers


async def work(url: str, outside: str) -> None:
    """Feed until SIGTERM."""
    ledger = Ledger(Settings(database_url=url), url)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await Feed(ledger.db, ledger.catalogues, ledger.hints, slow_handlers(Path(outside))).run(stop)
    await ledger.stop()


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
