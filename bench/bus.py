"""Scenario `bus`: publishes beside interactions; webhook deliveries beside a bare loop of the same posts."""

import asyncio
import multiprocessing
import time
from typing import Any

import aiohttp
from aiohttp import web

from bench import cpu
from bench.load import Group
from bench.report import Report
from bench.requests import posts
from bench.runs_callers import Caller, calm
from bench.stack import Stack, Tenant
from bench.writing import Options, Taken, measure, singles_group

CLIENTS = 50
MESSAGES = 10_000
AT_ONCE = 64
ONE_BY_ONE = 200


def bus(stack: Stack, report: Report, options: Options) -> None:
    """Publish to nobody and to three queues; then let a worker deliver what waits to a target on this machine."""
    [tenant] = stack.tenants(1)
    caller = Caller(stack, tenant.key)
    measure(stack, [singles_group([tenant], CLIENTS)], options.seconds)
    floor = measure(stack, [singles_group([tenant], CLIENTS)], options.seconds)[1]
    report.add("bus", f"single interactions, {CLIENTS} clients", floor.result.rate, "a second", _micros(floor))
    published = _publish(stack, report, tenant, "publishes to nobody", options)
    for number in range(3):
        target = {"kind": "queue"}
        caller.ask("POST", "/bus/subscriptions", {"name": f"q{number}", "topicPattern": "orders/#", "target": target})
    _publish(stack, report, tenant, "publishes to 3 queues", options)
    bare = _deliver(stack, report, caller)
    report.add("bus", "publishes to nobody, of the bare loop", published / bare * 100, "%")


def _publish(stack: Stack, report: Report, tenant: Tenant, name: str, options: Options) -> float:
    bodies = [{"topic": "orders/created", "payload": {"id": n, "total": 12.5}, "topicKey": str(n)} for n in range(500)]
    group = Group("bus", "get", CLIENTS, posts(tenant.key, "/bus/messages", bodies))
    taken = sorted(
        (measure(stack, [group], options.seconds)[1] for _ in range(options.repeats)), key=lambda each: each.result.rate
    )
    middle = taken[len(taken) // 2]
    report.add("bus", name, middle.result.rate, "a second", _micros(middle))
    report.add("bus", f"{name}, p99", middle.result.p99, "ms", f"p50 {middle.result.p50:.1f} ms")
    return middle.result.rate


def _deliver(stack: Stack, report: Report, caller: Caller) -> float:
    """Let a worker that has nothing else to do post what waits; then publish now and then, and time it.

    Return how many posts a second a bare client makes.
    """
    here, there = multiprocessing.Pipe()
    spawned = multiprocessing.get_context("spawn")
    arrived = spawned.Value("d", 0.0, lock=False)
    target = spawned.Process(target=_listen, args=(there, arrived), daemon=True)
    target.start()
    url = f"http://127.0.0.1:{here.recv()}/"
    body = {"name": "hook", "topicPattern": "hooks", "target": {"kind": "webhook", "url": url}, "status": "paused"}
    body["delivery"] = {"maxInFlight": AT_ONCE}
    made = caller.ask("POST", "/bus/subscriptions", body)
    path = f"/bus/subscriptions/{made['subscriptionId']}"
    for _ in range(MESSAGES // 500):
        caller.ask("POST", "/bus/messages/batch", {"messages": [{"topic": "hooks", "payload": {"id": 1}}] * 500})
    stack.settings["PROVENANCE_EGRESS_ALLOW"] = '["127.0.0.1"]'
    with stack.worker() as worker:
        calm(worker)
        bare = asyncio.run(_bare(url))
        before, postgres = cpu.of_process(worker), cpu.of_tree(stack.postmaster)
        caller.ask("PUT", path, {**body, "status": "active"})
        started = time.perf_counter()
        while (done := _delivered(caller, path)) < MESSAGES:
            time.sleep(0.1)
        rate = done / (time.perf_counter() - started)
        spent = (cpu.of_process(worker) - before) / done * 1e6
        stored = (cpu.of_tree(stack.postmaster) - postgres) / done * 1e6
        note = f"µs each: worker {spent:.0f}, PostgreSQL {stored:.0f}; {rate / bare:.0%} of the bare loop"
        report.add("bus", f"webhook deliveries, {AT_ONCE} at once", rate, "a second", note)
        report.add("bus", f"a bare client loop of such posts, {AT_ONCE} at once", bare, "a second")
        delays = sorted(_delay(caller, arrived) for _ in range(ONE_BY_ONE))
        note = f"p99 {delays[int(len(delays) * 0.99)]:.1f} ms; {ONE_BY_ONE} messages, one at a time"
        report.add("bus", "from publishing to the target, idle, p50", delays[len(delays) // 2], "ms", note)
    target.terminate()
    return bare


def _delay(caller: Caller, arrived: Any) -> float:
    """Publish one message; return the milliseconds from its request to its arrival."""
    time.sleep(0.03)
    before, began = arrived.value, time.time()
    caller.ask("POST", "/bus/messages", {"topic": "hooks", "payload": {"id": 1}})
    while arrived.value == before:
        time.sleep(0.0005)
    return float(arrived.value - began) * 1000


def _delivered(caller: Caller, path: str) -> int:
    return int(caller.ask("GET", path)["stats"]["delivered"])


async def _bare(url: str) -> float:
    """Return how many posts a second a client makes that does nothing else."""
    body = b'{"msgId":"msg_00000000000000000000000000","topic":"hooks","payload":{"id":1}}' * 5

    async def some(session: aiohttp.ClientSession) -> None:
        for _ in range(MESSAGES // AT_ONCE):
            async with session.post(url, data=body) as answer:
                await answer.read()

    async with aiohttp.ClientSession() as session:
        started = time.perf_counter()
        await asyncio.gather(*[some(session) for _ in range(AT_ONCE)])
        return MESSAGES / (time.perf_counter() - started)


def _listen(pipe: Any, arrived: Any) -> None:
    """Be the target: answer 200 to everything, and say on which port."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        arrived.value = time.time()
        return web.Response()

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(serve())


def _micros(taken: Taken) -> str:
    return f"µs each: serve {taken.serve:.0f}, PostgreSQL {taken.postgres:.0f}"
