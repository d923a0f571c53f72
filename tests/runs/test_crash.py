"""Workers that are killed, and stopped past their lease, while runs go: none lost, nothing twice."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from provenance.core import ids
from tests.runs.conftest import World
from tests.runs.crew import Crew
from tests.runs.published import definition, transform
from tests.runs.target import Target
from tests.runs.test_carrying import action, data, decide

RUNS = 30
LEASE = 1.0


@pytest.fixture
async def crew(world: World, tmp_path: Path) -> AsyncIterator[Crew]:
    """A crew that is to be hired after the workflows are published."""
    found = Crew(tmp_path, LEASE)
    yield found
    await found.end()


async def acts_of(world: World, run_ids: list[str]) -> dict[str, Counter[str]]:
    """Count what the ledger holds of each run, by action."""
    names = {ids.decode("run", run_id): run_id for run_id in run_ids}
    sql = """SELECT i.uow_id, c.mnemonic FROM interactions i
               JOIN catalogue c ON c.workspace_id = i.workspace_id AND c.id = i.action_id
              WHERE i.workspace_id = :workspace AND i.uow_id = ANY(:uows)"""
    found = {run_id: Counter[str]() for run_id in run_ids}
    async with world.app.ledger.db.housekeeping(world.workspace_id) as tx:
        for row in await tx.execute(text(sql), {"workspace": world.workspace_id, "uows": list(names)}):
            found[names[row[0]]][row[1]] += 1
    return found


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
        names = crew.publish(world, whole=whole(target))
        odds = random.Random(7)
        for _ in range(3):
            await crew.hire()
        await crew.at_work()
        run_ids = [await world.start(names["whole"], {"n": n}) for n in range(RUNS)]
        people = asyncio.create_task(approve_all(world, run_ids))
        for at in range(3):
            await asyncio.sleep(odds.uniform(0.1, 0.3))
            if at == 1:
                await crew.pause(0, LEASE * 1.5)
            else:
                await crew.kill(odds.randrange(len(crew.processes)))
        async with asyncio.timeout(40):
            await people
            for n, run_id in enumerate(run_ids):
                run = await world.until(run_id)
                assert (run.status, run.output, run.step_counts) == ("completed", n, {"succeeded": 8}), run
        for acts in (await acts_of(world, run_ids)).values():
            assert (acts["STARTED"], acts["COMPLETED"], acts["STEP_COMPLETED"]) == (1, 1, 10)
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
