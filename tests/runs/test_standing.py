"""No run stands still: what is claimed and not held goes back, and one that can't be read or carried on ends."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from provenance.core import ids
from provenance.core.ids import new_uuid
from provenance.engine.schemas import Checkpoint, NewRun, RunKey, State, Status
from provenance.runs.doers import Call
from provenance.runs.interpreting import Park, Result
from tests.runs.conftest import World
from tests.runs.published import definition, transform
from tests.runs.target import Target
from tests.runs.test_carrying import action, data


async def begin_raw(world: World, **more: Any) -> str:
    """Put a run into the queue as no start of ours would make it."""
    key = RunKey(world.workspace_id, new_uuid())
    row: dict[str, Any] = {
        "workspace_id": key.workspace_id, "id": key.run_id, "workflow_id": new_uuid(), "version": 1,
        "environment": "development", "slot": None, "max_concurrent": None, "priority": 0, "lasts": 3600.0,
        "needs": None, "start_key": None, "trigger_type": "api", "triggered_by": "tester",
        "triggered_by_kind": "system", "hop_count": 0, "replay_of": None, "parent_id": None, "parent_token": None,
        "about": "{}", "input": "{}", "started_at": 1, **more,
    }  # fmt: skip
    committed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    checkpoint = Checkpoint(key, 0, 0, 0, State.QUEUED, Status.RUNNING, new=NewRun(**row), after=0.0)
    checkpoint.settle = committed.set_result
    world.runs.engine.submit(checkpoint)
    assert await committed is True
    return ids.encode("run", key.run_id)


async def status_of(world: World, run_id: str) -> tuple[str, str | None]:
    """Read how a run stands, and its error, from its row: one that can't be read has no other way to be seen."""
    sql = text("SELECT status, error::jsonb->>'code' FROM runs WHERE workspace_id = :workspace AND id = :run")
    async with world.app.ledger.db.housekeeping(world.workspace_id) as tx:
        found = await tx.execute(sql, {"workspace": world.workspace_id, "run": ids.decode("run", run_id)})
        row = found.one()
        return row[0], row[1]


async def ended(world: World, run_id: str) -> tuple[str, str | None]:
    async with asyncio.timeout(30):
        while (found := await status_of(world, run_id))[0] == "running":
            await asyncio.sleep(0.02)
    return found


class TestAmongOthers:
    async def test_a_run_that_cannot_be_read_ends_and_keeps_no_other(self, world: World, target: Target) -> None:
        workflow = world.published.publish(definition(data("look", target)))
        unreadable = [await begin_raw(world), await begin_raw(world, workflow_id=workflow)]
        good = await world.start(workflow, {})
        async with world.working():
            assert (await world.until(good)).status == "completed"
            assert [await ended(world, run_id) for run_id in unreadable] == [("failed", "version_unreadable")] * 2

    async def test_a_claim_whose_answer_was_lost_is_found(self, world: World, target: Target) -> None:
        async with world.working(lease_seconds=1.0) as work:
            await world.until(await world.start(world.published.publish(definition(transform("a", 1))), {}))
            gate = {"key": "rest", "kind": "wait", "config": {"seconds": 0.1}}
            run_id = await world.start(world.published.publish(definition(gate)), {})
            take = text(
                "UPDATE runs SET state = 'running', owner = :owner, epoch = epoch + 1"
                " WHERE workspace_id = :workspace AND id = :run"
            )
            async with world.app.ledger.db.housekeeping(world.workspace_id) as tx:
                owner = work.carrier._dispatch.id
                given = {"owner": owner, "workspace": world.workspace_id, "run": ids.decode("run", run_id)}
                await tx.execute(take, given)
            assert (await world.until(run_id, seconds=10)).status == "completed"

    async def test_a_worker_that_was_not_heard_takes_its_runs_again(self, world: World, target: Target) -> None:
        target.hold = asyncio.Event()
        async with world.working() as work:
            run_id = await world.start(world.published.publish(definition(action("pay", target))), {})
            async with asyncio.timeout(30):
                while not target.calls:
                    await asyncio.sleep(0.01)
            work.carrier._lose_all()
            target.hold.set()
            run = await world.until(run_id, seconds=10)
        assert run.status == "completed"
        assert set(target.done.values()) == {1}

    async def test_an_expression_in_another_process_is_no_standstill(self, world: World, target: Target) -> None:
        total = transform("total", "{{ input.all.map(x, x * 2).filter(x, x > 2) }}")
        async with world.working():
            run = await world.until(
                await world.start(world.published.publish(definition(data("look", target), total)), {"all": [1, 2]})
            )
        assert run.output == [4]


class Broken:
    """A kind that fails where none may."""

    def waits(self, call: Call) -> Park | None:
        raise ZeroDivisionError

    async def perform(self, call: Call) -> Result:
        raise AssertionError

    def resume(self, call: Call, outcome: Any) -> Result:
        raise AssertionError


class TestPoison:
    @pytest.mark.parametrize("others", [0, 2])
    async def test_a_run_that_always_crashes_its_worker_fails(self, world: World, target: Target, others: int) -> None:
        crashing = {
            "key": "put",
            "kind": "storage",
            "config": {"op": "write", "datastoreId": ids.encode("ds", new_uuid()), "key": "a", "value": 1},
        }
        workflow = world.published.publish(definition(crashing))
        async with world.working(further={"storage": Broken()}):
            run_id = await world.start(workflow, {})
            calm = [
                await world.start(world.published.publish(definition(data("look", target))), {}) for _ in range(others)
            ]
            run = await world.until(run_id, seconds=10)
            assert (run.status, run.error.code) == ("failed", "poison_run")
            for each in calm:
                assert (await world.until(each)).status == "completed"
