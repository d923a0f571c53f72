"""Scenario `realtime`: memory of idle connections, fan-out to many, and a thousand broken connections that resume.

Clients and writers are processes of their own, so that the processor time of each side is known.
"""

import asyncio
import random
import resource
import time
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection
from typing import Any

import aiohttp

from bench import cpu
from bench.beside import Elsewhere
from bench.echo import echoing, moment, moment_in
from bench.report import Report
from bench.runs import Caller
from bench.sockets import Socket, listening, numbers
from bench.stack import Stack, Tenant
from bench.writing import Options

IDLE, AT_ONCE = 5_000, 50
SUBSCRIBERS, RATE, TICKS = 200, 500, 50
BREAKS, CLIENTS = 1_000, 10
FILES = 20_000
CHANNEL = "interactions"


def realtime(stack: Stack, report: Report, options: Options) -> None:
    """Measure idle connections, fan-out beside a bare echo of the same bytes, and resuming."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    stack.stop()
    stack.settings |= {"PROVENANCE_LIVE_CONNECTIONS": "0", "PROVENANCE_RATE_LIMIT_PER_MINUTE": "0"}
    stack.start()
    [tenant] = stack.tenants(1)
    _written(stack, tenant, 20)
    _idle(stack, report, tenant, min(IDLE, most - 200))
    _fan_out(stack, report, tenant, max(4.0, options.seconds))
    _broken(stack, report, tenant)


def _written(stack: Stack, tenant: Tenant, rows: int) -> None:
    """Let a ledger have words and rows, and the server its code."""
    caller = Caller(stack, tenant.key)
    caller.ask("POST", "/api/interactions/batch", {"items": [_item(number) for number in range(rows)]})


def _item(number: int) -> dict[str, Any]:
    kind = ("ORDER", "USER", "INVOICE")[number % 3]
    return {"resourceType": kind, "resourceId": f"r{number % 50}", "action": "UPDATE", "origin": "WEBAPP"}


def _idle(stack: Stack, report: Report, tenant: Tenant, count: int) -> None:
    """Hold connections that listen and hear nothing; report what the server's memory grows by."""
    before = cpu.proportional_bytes([stack.serve_pid])
    with Elsewhere(_run, _hold, stack.port, tenant.key, count) as clients:
        clients.wait()
        time.sleep(1)
        grown = cpu.proportional_bytes([stack.serve_pid]) - before
        used, began = cpu.of_process(stack.serve_pid), time.monotonic()
        time.sleep(5)
        share = (cpu.of_process(stack.serve_pid) - used) / (time.monotonic() - began)
    note = f"{grown / count / 1024:.1f} KiB each; {share:.1%} of a core while idle"
    report.add("realtime", f"memory of {count:,} idle connections", grown / 1e6, "MB PSS", note, "150")


async def _hold(pipe: Connection, port: int, key: str, count: int) -> None:
    held: list[Socket] = []
    while len(held) < count:
        some = min(AT_ONCE, count - len(held))
        opened = await asyncio.gather(*[listening(port, key, CHANNEL) for _ in range(some)])
        for socket in opened:
            await socket.next()
        held += opened
    pipe.send("held")
    await asyncio.to_thread(pipe.recv)


def _fan_out(stack: Stack, report: Report, tenant: Tenant, seconds: float) -> None:
    """Let many hear 500 events a second: how late each comes, beside bare messages of the same size."""
    with Elsewhere(_run, _hear, stack.port, tenant.key, seconds) as clients:
        clients.wait()
        serve, client = cpu.of_process(stack.serve_pid), cpu.of_process(clients.pid)
        events = asyncio.run(_write(stack.port, tenant.key, seconds))
        spent = [cpu.of_process(stack.serve_pid) - serve, cpu.of_process(clients.pid) - client]
        late, size, resets = clients.wait()
    frames = events * SUBSCRIBERS
    note = (
        f"p50 {late[0]:.0f} ms; µs a frame: serve {spent[0] / frames * 1e6:.1f}, clients {spent[1] / frames * 1e6:.1f}"
    )
    if resets:
        note += f"; {resets} of them were too slow and told to read anew"
    report.add("realtime", f"{SUBSCRIBERS} subscribers, {RATE} events/s, p99", late[1], "ms", note, "200")
    report.add("realtime", "processor of the server for it", spent[0] / seconds * 100, "% of one")
    with echoing(SUBSCRIBERS, TICKS, size) as (port, pid), Elsewhere(_run, _hear, port, "", seconds) as clients:
        before = cpu.of_process(pid)
        clients.wait()
        bare, *_ = clients.wait()
        spent[1] = cpu.of_process(pid) - before
    note = f"p50 {bare[0]:.0f} ms, {size:,} bytes a message; {spent[1] / seconds:.1%} of a core"
    report.add("realtime", f"bare messages to {SUBSCRIBERS}, {TICKS} times a second, p99", bare[1], "ms", note)


async def _write(port: int, key: str, seconds: float) -> int:
    """Post batches at an even pace; the time of each goes along as its unit of work. Return how many events."""
    count = 0
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(headers={"x-api-key": key}) as session:
        began = loop.time()
        while (now := loop.time()) - began < seconds:
            unit = moment(time.monotonic_ns())
            items = [{**_item(number), "uowId": unit} for number in range(RATE // TICKS)]
            async with session.post(f"http://127.0.0.1:{port}/api/interactions/batch", json={"items": items}) as answer:
                assert answer.status == 201, await answer.text()
            count += len(items)
            await asyncio.sleep(max(0.0, 1 / TICKS - (loop.time() - now)))
    return count


async def _hear(pipe: Connection, port: int, key: str, seconds: float) -> None:
    """Listen with many; send how late events came (the middle, the 99th percentile), a message's size, the resets."""
    sockets = [await listening(port, key, CHANNEL) for _ in range(SUBSCRIBERS)]
    for socket in sockets:
        await socket.next()
    pipe.send("listening")
    late: list[float] = []
    sizes: list[int] = []
    resets = 0
    until = time.monotonic() + seconds + 2

    async def hear(socket: Socket) -> None:
        nonlocal resets
        while True:
            message = await socket.next()
            now, sent = time.monotonic_ns(), moment_in(message)
            if sent is None:  # where it stands, or that it was too slow and is to read anew
                resets += b'"reset"' in message
                continue
            sizes.append(len(message))
            late.append((now - sent) / 1e6)

    tasks = [asyncio.create_task(hear(socket)) for socket in sockets]
    await asyncio.sleep(until - time.monotonic())
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended
    late.sort()
    pipe.send(((late[len(late) // 2], late[len(late) * 99 // 100]), sorted(sizes)[len(sizes) // 2], resets))


def _broken(stack: Stack, report: Report, tenant: Tenant) -> None:
    """Break a thousand connections off at any moment and resume each; count what is lost or doubled."""
    began = time.perf_counter()
    lost, doubled, heard = asyncio.run(_breaking(stack.port, tenant.key))
    note = f"{heard:,} events heard by {CLIENTS} clients in {time.perf_counter() - began:.0f} s; {doubled} doubled"
    report.add("realtime", f"events lost over {BREAKS:,} breaks and resumes", lost + doubled, "events", note, "0")


async def _breaking(port: int, key: str) -> tuple[int, int, int]:
    stop = asyncio.Event()
    draw = random.Random(7)
    begin = (await _numbers(port, key))[-1]
    writing = asyncio.create_task(_write_until(stop, port, key, draw))
    heard = [[begin] for _ in range(CLIENTS)]
    await asyncio.gather(*[_break_off(port, key, mine, BREAKS // CLIENTS, draw) for mine in heard])
    stop.set()
    await writing
    truth = [number for number in await _numbers(port, key) if number > begin]
    for mine in heard:
        await _catch_up(port, key, mine, truth[-1])
    lost = sum(len(set(truth) - set(mine)) for mine in heard)
    doubled = sum(len(mine) - len(set(mine)) for mine in heard)
    return lost, doubled, sum(len(mine) - 1 for mine in heard)


async def _write_until(stop: asyncio.Event, port: int, key: str, draw: random.Random) -> None:
    async with aiohttp.ClientSession(headers={"x-api-key": key}) as session:
        while not stop.is_set():
            items = [_item(number) for number in range(draw.randint(1, 30))]
            async with session.post(f"http://127.0.0.1:{port}/api/interactions/batch", json={"items": items}) as answer:
                assert answer.status == 201, await answer.text()
            await asyncio.sleep(draw.random() * 0.02)


async def _break_off(port: int, key: str, heard: list[int], times: int, draw: random.Random) -> None:
    """Connect, hear a little, break off; again and again, each time after the last number heard."""
    for _ in range(times):
        socket = await listening(port, key, CHANNEL, heard[-1])
        for _ in range(draw.randint(0, 4)):
            heard += numbers(await socket.next())
        socket.abort()


async def _catch_up(port: int, key: str, heard: list[int], upto: int) -> None:
    socket = await listening(port, key, CHANNEL, heard[-1])
    async with asyncio.timeout(60):
        while heard[-1] < upto:
            heard += numbers(await socket.next())
    socket.abort()


async def _numbers(port: int, key: str) -> list[int]:
    """Return the numbers that the list has, in their order."""
    found: list[int] = []
    cursor = ""
    async with aiohttp.ClientSession(headers={"x-api-key": key}) as session:
        while True:
            url = f"http://127.0.0.1:{port}/api/interactions?limit=500&order=asc{cursor}"
            async with session.get(url) as answer:
                page = await answer.json()
            found += [row["interactionNumber"] for row in page["data"]]
            if not page["pagination"]["hasNext"]:
                return sorted(found)
            cursor = f"&cursor={page['pagination']['nextCursor']}"


def _run(pipe: Connection, work: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
    asyncio.run(work(pipe, *arguments))
