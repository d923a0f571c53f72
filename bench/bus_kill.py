"""`python -m bench bus --kill`: nothing is lost though the target fails and everything is killed, twice.

Messages go to three subscriptions whose target fails on a tenth of them at random (half of those times by hanging up)
and dawdles on a hundredth; server and worker are killed with signal 9 while messages are published and delivered.
Every message must arrive at every subscription, in the order of its key, under one id, however often it comes; dead
letters must be exactly those that the target never takes.
"""

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import asyncpg

from bench.bus_target import PATHS, Plan, Target, Verdict, listening
from bench.report import Report
from bench.stack import Stack, Tenant, installation

AHEAD = 10_000
"""Messages that may be on their way while more are published."""
ATTEMPTS = 9
"""Fewer than the failures in a row that open the circuit, which would only make this longer."""
TIMEOUT_SECONDS = 5
KILLS = (0.3, 0.65)
"""Shares of the messages, published when everything is killed."""


@dataclass
class Outcome:
    """What came of it: what each path got, and what was missing or too much."""

    verdicts: list[Verdict]
    lost: int
    ids_apart: int
    dead: int
    dead_missing: int
    dead_too_many: int
    seconds: float

    @property
    def proven(self) -> bool:
        """Whether nothing is wrong."""
        wrong = sum(each.out_of_order + each.other_ids for each in self.verdicts)
        return not (wrong or self.lost or self.ids_apart or self.dead_missing or self.dead_too_many)


def kill(report: Report, messages: int) -> None:
    """Prove it in an installation of its own, and print what came of it."""
    with installation() as stack:
        found = prove(stack, Plan(messages), patience=3600.0)
    total = [sum(getattr(each, name) for each in found.verdicts) for name in ("arrivals", "taken", "repeats")]
    report.add("bus", f"{messages:,} messages to {PATHS} subscriptions", found.seconds, "s", "2 kills of everything")
    report.add("bus", "deliveries that were taken", total[1], "", f"{total[1] / found.seconds:.0f} a second, all told")
    failed = sum(each.failed + each.hung_up for each in found.verdicts)
    report.add("bus", "attempts", total[0], "", f"{failed:,} failed at random")
    report.add("bus", "taken more than once, under the same id", total[2], "", "answers that died with a process")
    report.add("bus", "lost", found.lost, "")
    report.add("bus", "out of the order of their key", sum(each.out_of_order for each in found.verdicts), "")
    other = sum(each.other_ids for each in found.verdicts) + found.ids_apart
    report.add("bus", "under more than one id", other, "")
    report.add("bus", "dead letters", found.dead, "", f"{found.dead_missing} missing, {found.dead_too_many} too many")
    if not found.proven:
        raise SystemExit("not proven")


def prove(
    stack: Stack, plan: Plan, *, patience: float, kills: Sequence[float] = KILLS, hasten: bool = False
) -> Outcome:
    """Publish, kill at these shares of it, wait until nothing is open, and check.

    ``hasten``: leases of the killed end at once. Raises TimeoutError after ``patience`` seconds.
    """
    [tenant] = stack.tenants(1)
    stack.settings["PROVENANCE_EGRESS_ALLOW"] = '["127.0.0.1"]'
    begun = time.monotonic()
    with listening(plan) as target, closing(Client(stack, tenant)) as client:
        names = [_subscribe(client, target, path) for path in range(PATHS)]
        worker, publisher = Worker(stack), Publisher(Client(stack, tenant), plan, target)
        try:
            for share in kills:
                _wait(lambda at=share: publisher.published >= at * plan.messages, begun, patience)
                _kill_all(stack, worker, hasten=hasten)
            _wait(lambda: publisher.done and target.taken >= _wanted(plan), begun, patience)
            _wait(lambda: _settled(client, names), begun, patience)
            dead = _dead_letters(client, names)
            verdicts, ids = target.end()
        finally:
            publisher.stop()
            worker.end()
    known = [{message_id: i for i, message_id in each.items()} for each in ids]
    named = {(names.index(name), known[names.index(name)].get(message_id, -1)) for name, message_id in dead}
    return Outcome(
        verdicts,
        lost=PATHS * plan.messages - sum(len(each) for each in ids),
        ids_apart=sum(len({each.get(i) for each in ids}) > 1 for i in range(plan.messages)),
        dead=len(dead),
        dead_missing=len(plan.dead() - named),
        dead_too_many=len(dead) - len(plan.dead() & named),
        seconds=time.monotonic() - begun,
    )


def _wanted(plan: Plan) -> int:
    return PATHS * plan.messages - len(plan.dead())


def _subscribe(client: "Client", target: Target, path: int) -> str:
    goes_to = {"kind": "webhook", "url": f"http://127.0.0.1:{target.port}/{path}"}
    backoff = {"kind": "exponential", "initialSeconds": 0.05, "maxSeconds": 1}
    rules = {"maxAttempts": ATTEMPTS, "backoff": backoff, "timeoutSeconds": TIMEOUT_SECONDS, "maxInFlight": 64}
    body = {"name": f"path {path}", "topicPattern": "orders/#", "target": goes_to, "delivery": rules}
    name: str = client.insist("POST", "/bus/subscriptions", body)["subscriptionId"]
    return name


def _settled(client: "Client", names: list[str]) -> bool:
    time.sleep(0.05)
    return all(client.insist("GET", f"/bus/subscriptions/{name}")["stats"]["open"] == 0 for name in names)


def _dead_letters(client: "Client", names: list[str]) -> list[tuple[str, str]]:
    found = []
    for name in names:
        cursor = ""
        while True:
            page = client.insist("GET", f"/bus/dead-letters?subscriptionId={name}&limit=100{cursor}")
            found += [(name, each["msgId"]) for each in page["items"]]
            if page["nextCursor"] is None:
                break
            cursor = f"&cursor={page['nextCursor']}"
    return found


def _wait(done: Any, begun: float, patience: float) -> None:
    while not done():
        if time.monotonic() - begun > patience:
            raise TimeoutError("what was published did not arrive in time")
        time.sleep(0.02)


def _kill_all(stack: Stack, worker: "Worker", *, hasten: bool) -> None:
    """Kill server and worker with signal 9, and start both again."""
    worker.kill()
    os.kill(stack.serve_pid, signal.SIGKILL)
    stack.stop()
    if hasten:
        asyncio.run(_end_leases(stack))
    stack.start()
    worker.start()


async def _end_leases(stack: Stack) -> None:
    """Let the time pass that leases of the killed still have."""
    connection = await asyncpg.connect(stack.dsn)
    try:
        await connection.execute("UPDATE bus_deliveries SET due_at = 0 WHERE state = 'open' AND lease IS NOT NULL")
    finally:
        await connection.close()


class Worker:
    """A worker that is killed and started again."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.start()

    def start(self) -> None:
        """Start it."""
        with (self._stack.data / "worker.log").open("ab") as log:
            command = [sys.executable, "-m", "provenance.up", "worker"]
            self._process = subprocess.Popen(command, env=self._stack.environment(), stdout=log, stderr=log)

    def kill(self) -> None:
        """Kill it with signal 9."""
        self._process.kill()
        self._process.wait(20)

    def end(self) -> None:
        """End it in good order."""
        self._process.terminate()
        self._process.wait(30)


class Client:
    """A client that insists: it sends the same again until it is answered, whatever happens to the server."""

    def __init__(self, stack: Stack, tenant: Tenant) -> None:
        self._port = stack.port
        self._headers = {"x-api-key": tenant.key, "content-type": "application/json"}
        self._connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=30)

    def insist(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Return the answer of a request that succeeds at last. Raises SystemExit when it is refused."""
        while True:
            try:
                self._connection.request(method, path, body and json.dumps(body), {**self._headers, **headers})
                answer = self._connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException):
                self._connection.close()
                time.sleep(0.05)
                continue
            if answer.status < 300:
                return json.loads(text)
            if answer.status == 409 and "idempotency-key" in headers:
                return None  # stored, and its answer died with the server
            if answer.status < 500 and answer.status != 429:
                raise SystemExit(f"{method} {path}: {answer.status} {text.decode()}")
            time.sleep(0.05)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Publisher:
    """Publishes in batches, in a thread; each has an Idempotency-Key, so that what is sent again is stored once."""

    def __init__(self, client: Client, plan: Plan, target: Target) -> None:
        self._client, self._plan, self._target = client, plan, target
        self._size = min(500, max(1, plan.messages // 30))
        self._stopping = False
        self.published = 0
        self._thread = threading.Thread(target=self._run, name="publisher")
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether everything is published."""
        return self.published >= self._plan.messages

    def stop(self) -> None:
        """Stop publishing."""
        self._stopping = True
        self._thread.join(60)
        self._client.close()

    def _run(self) -> None:
        while not self.done and not self._stopping:
            if self.published - self._target.taken / PATHS > AHEAD:
                time.sleep(0.02)
                continue
            numbers = range(self.published, min(self.published + self._size, self._plan.messages))
            batch = [
                {"topic": "orders/made", "topicKey": str(i % self._plan.keys), "payload": {"i": i}} for i in numbers
            ]
            key = {"idempotency-key": f"batch-{self.published}"}
            self._client.insist("POST", "/bus/messages/batch", {"messages": batch}, **key)
            self.published += len(batch)
