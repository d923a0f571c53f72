"""Scenario `log`: how fast rows come under a signed head, and how fast they are proven.

The rows of the large log are made inside PostgreSQL and their leaf hashes are invented, which is all the same to the
tree; a few real ones stand at both ends, and those are proven over HTTP.
"""

import asyncio
import http.client
import json
import multiprocessing
import statistics
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from bench import cpu, raw
from bench.fill import fill
from bench.report import Report
from bench.stack import Stack, Tenant, further_database
from bench.writing import Options, warm
from provenance.core.keyring import Keyring, load_master_key
from provenance.core.settings import Settings
from provenance.ledger.log.heads import Heads
from provenance.ledger.log.integrating import Integrator
from provenance.ledger.service import Ledger
from provenance.proof.frontier import Frontier
from provenance.proof.merkle import EMPTY_ROOT

REAL = 300
"""Real rows at each end of the large log."""
LAG_RATE, LAG_SECONDS = 1_000, 10
TRICKLE_LOGS, TRICKLE_RATE, TRICKLE_SECONDS = 10_000, 1_000, 15
_CHUNK = 65_536


def log(stack: Stack, report: Report, options: Options) -> None:
    """Integrate a large log, rebuild its tiles elsewhere, prove rows, follow a stream, follow very many logs."""
    with further_database(stack) as beside:
        [tenant] = beside.tenants(1)
        warm(beside, tenant)
        proven = _post(beside, tenant, REAL)
        asyncio.run(fill(beside.dsn, tenant.workspace_id, options.rows, time.time_ns()))
        proven += _post(beside, tenant, REAL)
        asyncio.run(_integrate(beside, tenant, report))
        _rebuild(beside, tenant, report)
        _prove(beside, tenant, report, proven)
    _lag(stack, report)
    with further_database(stack) as beside:
        asyncio.run(_trickle(beside, report))


def _post(stack: Stack, tenant: Tenant, count: int) -> list[str]:
    """Record real rows and return their ids."""
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=30)
    headers = {"x-api-key": tenant.key, "content-type": "application/json"}
    items = [{"resourceId": f"r-{n}", "resourceType": "A", "action": "B", "origin": "C"} for n in range(count)]
    connection.request("POST", "/api/interactions/batch", json.dumps(items), headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return [item["interactionId"] for item in answer["items"]]


async def _opened(stack: Stack) -> Ledger:
    settings = Settings(database_url=stack.url, data_dir=stack.data)
    ledger = Ledger(settings, stack.url)
    ledger.use(Keyring(await load_master_key(stack.data, ledger.db), ledger.db))
    return ledger


async def _integrate(stack: Stack, tenant: Tenant, report: Report) -> None:
    ledger = await _opened(stack)
    with TemporaryDirectory() as folder:
        integrator = Integrator(ledger, Heads(Path(folder)))
        more = {uuid.UUID(tenant.workspace_id)}
        began, used = time.monotonic(), time.process_time()
        while more:
            more = await integrator.integrate(more)
        seconds, own = time.monotonic() - began, time.process_time() - used
    async with raw.connected(stack.dsn) as connection:
        size = await connection.fetchval("SELECT max(size) FROM logs")
    await ledger.stop()
    report.add("log", f"integrating {size:,} leaves", size / seconds, "leaves/s", "tree, tiles, one core", "100,000")
    report.add("log", "of it, the integrator's own processor time", own / size * 1e6, "us/leaf")


def _rebuild(stack: Stack, tenant: Tenant, report: Report) -> None:
    """Rebuild every tile from the rows in another process, and compare the bytes."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        tiles, different = pool.apply(_rebuilt, (stack.dsn, tenant.workspace_id))
    report.add("log", "tiles rebuilt from rows by another process", tiles, "tiles", f"{different} differ", "0 differ")
    assert different == 0, "tiles differ"


def _rebuilt(dsn: str, workspace_id: str) -> tuple[int, int]:
    return asyncio.run(_compare(dsn, uuid.UUID(workspace_id)))


async def _compare(dsn: str, workspace_id: uuid.UUID) -> tuple[int, int]:
    async with raw.connected(dsn) as connection:
        state = await connection.fetchrow("SELECT size, root FROM logs WHERE workspace_id = $1", workspace_id)
        frontier, count, different = Frontier(0, lambda _: b""), 0, 0
        assert state is not None
        for start in range(0, state["size"], _CHUNK):
            rows = await connection.fetch(
                "SELECT leaf_hash FROM interactions WHERE workspace_id = $1 AND number > $2 AND number <= $3 "
                "ORDER BY number",
                workspace_id,
                start,
                min(state["size"], start + _CHUNK),
            )
            for tile, hashes in frontier.append([row[0] for row in rows]):
                kept = await connection.fetchval(
                    "SELECT hashes FROM log_tiles WHERE workspace_id = $1 AND level = $2 AND index = $3",
                    workspace_id,
                    tile.level,
                    tile.index,
                )
                count, different = count + 1, different + (kept != hashes)
        return count, different + (frontier.root() != state["root"])


def _prove(stack: Stack, tenant: Tenant, report: Report, ids: Iterable[str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=30)
    times, sizes = [], []
    for id_ in ids:
        began = time.perf_counter()
        connection.request("GET", f"/api/interactions/{id_}/proof", headers={"x-api-key": tenant.key})
        answer = connection.getresponse()
        body = answer.read()
        times.append((time.perf_counter() - began) * 1000)
        sizes.append(len(body))
        assert answer.status == 200, body
    connection.close()
    cuts = statistics.quantiles(times, n=100)
    report.add("log", "proof of a row over HTTP: p50", cuts[49], "ms")
    report.add("log", "proof of a row over HTTP: p99", cuts[98], "ms", "", "20 (50)")
    report.add("log", "largest proof file", max(sizes), "bytes", "", "3,072")


def _lag(stack: Stack, report: Report) -> None:
    """Post at a steady rate with the worker running, and ask when each of some rows is proven."""
    [tenant] = stack.tenants(1)
    warm(stack, tenant)
    with stack.worker() as worker:
        time.sleep(3)
        used = cpu.of_process(worker)
        lags, rate = asyncio.run(_follow(stack, tenant))
        used = cpu.of_process(worker) - used
    cuts = statistics.quantiles(lags, n=100)
    note = f"beside {rate:,.0f} single posts/s; the worker used {used / LAG_SECONDS:.0%} of a core"
    report.add("log", "from the answer to the proof: p50", cuts[49] * 1000, "ms", note)
    report.add("log", "from the answer to the proof: p99", cuts[98] * 1000, "ms", "", "1,000")


async def _follow(stack: Stack, tenant: Tenant) -> tuple[list[float], float]:
    lags: list[float] = []
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        group.create_task(_watch(stack, tenant, lags))
        workers = [group.create_task(_stream(stack, tenant, began)) for _ in range(8)]
    return lags, sum(task.result() for task in workers) / LAG_SECONDS


async def _stream(stack: Stack, tenant: Tenant, began: float) -> int:
    """Post at an eighth of the rate over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    sent = 0
    while (passed := time.monotonic() - began) < LAG_SECONDS:
        if sent > passed * LAG_RATE / 8:
            await asyncio.sleep(0.002)
            continue
        await _exchange(reader, writer, _request(tenant, f"r-{sent}"))
        sent += 1
    writer.close()
    return sent


async def _watch(stack: Stack, tenant: Tenant, lags: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    until = time.monotonic() + LAG_SECONDS
    while time.monotonic() < until:
        made = json.loads(await _exchange(reader, writer, _request(tenant, "watched")))
        began = time.monotonic()
        path = f"/api/interactions/{made['interactionId']}/proof"
        ask = f"GET {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {tenant.key}\r\n\r\n"
        while b"not_integrated" in await _exchange(reader, writer, ask.encode()):
            await asyncio.sleep(0.005)
        lags.append(time.monotonic() - began)
    writer.close()


def _request(tenant: Tenant, resource: str) -> bytes:
    body = json.dumps({"resourceId": resource, "resourceType": "A", "action": "B", "origin": "C"})
    return (
        f"POST /api/interactions HTTP/1.1\r\nhost: x\r\nx-api-key: {tenant.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return await reader.readexactly(int(length.split(b":")[1]))


_LOGS = """
INSERT INTO logs (workspace_id, name, root, edge)
SELECT id, id::text, $2, ''::bytea FROM unnest($1::uuid[]) AS each(id)
"""
_ROWS = """
INSERT INTO interactions (workspace_id, number, id, resource_type_id, action_id, origin_id, uow_id, occurred_at,
                          recorded_at, platform, recorded_by, actor_kind, content_digest, resource_key, leaf_hash)
SELECT id, $2, gen_random_uuid(), id, id, id, id, 0, 0, false, 'bench', 'key', '', '', sha256(id::text::bytea)
  FROM unnest($1::uuid[]) AS each(id)
"""


async def _trickle(stack: Stack, report: Report) -> None:
    """Follow ten thousand logs, each with a row every ten seconds."""
    ledger = await _opened(stack)
    ids = sorted(uuid.uuid4() for _ in range(TRICKLE_LOGS))
    with TemporaryDirectory() as folder:
        integrator = Integrator(ledger, Heads(Path(folder)))
        async with raw.connected(stack.dsn) as connection:
            await connection.execute(_LOGS, ids, EMPTY_ROOT)
            await connection.execute(_ROWS, ids, 1)
            for start in range(0, len(ids), 256):  # every key is made and kept, as after a while of running
                await integrator.integrate(ids[start : start + 256])
            used, postgres = time.process_time(), cpu.of_tree(stack.postmaster)
            done = await _turns(connection, integrator, ids)
        used, postgres = time.process_time() - used, cpu.of_tree(stack.postmaster) - postgres
    await ledger.stop()
    note = f"{done / TRICKLE_SECONDS:,.0f} heads signed a second; PostgreSQL {postgres / TRICKLE_SECONDS:.0%} of a core"
    report.add("log", "10,000 logs, a row each in 10 s", used / TRICKLE_SECONDS * 100, "% core", note, "50")


async def _turns(connection: "asyncpg.Connection[asyncpg.Record]", integrator: Integrator, ids: list[uuid.UUID]) -> int:
    began, done, size = time.monotonic(), 0, 100
    while time.monotonic() - began < TRICKLE_SECONDS:
        wanted = time.monotonic() - began
        if done > wanted * TRICKLE_RATE:
            await asyncio.sleep(0.01)
            continue
        start = done % len(ids)
        group = ids[start : start + size]
        await connection.execute(_ROWS, group, 2 + done // len(ids))
        await integrator.integrate(group)
        done += len(group)
    return done
