"""The clean-up after an erasure: what the database still holds of erased rows in pages, statistics and its log.

An update leaves the old row in its page until the page is vacuumed, and even then its bytes in the page's free
space; an index the same. So tables up to a size are rewritten as a whole, larger ones are vacuumed and the indexes
that hold names are built anew. The planner's statistics are samples of values, and the write-ahead log holds every
row that was ever written until its segments are gone. Each step says how it went, and the certificate repeats it.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from shutil import disk_usage
from typing import Any, TypeAlias

import asyncpg
import structlog
from sqlalchemy.engine import make_url

from provenance.core.db import SESSION_SETTINGS, asyncpg_dsn
from provenance.core.settings import Settings
from provenance.ledger.erasure.forgetting import registered
from provenance.postgres.passwords import FILE as PASSWORD_FILE
from provenance.postgres.passwords import passwords_of
from provenance.postgres.place import cluster_folder
from provenance.proof.certificates import Step

TABLES = ("interactions", "interaction_keys", "interaction_related", "interaction_fields", "idempotency_keys")
"""The tables of the ledger, and of below, with traces of content; those of features are in `forgetting`."""
NAMING_INDEXES = {
    "interactions": ("ix_interactions_resource", "ix_interactions_user", "ix_interactions_external"),
    "interaction_related": ("pk_interaction_related",),
}
SNAPSHOT_SECONDS = 60.0
LOCK_TRIES = 10
RELOAD_SECONDS = 0.3
"""How long the server's processes may take to read a setting again; nothing tells when they have."""
SEGMENTS_AT_MOST = 400

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
log: Any = structlog.get_logger("ledger.erasure")


class StillSeen(Exception):
    """A transaction that began before the erasure still runs: what it may read can't be cleaned up yet."""


async def clean(settings: Settings, url: str) -> tuple[Step, ...]:
    """Clean up after every erasure that has committed; return how each step went.

    Raises StillSeen, and what asyncpg raises when the database is away.
    """
    async with contextlib.AsyncExitStack() as stack:
        owner = await _connect(stack, asyncpg_dsn(url))
        superuser_dsn = await _superuser(settings, owner, url)
        operator = owner if superuser_dsn is None else await _connect(stack, superuser_dsn)
        await _outlive_readers(owner)
        steps = [await _tables(owner, _room(settings, ours=superuser_dsn is not None))]
        steps.append(await _tried("statistics", operator, _statistics))
        steps.append(await _tried("log", operator, _write_ahead_log))
    return tuple(steps)


def _room(settings: Settings, *, ours: bool) -> int:
    """Return how large a table may be to be rewritten; on our own disk it needs its size twice, and the log once."""
    if not ours:
        return settings.erasure_rewrite_bytes
    free = disk_usage(settings.data_dir).free - settings.min_free_bytes
    return max(0, min(settings.erasure_rewrite_bytes, free // 3))


async def _connect(stack: contextlib.AsyncExitStack, dsn: str) -> Connection:
    server_settings = {**SESSION_SETTINGS, "application_name": "provenance erasure", "lock_timeout": "2s"}
    connection = await asyncpg.connect(dsn, server_settings=server_settings, timeout=10)
    stack.push_async_callback(connection.close)
    return connection


async def _superuser(settings: Settings, owner: Connection, url: str) -> str | None:
    """Return the address of the embedded server for its superuser; None for a database of somebody else's."""
    folder: Path = settings.data_dir
    socket = make_url(url).query.get("host")
    if not isinstance(socket, str) or not (folder / PASSWORD_FILE).exists():
        return None
    file = cluster_folder(folder) / "postmaster.pid"
    with contextlib.suppress(OSError):
        if socket in (await asyncio.to_thread(file.read_text)).splitlines():
            given = make_url(asyncpg_dsn(url)).set(username="postgres", password=passwords_of(folder).superuser)
            return given.render_as_string(hide_password=False)
    return None


async def _outlive_readers(owner: Connection) -> None:
    """Wait until no transaction of this database can see what was there before. Raises StillSeen."""
    mine = await owner.fetchval("SELECT pg_current_xact_id()::text")
    older = """
        SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
           AND backend_xmin IS NOT NULL AND age(backend_xmin) > age($1::text::xid)
    """
    deadline = time.monotonic() + SNAPSHOT_SECONDS
    while await owner.fetchval(older, str(int(mine) % 2**32)):
        if time.monotonic() > deadline:
            raise StillSeen("a transaction older than the erasure still runs")
        await asyncio.sleep(0.2)


async def _tables(owner: Connection, most: int) -> Step:
    large = []
    for table in (*TABLES, *sorted({each.table for each in registered})):
        size = await owner.fetchval("SELECT pg_total_relation_size($1::text::regclass)", table)
        if size <= most:
            await _locked(owner, f"VACUUM (FULL, ANALYZE) {table}")
            continue
        large.append(f"{table} ({size} bytes)")
        await _locked(owner, f"VACUUM (INDEX_CLEANUP ON, ANALYZE) {table}")
        for index in NAMING_INDEXES.get(table, ()):
            await _locked(owner, f"REINDEX INDEX CONCURRENTLY {index}")
    if not large:
        return Step("tables", "rewritten")
    return Step(
        "tables",
        f"vacuumed and not rewritten, being larger than {most} bytes: {', '.join(large)}; free space of their pages "
        "may hold bytes of erased rows until new rows take it",
    )


async def _locked(connection: Connection, statement: str) -> None:
    """Run a statement that waits for a lock at most two seconds at a time, so that nobody queues behind it for long."""
    for attempt in range(LOCK_TRIES):
        try:
            await connection.execute(statement, timeout=3600)
        except asyncpg.LockNotAvailableError:
            if attempt == LOCK_TRIES - 1:
                raise
            await asyncio.sleep(1)
        else:
            return


async def _tried(name: str, connection: Connection, act: Callable[[Connection], Awaitable[str]]) -> Step:
    try:
        return Step(name, await act(connection))
    except asyncpg.InsufficientPrivilegeError as error:
        return Step(name, f"not done: {error}")


async def _statistics(operator: Connection) -> str:
    """Rewrite the catalogue of samples: its rows for our columns were renewed, the old ones lie in its pages."""
    if not await operator.fetchval("SELECT usesuper FROM pg_user WHERE usename = current_user"):
        return "not done: the statistics of the planner were renewed; old samples stay until the server vacuums them"
    await _locked(operator, "VACUUM FULL pg_statistic")
    return "done"


async def _write_ahead_log(operator: Connection) -> str:
    """Let the segments of the write-ahead log go that were written before now.

    A segment that is recycled keeps its old bytes until it is written again. So recycling is off for a moment, the
    segments lying in wait are used up by switches, which fill them with zeroes, and a checkpoint removes all of them.
    """
    await operator.execute("CHECKPOINT")
    if not await operator.fetchval("SELECT usesuper FROM pg_user WHERE usename = current_user"):
        await operator.fetchval("SELECT pg_switch_wal()")
        return "checkpoint and switch done; recycled segments, archives and replicas are the operator's"
    await _recycling(operator, "ALTER SYSTEM SET wal_recycle = off")
    try:
        last = await operator.fetchval("SELECT max(name) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'")
        for _ in range(SEGMENTS_AT_MOST):
            await operator.execute("SELECT pg_logical_emit_message(false, 'provenance', 'erased')")
            await operator.fetchval("SELECT pg_switch_wal()")
            if await operator.fetchval("SELECT pg_walfile_name(pg_current_wal_insert_lsn())") > last:
                break
        await operator.execute("CHECKPOINT")
    finally:
        await _recycling(operator, "ALTER SYSTEM RESET wal_recycle")
    archiving = await operator.fetchval("SELECT current_setting('archive_mode')")
    return "done" if archiving == "off" else "done here; archived segments are the operator's"


async def _recycling(operator: Connection, statement: str) -> None:
    await operator.execute(statement)
    await operator.execute("SELECT pg_reload_conf()")
    await asyncio.sleep(RELOAD_SECONDS)
