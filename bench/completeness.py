"""`python -m bench.completeness`: how fast the follower takes a log into its completeness map, alone on the machine.

The rows are made by PostgreSQL: in the hard case each names a resource, a user and a unit of work of its own. The
follower reads of a row nothing but its number and its keys; a head over all of them stands in the log as if signed.
"""

import argparse
import asyncio
import os
import time
import uuid

import asyncpg

from bench import cpu
from bench.report import Report
from bench.stack import Stack, installation
from provenance.core.keyring import Keyring, load_master_key
from provenance.core.settings import Settings
from provenance.ledger.completeness.following import Follower, Progress
from provenance.ledger.service import Ledger

_ROWS = """
INSERT INTO interactions (workspace_id, number, id, resource_type_id, action_id, origin_id, resource_id, user_id,
                          uow_id, occurred_at, recorded_at, platform, recorded_by, actor_kind, content, salt,
                          content_digest, resource_key, user_key, leaf_hash)
SELECT $1, n, gen_random_uuid(), $1, $1, $1, 'r' || n % $4, 'u' || n % $5, md5('w' || n / $6)::uuid, n, n, false,
       'bench', 'key', '{}', ''::bytea, ''::bytea, decode(md5('r' || n % $4), 'hex'), decode(md5('u' || n % $5), 'hex'),
       sha256(int8send(n))
  FROM generate_series($2::bigint, $3::bigint) AS n
"""
_CASES = {"every id new": (2**40, 2**40, 1), "ids repeat": (20_000, 2_000, 5)}
"""Name of a case → how many resources and users there are, and rows of a unit of work."""


def main() -> None:
    """Measure both cases."""
    parser = argparse.ArgumentParser(prog="python -m bench.completeness", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="rows of each case")
    parser.add_argument("--before", type=int, default=0, help="rows that the map holds already, not measured")
    arguments = parser.parse_args()
    report = Report()
    with installation() as stack:
        for name, spread in _CASES.items():
            workspace = uuid.UUID(stack.tenants(1)[0].workspace_id)
            asyncio.run(_case(stack, workspace, report, name, spread, arguments))
    report.finish(None)


async def _case(
    stack: Stack,
    workspace: uuid.UUID,
    report: Report,
    name: str,
    spread: tuple[int, int, int],
    arguments: argparse.Namespace,
) -> None:
    ledger = Ledger(Settings(database_url=stack.url, data_dir=stack.data), stack.url)
    ledger.use(Keyring(await load_master_key(stack.data, ledger.db), ledger.db))
    connection = await asyncpg.connect(stack.dsn)
    try:
        if arguments.before:
            await _signed(connection, workspace, 1, arguments.before, spread)
            await _follow(ledger, workspace)
        await _signed(connection, workspace, arguments.before + 1, arguments.before + arguments.rows, spread)
        own, database, began = cpu.of_process(os.getpid()), cpu.of_tree(stack.postmaster), time.perf_counter()
        await _follow(ledger, workspace)
        took = time.perf_counter() - began
        own, database = cpu.of_process(os.getpid()) - own, cpu.of_tree(stack.postmaster) - database
        each = [1e6 * seconds / arguments.rows for seconds in (own, database)]
        note = f"CPU per row: follower {each[0]:.0f} µs, PostgreSQL {each[1]:.0f} µs"
        report.add("completeness", f"followed, {name}", arguments.rows / took, "rows/s", note, "5,000")
        report.add("completeness", f"on one core, {name}", arguments.rows / (own + database), "rows/s", "both together")
    finally:
        await connection.close()
        await ledger.db.close()


async def _signed(
    connection: "asyncpg.Connection[asyncpg.Record]",
    workspace: uuid.UUID,
    first: int,
    last: int,
    spread: tuple[int, int, int],
) -> None:
    """Put rows into the ledger, and a head over them into the log."""
    for start in range(first, last + 1, 50_000):
        await connection.execute(_ROWS, workspace, start, min(last, start + 49_999), *spread, timeout=300)
    await connection.execute("VACUUM ANALYZE interactions")
    signed = "UPDATE logs SET size = $2, origin = name WHERE workspace_id = $1"
    await connection.execute(signed, workspace, last)
    await connection.execute(
        "INSERT INTO log_checkpoints (workspace_id, epoch, size, root, note, signed_at, kept) "
        "VALUES ($1, 0, $2, sha256(''), '', 0, true)",
        workspace,
        last,
    )


async def _follow(ledger: Ledger, workspace: uuid.UUID) -> None:
    follower = Follower(ledger)
    while await follower.follow(workspace) is Progress.MORE:
        pass


if __name__ == "__main__":
    main()
