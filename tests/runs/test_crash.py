"""Workers that are killed, and stopped past their lease, while hundreds of runs go: none lost, nothing twice."""

import asyncio
import json
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from provenance.core import ids
from tests.runs.conftest import World, definition, transform
from tests.runs.target import Target
from tests.runs.test_carrying import action, data, decide

RUNS = 80
LEASE = 1.2
ROOT = Path(__file__).resolve().parents[2]


class Crew:
    """Workers in processes of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[asyncio.subprocess.Process] = []

    async def hire(self) -> None:
        self.processes.append(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.runs.worker_process",
                str(self.folder),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
            )
        )

    async def at_work(self) -> None:
        for process in self.processes:
            assert process.stdout is not None
            async with asyncio.timeout(20):
                assert await process.stdout.readline() == b"working\n"

    async def lose(self, at: int, number: signal.Signals) -> None:
        process = self.processes[at]
        process.send_signal(number)
        if number is signal.SIGKILL:
            self.processes.remove(process)
            await process.wait()

    async def end(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                await process.wait()


@pytest.fixture
async def crew(world: World, tmp_path: Path) -> AsyncIterator[Crew]:
    """A crew that is to be hired after the workflows are published."""
    found = Crew(tmp_path)
    yield found
    await found.end()


def publish(world: World, folder: Path, **documents: dict[str, Any]) -> dict[str, Any]:
    """Publish for this process and for those of the crew."""
    names = {name: world.published.publish(document) for name, document in documents.items()}
    workflows = {str(names[name]): document for name, document in documents.items()}
    settings = world.app.ledger.settings
    given = {"url": settings.database_url, "data": str(settings.data_dir), "lease": LEASE, "workflows": workflows}
    (folder / "settings.json").write_text(json.dumps(given))
    return names


async def events_of(world: World, run_id: str) -> Counter[str]:
    """Count what the ledger holds of a run, by action."""
    uow = ids.decode("run", run_id)
    sql = """SELECT c.mnemonic FROM interactions i
               JOIN catalogue c ON c.workspace_id = i.workspace_id AND c.id = i.action_id
              WHERE i.workspace_id = :workspace AND i.uow_id = :uow"""
    async with world.app.ledger.db.housekeeping(world.workspace_id) as tx:
        rows = await tx.execute(text(sql), {"workspace": world.workspace_id, "uow": uow})
        return Counter(row[0] for row in rows)


def whole(target: Target) -> dict[str, Any]:
    """A workflow with every kind of transition: pure, read, effect, pause, retry, items, people."""
    return definition(
        transform("first", {"n": "{{ input.n }}"}),
        action("pay", target, retry={"maxAttempts": 3, "initialSeconds": 0.05}),
        {"key": "rest", "kind": "wait", "config": {"seconds": 0.1}},
        action("ship", target, forEach={"items": [1, 2], "concurrency": 2}),
        data("look", target),
        {"key": "gate", "kind": "approval", "config": {"title": "Done?", "risk": "low"}},
        transform("last", "{{ steps.first.output.n }}"),
    )


class TestLostWorkers:
    async def test_every_run_ends_right_and_every_effect_happens_once(
        self, world: World, crew: Crew, target: Target
    ) -> None:
        names = publish(world, crew.folder, whole=whole(target))
        odds = random.Random(7)
        for _ in range(2):
            await crew.hire()
        await crew.at_work()
        run_ids = [await world.start(names["whole"], {"n": n}) for n in range(RUNS)]
        people = asyncio.create_task(approve_all(world, run_ids))
        for at in range(5):
            await asyncio.sleep(odds.uniform(0.2, 0.6))
            if at == 2:
                await crew.lose(0, signal.SIGSTOP)
                await asyncio.sleep(LEASE * 1.5)
                crew.processes[0].send_signal(signal.SIGCONT)
            else:
                await crew.lose(odds.randrange(len(crew.processes)), signal.SIGKILL)
                await crew.hire()
        await asyncio.wait_for(people, 40)
        for n, run_id in enumerate(run_ids):
            run = await world.until(run_id, seconds=30)
            assert (run.status, run.output) == ("completed", n), run
            steps = await world.steps(run_id)
            assert {each.status for each in steps.values()} == {"succeeded"}
            events = await events_of(world, run_id)
            assert (events["STARTED"], events["COMPLETED"], events["STEP_COMPLETED"]) == (1, 1, 10)
        assert set(target.done.values()) == {1}
        assert len(target.done) == 3 * RUNS


async def approve_all(world: World, run_ids: list[str]) -> None:
    """Approve each run once it waits for people."""
    waiting = set(run_ids)
    while waiting:
        for run_id in list(waiting):
            if (await world.get(run_id)).status == "approval":
                await decide(world, run_id, "gate", "approved")
                waiting.discard(run_id)
        await asyncio.sleep(0.05)
