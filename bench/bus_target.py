"""A target of webhooks in a process of its own that fails, hangs up and dawdles at random, and checks what it gets."""

import asyncio
import json
import multiprocessing
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from aiohttp import web

PATHS = 3
"""Subscriptions, each with a path of its own."""


class Plan(NamedTuple):
    """Which messages there are, and how the target treats them; message ``i`` is number ``i // keys`` of its key."""

    messages: int
    keys: int = 100
    failing: float = 0.10
    slow: float = 0.01
    slow_seconds: float = 0.5
    refused_every: int = 500
    hopeless_every: int = 2_000

    def answer_for_ever(self, path: int, i: int) -> int | None:
        """Return the status that a message gets however often it comes; None for one that is taken sometime.

        The first path refuses some for good, the second fails on some until they are given up.
        """
        if path == 0 and i % self.refused_every == 7:
            return 400
        if path == 1 and i % self.hopeless_every == 11 and i < self.messages * 0.9:
            return 503
        return None

    def dead(self) -> set[tuple[int, int]]:
        """Return the paths and messages that have to become dead letters."""
        every = ((path, i) for path in range(PATHS) for i in range(self.messages))
        return {each for each in every if self.answer_for_ever(*each) is not None}


@dataclass
class Verdict:
    """What one path got."""

    arrivals: int = 0
    taken: int = 0
    repeats: int = 0
    out_of_order: int = 0
    other_ids: int = 0
    hung_up: int = 0
    failed: int = 0
    slow: int = 0


@dataclass
class Path:
    """What one path knows: the id that each message came with, what was taken, and who is next of each key."""

    number: int
    plan: Plan
    verdict: Verdict = field(default_factory=Verdict)
    ids: dict[int, str] = field(default_factory=dict)
    taken: set[int] = field(default_factory=set)
    following: dict[int, int] = field(default_factory=dict)

    def came(self, i: int, message_id: str) -> None:
        """Note an arrival: one that comes first must be the next of its key, and all of one message have one id."""
        self.verdict.arrivals += 1
        known = self.ids.setdefault(i, message_id)
        self.verdict.other_ids += known != message_id
        self.verdict.repeats += i in self.taken
        key = i % self.plan.keys
        due = self.following.get(key, key)
        while due in self.taken or (due in self.ids and due < i and self.plan.answer_for_ever(self.number, due)):
            due += self.plan.keys
        self.following[key] = due
        self.verdict.out_of_order += i > due

    def take(self, i: int) -> None:
        """Note that a message is taken."""
        if i not in self.taken:
            self.taken.add(i)
            self.verdict.taken += 1


class _Target:
    def __init__(self, plan: Plan, taken: Any) -> None:
        self._plan = plan
        self._taken = taken
        self._chance = random.Random(7)
        self.paths = [Path(number, plan) for number in range(PATHS)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path, i = self.paths[int(request.match_info["path"])], json.loads(await request.read())["payload"]["i"]
        path.came(i, request.headers["webhook-id"])
        for_ever = self._plan.answer_for_ever(path.number, i)
        if for_ever is not None:
            return web.Response(status=for_ever)
        chance = self._chance.random()
        if chance < self._plan.failing / 2:
            path.verdict.hung_up += 1
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if chance < self._plan.failing:
            path.verdict.failed += 1
            return web.Response(status=500)
        path.take(i)
        self._taken.value = sum(each.verdict.taken for each in self.paths)
        if chance < self._plan.failing + self._plan.slow:
            path.verdict.slow += 1
            await asyncio.sleep(self._plan.slow_seconds)
        return web.Response()


async def _serve(pipe: Connection, plan: Plan, taken: Any) -> None:
    target, ended = _Target(plan, taken), asyncio.Event()
    app = web.Application()
    app.router.add_post("/{path}", target.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    pipe.send(runner.addresses[0][1])
    asyncio.get_running_loop().add_reader(pipe.fileno(), ended.set)
    await ended.wait()
    ids = [path.ids for path in target.paths]
    pipe.send(([asdict(path.verdict) for path in target.paths], ids))


def _run(pipe: Connection, plan: Plan, taken: Any) -> None:
    asyncio.run(_serve(pipe, plan, taken))


class Target:
    """The running target, as whoever measures sees it."""

    def __init__(self, plan: Plan) -> None:
        spawned = multiprocessing.get_context("spawn")
        self._taken = spawned.Value("q", 0, lock=False)
        self._pipe, there = spawned.Pipe()
        self._process = spawned.Process(target=_run, args=(there, plan, self._taken), daemon=True)
        self._process.start()
        self.port: int = self._pipe.recv()

    @property
    def taken(self) -> int:
        """Messages taken so far, of all paths; each counts once."""
        return int(self._taken.value)

    def end(self) -> tuple[list[Verdict], list[dict[int, str]]]:
        """End it; return of each path what it got, and the id that each message came with."""
        self._pipe.send("end")
        verdicts, ids = self._pipe.recv()
        self._process.join(10)
        return [Verdict(**each) for each in verdicts], ids

    def stop(self) -> None:
        """Stop it, whatever it does."""
        if self._process.is_alive():
            self._process.kill()
            self._process.join(10)


@contextmanager
def listening(plan: Plan) -> Iterator[Target]:
    """Run a target for as long as the block lasts."""
    target = Target(plan)
    try:
        yield target
    finally:
        target.stop()
