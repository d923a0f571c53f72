"""Part of the scenario `runs`: many runs that wait for people, and what follows when people decide."""

import asyncio
import statistics
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import asyncpg

from bench import cpu
from bench.load import Group, Plan, run
from bench.report import Report
from bench.requests import posts
from bench.runs_callers import Caller, calm, chain
from bench.stack import Stack, Tenant
from provenance.core import ids

STARTERS = 8
PARKED, DECIDED, AT_ONCE = 10_000, 1_800, 5_000
"""Six hundred decisions for each p99, so that six are above it."""
PAGE = 200
PACE_SECONDS = 0.05
"""Between two decisions that are timed: more than people make, and far from what the server can take."""
MODERATE = 100
"""Runs a second that are started beside them: moderate load."""
BESIDE = 4
"""Clients that start runs without a pause beside them: all that the machine can do."""
_LATENCIES = """
SELECT a.decided_at AS decided, s.started_at AS started, r.ended_at AS ended, r.status, r.output,
       (SELECT count(*) FROM run_steps AS n WHERE n.workspace_id = r.workspace_id AND n.run_id = r.id) AS steps
  FROM approvals AS a JOIN runs AS r ON r.workspace_id = a.workspace_id AND r.id = a.run_id
  LEFT JOIN run_steps AS s ON s.workspace_id = r.workspace_id AND s.run_id = r.id AND s.step_key = 's1'
 WHERE a.id = ANY($1)
"""
_STEPS = 3


def waiting(stack: Stack, report: Report, caller: Caller, tenant: Tenant, workflow: str) -> None:
    """Let ten thousand runs wait: what they cost, how soon one goes on, and what thousands decided together take."""
    stack.stop()
    stack.settings["PROVENANCE_RATE_LIMIT_PER_MINUTE"] = "0"  # one person decides what thousands would
    stack.start()
    person = caller.signed_in()
    gate = person.publish("Gate", chain(2, gate=True))
    with stack.worker() as worker:
        calm(worker)
        pids = [worker, stack.serve_pid]
        memory = cpu.proportional_bytes(pids)
        began = time.monotonic()
        _with_twins(person, lambda twin, times: twin.repeat("/runs", {"workflowId": gate, "input": {"n": 1}}, times))
        rate = PARKED / (time.monotonic() - began)
        report.add("runs", f"{PARKED:,} runs parked for people", rate, "runs/s", f"{STARTERS} clients")
        calm(worker)
        report.add("runs", "memory for them", (cpu.proportional_bytes(pids) - memory) / 1e6, "MB PSS")
        report.add("runs", "processor while they wait", _share(pids, 10) * 100, "% of one")
        asked = _pending(person, DECIDED + AT_ONCE)
        _one_by_one(stack, report, person, tenant, workflow, asked[:DECIDED])
        _at_once(stack, report, person, asked[DECIDED:])


def _with_twins(person: Caller, work: Any) -> None:
    with ThreadPoolExecutor(STARTERS) as starters:
        for done in [starters.submit(work, person.twin(), PARKED // STARTERS) for _ in range(STARTERS)]:
            done.result()


def _share(pids: list[int], seconds: float) -> float:
    used, began = sum(map(cpu.of_process, pids)), time.monotonic()
    time.sleep(seconds)
    return (sum(map(cpu.of_process, pids)) - used) / (time.monotonic() - began)


def _pending(person: Caller, count: int) -> list[str]:
    """Return approvals that wait, by their ids."""
    found: list[str] = []
    cursor = ""
    while len(found) < count:
        page = person.ask("GET", f"/approvals?status=pending&limit={PAGE}{cursor}")
        found += [each["approvalId"] for each in page["items"]]
        if page.get("nextCursor") is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    return found[:count]


def _one_by_one(stack: Stack, report: Report, person: Caller, tenant: Tenant, workflow: str, asked: list[str]) -> None:
    """Decide twenty times a second: from the decision to the start of the next step, beside ever more other work."""
    each = len(asked) // 3
    alone, moderate, full = asked[:each], asked[each : 2 * each], asked[2 * each : 3 * each]
    _paced(person, alone)
    _tell(stack, report, alone, "nothing beside")
    with _others(Caller(stack, tenant.key), workflow) as begun:
        _paced(person, moderate)
    _tell(stack, report, moderate, f"beside {begun[0] / (each * PACE_SECONDS):.0f} runs/s")
    group = Group("beside", "get", BESIDE, posts(tenant.key, "/runs", [{"workflowId": workflow, "input": {"n": 1}}]))
    with ThreadPoolExecutor(1) as others:
        load = others.submit(run, Plan(stack.port, [group], each * PACE_SECONDS, 0.5))
        _paced(person, full)
        rate = load.result().results["beside"].rate
    _tell(stack, report, full, f"beside all the {rate:.0f} runs/s that {BESIDE} clients can start")


def _paced(person: Caller, asked: list[str]) -> None:
    """Approve one after the other, each as much later than the one before, or as soon as that is decided."""
    due = time.monotonic()
    for each in asked:
        person.ask("POST", f"/approvals/{each}/approve", {})
        due = max(due + PACE_SECONDS, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


@contextmanager
def _others(caller: Caller, workflow: str) -> Iterator[list[int]]:
    """Start runs at a steady rate for as long as the block lasts; the value counts them."""
    begun, done = [0], threading.Event()

    def start() -> None:
        due = time.monotonic()
        while not done.wait(max(0.0, due - time.monotonic())):
            caller.ask("POST", "/runs", {"workflowId": workflow, "input": {"n": 1}})
            begun[0] += 1
            due += 1 / MODERATE

    with ThreadPoolExecutor(1) as thread:
        starting = thread.submit(start)
        try:
            yield begun
        finally:
            done.set()
            starting.result()


def _tell(stack: Stack, report: Report, asked: list[str], beside: str) -> None:
    delays, _ = _delays(_finished(stack, asked))
    note = f"p50 {statistics.median(delays):.1f} ms, {1 / PACE_SECONDS:.0f} decisions/s, {beside}"
    report.add("runs", "decision to the next step, p99", delays[int(len(delays) * 0.99)], "ms", note)


def _at_once(stack: Stack, report: Report, person: Caller, asked: list[str]) -> None:
    """Decide thousands as fast as they can be decided; all of them end, each step of theirs ran once."""
    began = time.monotonic()
    with ThreadPoolExecutor(STARTERS) as deciders:
        each = -(-len(asked) // STARTERS)
        parts = [asked[at : at + each] for at in range(0, len(asked), each)]
        for done in [deciders.submit(_approve, person.twin(), part) for part in parts]:
            done.result()
    decided = time.monotonic() - began
    rows = _finished(stack, asked)
    seconds = time.monotonic() - began
    delays, ends = _delays(rows)
    note = f"decided in {decided:.1f} s by {STARTERS} clients; all {len(rows):,} completed, each step once"
    report.add("runs", f"{len(asked):,} approved at once", seconds, "s", note)
    report.add("runs", "of these, decision to the next step, worst", delays[-1], "ms", f"to the end {ends[-1]:.0f} ms")


def _approve(person: Caller, asked: list[str]) -> None:
    for each in asked:
        person.ask("POST", f"/approvals/{each}/approve", {})


def _finished(stack: Stack, asked: list[str]) -> list[Any]:
    """Return what became of runs once all have ended. Ends the bench when one did not go right."""
    rows: list[Any] = []
    for _ in range(1200):
        rows = asyncio.run(_rows(stack, asked))
        if all(row["ended"] is not None for row in rows):
            break
        time.sleep(0.1)
    wrong = [row for row in rows if (row["status"], row["output"], row["steps"]) != ("completed", '{"n":1}', _STEPS)]
    if wrong or len(rows) != len(asked):
        raise SystemExit(f"{len(wrong)} of {len(rows)} decided runs went wrong, such as {dict(wrong[0])}")
    return rows


async def _rows(stack: Stack, asked: list[str]) -> list[Any]:
    connection = await asyncpg.connect(stack.dsn)
    try:
        return list(await connection.fetch(_LATENCIES, [_id(each) for each in asked]))
    finally:
        await connection.close()


def _id(wire: str) -> uuid.UUID:
    found = ids.decode(wire.partition("_")[0], wire)
    assert found is not None, wire
    return found


def _delays(rows: list[Any]) -> tuple[list[float], list[float]]:
    """Return milliseconds from each decision to its next step, and to its run's end, in order."""
    starts = sorted((row["started"] - row["decided"]) / 1e6 for row in rows)
    return starts, sorted((row["ended"] - row["decided"]) / 1e6 for row in rows)
