"""Scenario `runs`: workflows that do nothing, so that what is measured is the engine; then people, and calls out."""

import asyncio
import time
import uuid
from typing import Any

import asyncpg

from bench import cpu, runs_http, runs_people
from bench.load import Group
from bench.report import Report
from bench.requests import posts
from bench.runs_callers import Caller, calm, chain
from bench.stack import Stack, Tenant
from bench.writing import Options, Taken, measure

CLIENTS = 50
GROUP = 50


def runs(stack: Stack, report: Report, options: Options) -> None:
    """Start runs of three steps in every way there is, beside the floor: the same rows by plain SQL."""
    [tenant] = stack.tenants(1)
    caller = Caller(stack, tenant.key)
    three = caller.publish("Three", chain(3))
    _load(stack, tenant, three, clients=16, seconds=1.0)
    taken = [_load(stack, tenant, three, clients=CLIENTS, seconds=options.seconds) for _ in range(options.repeats)]
    floor = asyncio.run(_floor(stack, uuid.UUID(tenant.workspace_id), options.seconds / 2))
    _rate(report, f"3-step runs, {CLIENTS} clients, in the server", taken)
    report.add("runs", f"the same rows by plain SQL, groups of {GROUP}", floor[0], "runs/s", f"{floor[1]:.0f} µs a run")
    waited = _load(stack, tenant, three, clients=CLIENTS, seconds=options.seconds, wait=30)
    report.add("runs", "start to result, p99", waited.result.p99, "ms", f"p50 {waited.result.p50:.1f} ms")
    alone = _load(stack, tenant, three, clients=1, seconds=options.seconds, wait=30)
    report.add("runs", "start to result, one client, p50", alone.result.p50, "ms")
    for steps in (34, 200):
        workflow = caller.publish(f"Chain {steps}", chain(steps))
        with stack.worker() as worker:
            caller.ask("POST", "/runs", {"workflowId": workflow, "wait": 30})  # until the worker works
            calm(worker)
            before = cpu.of_process(worker)
            found = _load(stack, tenant, workflow, clients=4, seconds=options.seconds, wait=30)
            note = _micros(found, (cpu.of_process(worker) - before) / max(1, found.result.answers) * 1e6, steps)
        report.add("runs", f"steps of a {steps}-step chain, 4 clients", found.result.rate * steps, "steps/s", note)
    runs_people.waiting(stack, report, caller, tenant, three)
    _apart(stack, report, tenant, three, options)
    runs_http.three_calls(stack, report, tenant, options)


def _apart(stack: Stack, report: Report, tenant: Tenant, workflow: str, options: Options) -> None:
    """Let the server only take runs in, and a worker carry them."""
    stack.stop()
    stack.settings["PROVENANCE_SERVE_SLOTS"] = "0"
    stack.start()
    with stack.worker() as worker:
        _load(stack, tenant, workflow, clients=CLIENTS, seconds=1.0, wait=30)
        calm(worker)
        before = cpu.of_process(worker)
        found = _load(stack, tenant, workflow, clients=CLIENTS, seconds=options.seconds, wait=30)
        note = _micros(found, (cpu.of_process(worker) - before) / max(1, found.result.answers) * 1e6)
    report.add("runs", f"3-step runs, {CLIENTS} clients, in a worker", found.result.rate, "runs/s", note)
    report.add("runs", "start to result in a worker, p99", found.result.p99, "ms", f"p50 {found.result.p50:.1f} ms")
    stack.stop()
    del stack.settings["PROVENANCE_SERVE_SLOTS"]
    stack.start()


def _load(stack: Stack, tenant: Tenant, workflow: str, *, clients: int, seconds: float, wait: int = 0) -> Taken:
    body = {"workflowId": workflow, "input": {"n": 1}, **({"wait": wait} if wait else {})}
    group = Group("runs", "get", clients, posts(tenant.key, "/runs", [body]))
    return measure(stack, [group], seconds)[1]


def _rate(report: Report, name: str, taken: list[Taken]) -> None:
    middle = sorted(taken, key=lambda each: each.result.rate)[len(taken) // 2]
    report.add("runs", name, middle.result.rate, "runs/s", _micros(middle))
    report.add("runs", "answer to a start, p99", middle.result.p99, "ms", f"p50 {middle.result.p50:.1f} ms")


def _micros(taken: Taken, worker: float = 0.0, steps: int = 1) -> str:
    of = "a run" if steps == 1 else "a step"
    told = f"µs {of}: serve {taken.serve / steps:.0f}, PostgreSQL {taken.postgres / steps:.0f}"
    return told + (f", worker {worker / steps:.0f}" if worker else "")


async def _floor(stack: Stack, workspace: uuid.UUID, seconds: float) -> tuple[float, float]:
    """Copy a run's rows under new ids, a group a transaction; return runs a second and PostgreSQL's µs a run."""
    connection = await asyncpg.connect(stack.dsn)
    try:
        sample = await connection.fetchval("SELECT id FROM runs WHERE workspace_id = $1 LIMIT 1", workspace)
        statements = await _copies(connection)
        other, copied, number = uuid.uuid4(), 0, 0
        used, began = cpu.of_tree(stack.postmaster), time.monotonic()
        while time.monotonic() - began < seconds:
            new = [uuid.uuid4() for _ in range(GROUP)]
            async with connection.transaction():
                for statement in statements[:2]:
                    await connection.execute(statement, workspace, sample, other, new)
                tag = await connection.execute(statements[2], workspace, sample, other, new, number)
            number += int(tag.rpartition(" ")[2])
            copied += GROUP
        spent = time.monotonic() - began
        return copied / spent, (cpu.of_tree(stack.postmaster) - used) / copied * 1e6
    finally:
        await connection.close()


async def _copies(connection: Any) -> list[str]:
    """Return the statements that copy a run, its steps and its ledger rows under new ids."""
    given = {
        "runs": ("id", {"workspace_id": "$3::uuid", "id": "o.id"}),
        "run_steps": ("run_id", {"workspace_id": "$3::uuid", "run_id": "o.id"}),
        "interactions": (
            "uow_id",
            {
                "workspace_id": "$3::uuid",
                "uow_id": "o.id",
                "id": "gen_random_uuid()",
                "span_id": "gen_random_uuid()",
                "number": "$5::bigint + row_number() OVER ()",
            },
        ),
    }
    made = []
    for table, (key, other) in given.items():
        rows = await connection.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped"
            " AND attgenerated = ''",
            table,
        )
        names = [row["attname"] for row in rows]
        values = ", ".join(other.get(name, f"t.{name}") for name in names)
        made.append(
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} AS t, unnest($4::uuid[]) AS o(id)"
            f" WHERE t.workspace_id = $1 AND t.{key} = $2"
        )
    return made
