"""Scenarios that write: the raw limit, single posts, batches, both at once, a long snapshot, many workspaces."""

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench import bare, cpu, raw, requests
from bench.load import Group, Plan, Result, Run, run
from bench.raw import Limit, limit
from bench.report import Report
from bench.stack import Stack, Tenant

BATCH = 1_000
BATCHERS = 4
"""Clients that post batches: enough that one is always prepared while another is stored."""
BESIDE = (
    (BATCH, "", f"batches of {BATCH:,}"),
    (BATCH, "?mode=partial", "such in mode=partial"),
    (BATCH // 10, "", f"batches of {BATCH // 10:,}"),
)
"""What single posts are measured beside. In ``mode=partial`` a batch is stored 250 items at a time."""
WRITERS, WORKSPACES = 24, 31


@dataclass
class Options:
    """What the command line chose."""

    clients: int
    seconds: float
    repeats: int
    snapshot_seconds: float
    rows: int


@dataclass
class Taken:
    """One measured load: rows a second and the processor time of each part, in microseconds a row."""

    result: Result
    serve: float
    postgres: float
    generator: float


_seeds = iter(range(int(time.time()) % 30_000, 60_000))


def measure(stack: Stack, groups: list[Group], seconds: float, warm_up: float = 1.0) -> tuple[Run, Taken]:
    """Run a load; the second value describes its first group."""
    return _taken(run(Plan(stack.port, groups, seconds, warm_up), stack.cpu), groups)


def bare_server(stack: Stack, group: Group, seconds: float) -> Taken:
    """Run a load against the floor of single posts."""
    with bare.serving(stack.dsn) as (port, pid):

        def used() -> tuple[float, float]:
            return cpu.of_process(pid), cpu.of_tree(stack.postmaster)

        return _taken(run(Plan(port, [group], seconds), used), [group])[1]


def _taken(found: Run, groups: list[Group]) -> tuple[Run, Taken]:
    (serve_before, postgres_before), (serve_after, postgres_after) = found.noted
    rows = sum(result.rows for result in found.results.values()) or 1
    first = found.results[groups[0].name]
    return found, Taken(
        first,
        (serve_after - serve_before) / rows * 1e6,
        (postgres_after - postgres_before) / rows * 1e6,
        found.own_cpu / rows * 1e6,
    )


def singles_group(tenants: list[Tenant], clients: int) -> Group:
    """Return clients that post one interaction at a time."""
    return Group("singles", "single", clients, requests.singles([each.key for each in tenants], next(_seeds)))


def batches_group(tenant: Tenant, clients: int = BATCHERS, size: int = BATCH, query: str = "") -> Group:
    """Return clients that post batches."""
    sent = requests.batches(tenant.key, size, seed=next(_seeds), query=query)
    return Group("batches", "batch", clients, sent, rows=size)


def median(values: list[Taken], of: Callable[[Taken], float]) -> float:
    """Return the median of one aspect of several runs."""
    return statistics.median(of(value) for value in values)


def raw_limit(stack: Stack, group: int, seconds: float) -> Limit:
    """Measure the raw limit in groups of one size."""
    return asyncio.run(limit(stack.dsn, stack.postmaster, group, seconds))


def warm(stack: Stack, tenant: Tenant) -> None:
    """Let words be made, plans be cached, files grow."""
    measure(stack, [singles_group([tenant], 16)], 1.0, 1.0)


def rates(stack: Stack, report: Report, options: Options) -> None:
    """Scenarios `limit`, `singles` and `batches`, taken in turns so that the machine's noise hits them alike."""
    [tenant] = stack.tenants(1)
    warm(stack, tenant)
    limits: dict[int, list[Limit]] = {options.clients: [], BATCH: []}
    singles, batches, floors = [], [], []
    for _ in range(options.repeats):
        limits[options.clients].append(raw_limit(stack, options.clients, options.seconds / 2))
        singles.append(measure(stack, [singles_group([tenant], options.clients)], options.seconds)[1])
        floors.append(bare_server(stack, singles_group([tenant], options.clients), options.seconds))
        limits[BATCH].append(raw_limit(stack, BATCH, options.seconds / 2))
        batches.append(measure(stack, [batches_group(tenant)], options.seconds)[1])
    for group, found in limits.items():
        note = f"one connection, PostgreSQL {statistics.median(each.postgres_micros for each in found):.0f} µs a row"
        report.add("limit", f"raw insert, groups of {group:,}", _rate(found), "rows/s", note)
    _report_rates(report, "singles", f"single posts, {options.clients} clients", singles, "12000")
    pairs = list(zip(singles, limits[options.clients], strict=True))
    ratio = statistics.median(taken.result.rate / limit.rate for taken, limit in pairs)
    report.add("singles", f"of the raw limit in groups of {options.clients}", ratio * 100, "%")
    _report_rates(report, "floor", "posts to a bare server that inserts a copied row", floors, "")
    ratio = statistics.median(
        taken.result.rate / floor.result.rate for taken, floor in zip(singles, floors, strict=True)
    )
    report.add("singles", "of the bare server", ratio * 100, "%")
    _report_rates(report, "batches", f"batches of {BATCH:,}, {BATCHERS} clients", batches, "")
    pairs = list(zip(batches, limits[BATCH], strict=True))
    ratio = statistics.median(taken.result.rate / limit.rate for taken, limit in pairs)
    report.add("batches", f"of the raw limit in groups of {BATCH:,}", ratio * 100, "%", floor="70")


def _rate(found: list[Limit]) -> float:
    return statistics.median(each.rate for each in found)


def _report_rates(report: Report, scenario: str, name: str, taken: list[Taken], floor: str) -> None:
    parts = [median(taken, of) for of in (lambda t: t.serve, lambda t: t.postgres, lambda t: t.generator)]
    names = ("the server's one thread", "PostgreSQL", "the load generator")
    busiest = names[parts.index(max(parts))]
    note = "µs a row: serve {:.0f}, PostgreSQL {:.0f}, generator {:.0f}; limited by ".format(*parts) + busiest
    report.add(scenario, name, median(taken, lambda t: t.result.rate), "rows/s", note, floor)
    report.add(scenario, "p50 of a request", median(taken, lambda t: t.result.p50), "ms")
    report.add(scenario, "p99 of a request", median(taken, lambda t: t.result.p99), "ms")


def worker(stack: Stack, report: Report, options: Options) -> None:
    """Scenario `worker`: single posts while the background worker reads along, as under `provenance up`."""
    [tenant] = stack.tenants(1)
    warm(stack, tenant)
    ratios = []
    for _ in range(max(1, options.repeats - 1)):
        alone = measure(stack, [singles_group([tenant], options.clients)], options.seconds)[1]
        with stack.worker():
            beside = measure(stack, [singles_group([tenant], options.clients)], options.seconds)[1]
        ratios.append((beside.result.rate / alone.result.rate, beside.result.rate))
    rate = statistics.median(rate for _, rate in ratios)
    report.add("worker", "single posts with the worker running", rate, "rows/s")
    note = "the worker takes its share of the second core"
    report.add("worker", "of without", statistics.median(ratio for ratio, _ in ratios) * 100, "%", note)


def mixed(stack: Stack, report: Report, options: Options) -> None:
    """Scenario `mixed`: what a single post waits while batches run."""
    [tenant] = stack.tenants(1)
    warm(stack, tenant)
    for size, query, what in BESIDE:
        groups = [singles_group([tenant], options.clients), batches_group(tenant, 2, size, query)]
        results = measure(stack, groups, options.seconds)[0].results
        one, many = results["singles"], results["batches"]
        note = f"p50 {one.p50:.1f} ms, {one.rate:,.0f} rows/s of {options.clients}; batches {many.rate:,.0f} rows/s"
        report.add("mixed", f"p99 of a post beside {what}", one.p99, "ms", note, "40")


def snapshot(stack: Stack, report: Report, options: Options) -> None:
    """Scenario `snapshot`: single posts while another transaction keeps an old snapshot open."""
    [tenant] = stack.tenants(1)
    warm(stack, tenant)
    ratio = asyncio.run(_snapshot(stack, tenant, options))
    held = f"REPEATABLE READ, open for {options.snapshot_seconds:.0f} s; rates before and after as the measure"
    report.add("snapshot", "single posts under an old snapshot, of without", ratio * 100, "%", held, "80")


async def _snapshot(stack: Stack, tenant: Tenant, options: Options) -> float:
    def rate(seconds: float) -> float:
        return measure(stack, [singles_group([tenant], options.clients)], seconds)[1].result.rate

    without = [await asyncio.to_thread(rate, options.seconds)]
    async with raw.connected(stack.dsn) as connection:
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await connection.fetchval("SELECT count(*) FROM interaction_keys")
        ageing = options.snapshot_seconds - options.seconds
        if ageing > 0:
            await asyncio.to_thread(rate, ageing)
        under = await asyncio.to_thread(rate, options.seconds)
        await connection.execute("COMMIT")
    without.append(await asyncio.to_thread(rate, options.seconds))
    return under / statistics.mean(without)


def workspaces(stack: Stack, report: Report, options: Options) -> None:
    """Scenario `workspaces`: many workspaces share groups and locks as one does."""
    tenants = stack.tenants(WORKSPACES)
    for tenant in tenants:
        measure(stack, [singles_group([tenant], 2)], 0.1, 0.2)
    pairs = []
    for _ in range(options.repeats):
        one = measure(stack, [singles_group(tenants[:1], WRITERS)], options.seconds / 2)[1]
        many = measure(stack, [singles_group(tenants, WRITERS)], options.seconds / 2)[1]
        pairs.append((one, many))
    ratio = statistics.median(many.result.rate / one.result.rate for one, many in pairs)
    ones, manies = zip(*pairs, strict=True)
    note = "µs a row: serve {:.0f} for {:.0f}, PostgreSQL {:.0f} for {:.0f} (other index pages for each)".format(
        *[median(list(each), of) for of in (lambda t: t.serve, lambda t: t.postgres) for each in (manies, ones)]
    )
    report.add("workspaces", f"{WRITERS} clients over {WORKSPACES} workspaces, of one", ratio * 100, "%", note)
