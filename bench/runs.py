"""Scenario `runs`: workflows that do nothing, so that what is measured is the engine; then people, and calls out."""

import uuid

from bench import cpu, runs_floor, runs_http, runs_people
from bench.load import Group
from bench.report import Report
from bench.requests import posts
from bench.runs_callers import Caller, calm, chain
from bench.stack import Stack, Tenant
from bench.writing import Options, Taken, measure

CLIENTS = runs_floor.UNDER_WAY


def runs(stack: Stack, report: Report, options: Options) -> None:
    """Start runs of three steps in every way there is, beside the floor: the same rows by plain SQL."""
    [tenant] = stack.tenants(1)
    caller = Caller(stack, tenant.key)
    three = caller.publish("Three", chain(3))
    _load(stack, tenant, three, clients=16, seconds=1.0)
    taken = [_load(stack, tenant, three, clients=CLIENTS, seconds=options.seconds) for _ in range(options.repeats)]
    floor = runs_floor.in_one(stack, uuid.UUID(tenant.workspace_id), options.seconds / 2)
    rate = _rate(report, f"3-step runs, {CLIENTS} clients, in the server", taken)
    report.add(
        "runs",
        f"the same rows by plain SQL, groups of {CLIENTS}",
        floor[0],
        "runs/s",
        f"PostgreSQL {floor[1]:.0f} µs a run",
    )
    report.add("runs", "3-step runs in the server, of these", rate / floor[0] * 100, "%", floor="35")
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
    _apart(stack, report, tenant, three, options)
    runs_people.waiting(stack, report, caller, tenant, three)
    runs_http.three_calls(stack, report, tenant, options)


def _apart(stack: Stack, report: Report, tenant: Tenant, workflow: str, options: Options) -> None:
    """Let the server only take runs in, and a worker carry them; the floor takes as many steps from hand to hand."""
    stack.stop()
    stack.settings["PROVENANCE_SERVE_SLOTS"] = "0"
    stack.start()
    taken, notes = [], {}
    with stack.worker() as worker:
        _load(stack, tenant, workflow, clients=CLIENTS, seconds=1.0, wait=30)
        for _ in range(options.repeats):
            calm(worker)
            before = cpu.of_process(worker)
            found = _load(stack, tenant, workflow, clients=CLIENTS, seconds=options.seconds, wait=30)
            notes[id(found)] = _micros(found, (cpu.of_process(worker) - before) / max(1, found.result.answers) * 1e6)
            taken.append(found)
    middle = sorted(taken, key=lambda each: each.result.rate)[len(taken) // 2]
    report.add("runs", f"3-step runs, {CLIENTS} clients, in a worker", middle.result.rate, "runs/s", notes[id(middle)])
    report.add("runs", "start to result in a worker, p99", middle.result.p99, "ms", f"p50 {middle.result.p50:.1f} ms")
    stack.stop()
    floor = runs_floor.by_two(stack, uuid.UUID(tenant.workspace_id), options.seconds / 2)
    note = f"one begins them, the other takes them up and ends them; PostgreSQL {floor[1]:.0f} µs a run"
    report.add("runs", f"the same rows by plain SQL of two, {CLIENTS} under way", floor[0], "runs/s", note)
    report.add("runs", "3-step runs in a worker, of these", middle.result.rate / floor[0] * 100, "%", floor="35")
    del stack.settings["PROVENANCE_SERVE_SLOTS"]
    stack.start()


def _load(stack: Stack, tenant: Tenant, workflow: str, *, clients: int, seconds: float, wait: int = 0) -> Taken:
    body = {"workflowId": workflow, "input": {"n": 1}, **({"wait": wait} if wait else {})}
    group = Group("runs", "get", clients, posts(tenant.key, "/runs", [body]))
    return measure(stack, [group], seconds)[1]


def _rate(report: Report, name: str, taken: list[Taken]) -> float:
    middle = sorted(taken, key=lambda each: each.result.rate)[len(taken) // 2]
    report.add("runs", name, middle.result.rate, "runs/s", _micros(middle))
    report.add("runs", "answer to a start, p99", middle.result.p99, "ms", f"p50 {middle.result.p50:.1f} ms")
    return middle.result.rate


def _micros(taken: Taken, worker: float = 0.0, steps: int = 1) -> str:
    of = "a run" if steps == 1 else "a step"
    told = f"µs {of}: serve {taken.serve / steps:.0f}, PostgreSQL {taken.postgres / steps:.0f}"
    return told + (f", worker {worker / steps:.0f}" if worker else "")
