"""Scenario `runs`: workflows that do nothing, so that what is measured is the engine; many that wait for people."""

import asyncio
import http.client
import json
import statistics
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg

from bench import cpu
from bench.load import Group
from bench.report import Report
from bench.requests import posts
from bench.stack import Stack, Tenant
from bench.writing import Options, Taken, measure

CLIENTS = 50
STARTERS = 8
PARKED, DECIDED = 10_000, 200
GROUP = 50


def runs(stack: Stack, report: Report, options: Options) -> None:
    """Start runs of three steps in every way there is, beside the floor: the same rows by plain SQL."""
    [tenant] = stack.tenants(1)
    caller = Caller(stack, tenant.key)
    three = caller.publish("Three", _chain(3))
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
        workflow = caller.publish(f"Chain {steps}", _chain(steps))
        with stack.worker() as worker:
            caller.ask("POST", "/runs", {"workflowId": workflow, "wait": 30})  # until the worker works
            _calm(worker)
            before = cpu.of_process(worker)
            found = _load(stack, tenant, workflow, clients=4, seconds=options.seconds, wait=30)
            note = _micros(found, (cpu.of_process(worker) - before) / max(1, found.result.answers) * 1e6, steps)
        report.add("runs", f"steps of a {steps}-step chain, 4 clients", found.result.rate * steps, "steps/s", note)
    _parked(stack, report, caller)
    _apart(stack, report, tenant, three, options)


def _apart(stack: Stack, report: Report, tenant: Tenant, workflow: str, options: Options) -> None:
    """Let the server only take runs in, and a worker carry them."""
    stack.stop()
    stack.settings["PROVENANCE_SERVE_SLOTS"] = "0"
    stack.start()
    with stack.worker() as worker:
        _load(stack, tenant, workflow, clients=CLIENTS, seconds=1.0, wait=30)
        _calm(worker)
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


def _calm(pid: int) -> None:
    """Wait until a worker has read what was recorded before it was there; a minute at most."""
    for _ in range(60):
        before = cpu.of_process(pid)
        time.sleep(1)
        if cpu.of_process(pid) - before < 0.1:
            return


def _rate(report: Report, name: str, taken: list[Taken]) -> None:
    middle = sorted(taken, key=lambda each: each.result.rate)[len(taken) // 2]
    report.add("runs", name, middle.result.rate, "runs/s", _micros(middle))
    report.add("runs", "answer to a start, p99", middle.result.p99, "ms", f"p50 {middle.result.p50:.1f} ms")


def _micros(taken: Taken, worker: float = 0.0, steps: int = 1) -> str:
    of = "a run" if steps == 1 else "a step"
    told = f"µs {of}: serve {taken.serve / steps:.0f}, PostgreSQL {taken.postgres / steps:.0f}"
    return told + (f", worker {worker / steps:.0f}" if worker else "")


def _parked(stack: Stack, report: Report, caller: "Caller") -> None:
    """Let ten thousand runs wait for people: what they cost, and how soon one goes on when somebody decides."""
    person = caller.signed_in()
    workflow = person.publish("Gate", _chain(1, gate=True))
    with stack.worker() as worker:
        _calm(worker)
        pids = [worker, stack.serve_pid]
        memory = cpu.proportional_bytes(pids)
        began = time.monotonic()
        body = {"workflowId": workflow}
        with ThreadPoolExecutor(STARTERS) as starters:
            each = PARKED // STARTERS
            for done in [starters.submit(person.twin().repeat, "/runs", body, each) for _ in range(STARTERS)]:
                done.result()
        seconds = time.monotonic() - began
        report.add("runs", f"{PARKED:,} runs parked for people", PARKED / seconds, "runs/s", f"{STARTERS} clients")
        _calm(worker)
        more = cpu.proportional_bytes(pids) - memory
        report.add("runs", "memory of the processes for them", more / 1e6, "MB PSS")
        used, began = sum(map(cpu.of_process, pids)), time.monotonic()
        time.sleep(3)
        share = (sum(map(cpu.of_process, pids)) - used) / (time.monotonic() - began)
        report.add("runs", "processor while they wait", share * 100, "% of one")
        _decisions(report, person)


def _decisions(report: Report, person: "Caller") -> None:
    waiting = person.ask("GET", f"/approvals?status=pending&limit={DECIDED}")["items"]
    delays = []
    for each in waiting:
        began = time.perf_counter()
        person.ask("POST", f"/approvals/{each['approvalId']}/approve", {})
        while person.ask("GET", f"/runs/{each['runId']}")["completedAt"] is None:
            time.sleep(0.001)
        delays.append((time.perf_counter() - began) * 1000)
    delays.sort()
    note = f"p50 {statistics.median(delays):.1f} ms, the decision's own request and reading included"
    report.add("runs", "decision to the run's end, p99", delays[int(len(delays) * 0.99)], "ms", note)


class Caller:
    """One connection to the server, as a key or as a person."""

    def __init__(self, stack: Stack, key: str) -> None:
        self._stack = stack
        self._headers = {"x-api-key": key, "content-type": "application/json"}
        self._connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=30)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer of a request that succeeds."""
        sent = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, path, sent, self._headers)
            answer = self._connection.getresponse()
        except (BrokenPipeError, http.client.RemoteDisconnected):  # closed, because nothing was heard for a while
            self._connection.close()
            self._connection.request(method, path, sent, self._headers)
            answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text)

    def repeat(self, path: str, body: Any, times: int) -> None:
        """Post the same so many times."""
        for _ in range(times):
            self.ask("POST", path, body)

    def twin(self) -> "Caller":
        """Return a caller with the same credential and a connection of its own."""
        other = Caller(self._stack, "")
        other._headers = self._headers
        return other

    def publish(self, name: str, document: dict[str, Any]) -> str:
        """Publish a workflow; return its id."""
        workflow_id: str = self.ask("POST", "/workflows", {"name": name, "definition": document})["workflowId"]
        self.ask("POST", f"/workflows/{workflow_id}/publish", {})
        return workflow_id

    def signed_in(self) -> "Caller":
        """Return a caller who is the first administrator, in the installation's first workspace."""
        first = json.loads((self._stack.data / "credentials.json").read_text())
        body = {"email": first["adminEmail"], "password": first["adminPassword"]}
        person = Caller(self._stack, "")
        person._headers = {"content-type": "application/json"}
        token = person.ask("POST", "/auth/login", body)["accessToken"]
        person._headers["authorization"] = f"Bearer {token}"
        return person


def _chain(steps: int, *, gate: bool = False) -> dict[str, Any]:
    """Write a workflow of a trigger and so many steps less one that hand a value on; a gate before them if wanted."""
    kinds: list[dict[str, Any]] = [{"key": "start", "kind": "trigger", "config": {"type": "manual"}}]
    if gate:
        kinds.append({"key": "gate", "kind": "approval", "config": {"title": "Go on?", "risk": "medium"}})
    for number in range(1, steps):
        config = {"mode": "transform", "transform": {"n": "{{ input.n }}"}}
        kinds.append({"key": f"s{number}", "kind": "logic", "config": config})
    keys = [kind["key"] for kind in kinds]
    edges = [{"from": keys[at], "to": keys[at + 1]} for at in range(len(keys) - 1)]
    return {"schemaVersion": 1, "steps": kinds, "edges": edges}


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
