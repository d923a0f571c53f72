"""Part of the scenario `runs`: many runs that wait for people, and what follows when people decide."""

import asyncio
import statistics
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
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
PARKED, DECIDED, AT_ONCE = 10_000, 200, 5_000
PAGE = 200
BESIDE = 4
"""Clients that start runs without a pause while the decisions are timed: moderate load."""
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
        report.add("runs", "processor while they wait", _share(pids, 3) * 100, "% of one")
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
    """Decide one after the other while other runs go: from the decision to the start of the next step."""
    beside = Group("beside", "get", BESIDE, posts(tenant.key, "/runs", [{"workflowId": workflow, "input": {"n": 1}}]))
    with ThreadPoolExecutor(1) as others:
        load = others.submit(run, Plan(stack.port, [beside], len(asked) * 0.02, 0.5))
        for each in asked:
            person.ask("POST", f"/approvals/{each}/approve", {})
            time.sleep(0.01)
        rate = load.result().results["beside"].rate
    delays, _ = _delays(_finished(stack, asked))
    note = f"p50 {statistics.median(delays):.1f} ms, beside {rate:.0f} runs/s of {BESIDE} clients"
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
