"""Part of the scenario `runs`: three HTTP steps to a target on the loopback, and what they do to whoever posts."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench import cpu
from bench.load import Group
from bench.report import Report
from bench.requests import posts
from bench.runs_callers import Caller, calm
from bench.stack import Stack, Tenant
from bench.writing import Options, measure, singles_group

CLIENTS = 50
POSTERS = (64, 4)
"""As many as ingest is measured with elsewhere; and few, whose own p99 has no queue in it."""
_ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"ok":true}'


def three_calls(stack: Stack, report: Report, tenant: Tenant, options: Options) -> None:
    """Run three HTTP steps at fifty clients while others post: runs a second, and ingest's p99 beside its idle one."""
    stack.stop()
    stack.settings["PROVENANCE_EGRESS_ALLOW"] = '["127.0.0.1"]'
    stack.start()
    with _target() as url, stack.worker() as worker:
        workflow = Caller(stack, tenant.key).publish("Three calls", _definition(url))
        starts = posts(tenant.key, "/runs", [{"workflowId": workflow, "wait": 30}])
        measure(stack, [Group("runs", "get", CLIENTS, starts)], 1.0)  # until the worker works
        calm(worker)
        for posters in POSTERS:
            calm(worker)
            idle = measure(stack, [singles_group([tenant], posters)], options.seconds)[1].result
            calm(worker)
            used = cpu.of_process(worker)
            groups = [Group("runs", "get", CLIENTS, starts), singles_group([tenant], posters)]
            found = measure(stack, groups, options.seconds)[0].results
            spent = (cpu.of_process(worker) - used) / max(1, found["runs"].answers) * 1e6
            ran, beside = found["runs"], found["singles"]
            note = f"p50 {ran.p50:.0f} ms, p99 {ran.p99:.0f} ms; about {spent:.0f} µs of the worker each"
            name = f"three HTTP steps, {CLIENTS} clients, {posters} post beside"
            report.add("runs", name, ran.rate, "runs/s", note)
            note = f"{beside.p99:.1f} and {idle.p99:.1f} ms; {beside.rate:,.0f} and {idle.rate:,.0f} posts/s"
            report.add("runs", f"ingest p99 of {posters} beside them, of its own", beside.p99 / idle.p99, "times", note)
    stack.stop()
    del stack.settings["PROVENANCE_EGRESS_ALLOW"]
    stack.start()


def _definition(url: str) -> dict[str, Any]:
    keys = ["start", "a", "b", "c"]
    steps: list[dict[str, Any]] = [{"key": "start", "kind": "trigger", "config": {"type": "manual"}}]
    steps += [{"key": key, "kind": "data", "config": {"source": "http", "url": url}} for key in keys[1:]]
    edges = [{"from": keys[at], "to": keys[at + 1]} for at in range(len(keys) - 1)]
    return {"schemaVersion": 1, "steps": steps, "edges": edges}


@contextmanager
def _target() -> Iterator[str]:
    """Answer every request on a port of the loopback with the same few bytes."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(_serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, name="bench-target", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(_ANSWER)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
