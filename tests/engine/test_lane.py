"""The fence, the signal, the lease and the slots, statement by statement on a real database."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from provenance.core import ids
from provenance.core.db import asyncpg_dsn
from provenance.core.ids import new_uuid
from provenance.engine import queries
from provenance.engine import service as engine_service
from provenance.engine.dispatch import Dispatch
from provenance.engine.errors import AlreadyResolved
from provenance.engine.running import Engine
from provenance.engine.schemas import Checkpoint, Claimed, NewRun, RunKey, State, Status, StepRow, WaitRow
from provenance.engine.tokens import wait_token
from provenance.ledger.service import Deed
from provenance.runs.events import RunEvent, by_system, run_fact
from tests.conftest import Running, Tenant
from tests.postgres.plans import kept_plan

KINDS: list[str] = []


class Bench:
    """An engine in a workspace of its own, and the run table looked at from outside."""

    def __init__(self, app: Running, tenant: Tenant, engine: Engine) -> None:
        found = ids.decode("ws", tenant.id)
        assert found is not None
        self.app, self.workspace_id, self.engine = app, found, engine
        self.workflow_id = new_uuid()

    def dispatch(self, lease: float = 12.0) -> Dispatch:
        return Dispatch(self.app.ledger.db.url, lease_seconds=lease)

    async def begin(
        self,
        state: State = State.QUEUED,
        *,
        most: int | None = None,
        workflow_id: uuid.UUID | None = None,
        priority: int = 0,
        **more: Any,
    ) -> RunKey:
        key = RunKey(self.workspace_id, new_uuid())
        slot = None if most is None else 0
        new = NewRun(
            *key, workflow_id or self.workflow_id, 1, "development", slot, most, priority, 3600.0, None, None, "api",
            "tester", "system", 0, None, None, None, "{}", "{}", 1,
        )  # fmt: skip
        more = {"after": 0.0, **more}
        assert await self.commit(Checkpoint(key, 0, 0, 0, state, Status.RUNNING, new=new, **more))
        return key

    async def commit(self, checkpoint: Checkpoint) -> bool:
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        checkpoint.settle = lambda outcome: answer.set_result(outcome is True)
        self.engine.submit(checkpoint)
        return await answer

    async def entries(self, key: RunKey) -> int:
        connection = await asyncpg.connect(asyncpg_dsn(self.app.ledger.db.url))
        try:
            counted = "SELECT count(*) FROM interactions WHERE workspace_id = $1 AND uow_id = $2"
            found: int = await connection.fetchval(counted, *key)
            return found
        finally:
            await connection.close()

    async def row(self, key: RunKey) -> Any:
        connection = await asyncpg.connect(asyncpg_dsn(self.app.ledger.db.url))
        try:
            return await connection.fetchrow("SELECT * FROM runs WHERE workspace_id = $1 AND id = $2", *key)
        finally:
            await connection.close()


@pytest.fixture
async def bench(app: Running, workspace: Tenant) -> AsyncIterator[Bench]:
    """A running engine."""
    engine = Engine(app.ledger)
    engine.start()
    yield Bench(app, workspace, engine)
    await engine.stop()


def step(key: RunKey) -> StepRow:
    return StepRow(key.run_id, "a", 0, 1, 1, "logic", "succeeded", False, None, None, "1", None, None, None, 1, 2)


def deed(key: RunKey) -> Deed:
    return by_system(run_fact(RunEvent.COMPLETED, key.run_id, {"n": 1}))


async def claim(dispatch: Dispatch, key: RunKey) -> Claimed:
    """Claim until the run is among what was claimed."""
    await dispatch.beat()
    for _ in range(50):
        for row in await dispatch.claim(100, KINDS):
            if row.id == key.run_id:
                return row
        await asyncio.sleep(0.02)
    raise AssertionError("it was never ready")


class TestFence:
    async def test_only_the_owner_of_the_newest_epoch_writes(self, bench: Bench) -> None:
        key, dispatch = await bench.begin(), bench.dispatch()
        row = await claim(dispatch, key)
        late = Checkpoint(key, row.epoch - 1, row.seq, 0, State.ENDED, Status.COMPLETED)
        assert not await bench.commit(late)
        assert await bench.commit(Checkpoint(key, row.epoch, row.seq, 0, State.RUNNING, Status.RUNNING))
        assert not await bench.commit(Checkpoint(key, row.epoch, row.seq, 0, State.ENDED, Status.FAILED)), "seen before"
        assert await bench.commit(Checkpoint(key, row.epoch, row.seq + 1, 0, State.ENDED, Status.COMPLETED))
        assert (await bench.row(key))["status"] == "completed"
        await dispatch.forget()

    async def test_one_that_is_turned_away_costs_its_group_nothing(self, bench: Bench) -> None:
        """Groups are one statement as long as all pass; what the fence turns away leaves no step and no entry."""
        dispatch = bench.dispatch()
        keys, rows = [], []
        for _ in range(3):
            keys.append(await bench.begin())
            rows.append(await claim(dispatch, keys[-1]))
        rows[1] = rows[1]._replace(epoch=rows[1].epoch - 1)
        group = [
            Checkpoint(key, row.epoch, row.seq, 0, State.ENDED, Status.COMPLETED, steps=[step(key)], deeds=[deed(key)])
            for key, row in zip(keys, rows, strict=True)
        ]
        assert await asyncio.gather(*map(bench.commit, group)) == [True, False, True]
        for key, there in zip(keys, (True, False, True), strict=True):
            steps, _ = await dispatch.stored([key])
            assert [len(steps), await bench.entries(key)] == [there, there]
            assert ((await bench.row(key))["state"] == "ended") is there
        await dispatch.leave()
        await dispatch.forget()

    async def test_runs_that_begin_and_runs_that_end_share_a_commit(self, bench: Bench) -> None:
        dispatch = bench.dispatch()
        key = await bench.begin()
        row = await claim(dispatch, key)
        end = Checkpoint(
            key, row.epoch, row.seq, 0, State.ENDED, Status.COMPLETED, steps=[step(key)], deeds=[deed(key)]
        )
        ended, *begun = await asyncio.gather(bench.commit(end), *[bench.begin() for _ in range(3)])
        assert ended
        assert (await bench.row(key))["state"] == "ended"
        assert {(await bench.row(each))["seq"] for each in begun} == {1}
        await dispatch.leave()
        await dispatch.forget()

    async def test_a_silent_worker_loses_its_runs(self, bench: Bench) -> None:
        silent, other = bench.dispatch(), bench.dispatch(lease=0.05)
        key = await bench.begin()
        row = await claim(silent, key)
        await asyncio.sleep(0.1)
        await other.beat()
        await other.take_over()
        again = await claim(other, key)
        assert (again.epoch, again.takeovers) == (row.epoch + 1, 1)
        assert not await bench.commit(Checkpoint(key, row.epoch, row.seq, 0, State.ENDED, Status.FAILED))
        for dispatch in (silent, other):
            await dispatch.leave()
            await dispatch.forget()

    async def test_who_leaves_hands_back_at_once(self, bench: Bench) -> None:
        dispatch = bench.dispatch()
        key = await bench.begin()
        await claim(dispatch, key)
        await dispatch.leave()
        assert (await bench.row(key))["state"] == "queued"
        await dispatch.forget()


class TestWaits:
    async def waiting(self, bench: Bench, dispatch: Dispatch) -> tuple[RunKey, Claimed]:
        key = await bench.begin()
        row = await claim(dispatch, key)
        opened = [WaitRow(key.run_id, "gate", 0, "approval", None, None)]
        asked = Checkpoint(key, row.epoch, row.seq, row.signal, State.RUNNING, Status.RUNNING, opened=opened)
        assert await bench.commit(asked)
        return key, row._replace(seq=row.seq + 1)

    async def test_a_decision_before_the_park_keeps_the_run_awake(self, bench: Bench) -> None:
        dispatch = bench.dispatch()
        key, row = await self.waiting(bench, dispatch)
        await self.decide(bench, key)
        park = Checkpoint(key, row.epoch, row.seq, row.signal, State.PARKED, Status.APPROVAL)
        assert not await bench.commit(park)
        _, [wait] = await dispatch.stored([key])
        assert (wait.resolved, wait.outcome) == (True, '{"decision":"approved"}')
        await dispatch.leave()
        await dispatch.forget()

    async def test_a_decision_after_it_wakes_the_run_and_there_is_one(self, bench: Bench) -> None:
        dispatch = bench.dispatch()
        key, row = await self.waiting(bench, dispatch)
        assert await bench.commit(Checkpoint(key, row.epoch, row.seq, row.signal, State.PARKED, Status.APPROVAL))
        await self.decide(bench, key)
        assert (await bench.row(key))["state"] == "queued"
        with pytest.raises(AlreadyResolved):
            await self.decide(bench, key)
        assert (await bench.row(key))["signal"] == 1, "a decision that is refused leaves no signal"
        await dispatch.leave()
        await dispatch.forget()

    async def test_a_timer_wakes_the_run(self, bench: Bench) -> None:
        dispatch = bench.dispatch()
        key = await bench.begin(State.PARKED, after=0.05)
        assert (await dispatch.outlook()).seconds is not None
        await asyncio.sleep(0.06)
        await dispatch.wake_due()
        assert (await bench.row(key))["state"] == "queued"
        await dispatch.forget()

    async def decide(self, bench: Bench, key: RunKey) -> None:
        async with bench.app.ledger.db.housekeeping(bench.workspace_id) as tx:
            await engine_service.resolve(tx, wait_token(key.run_id, "gate", 0), {"decision": "approved"})


class TestSlots:
    async def test_a_limited_workflow_has_so_many_runs_at_once(self, bench: Bench) -> None:
        keys = [await bench.begin(most=2) for _ in range(4)]
        dispatch, other = bench.dispatch(), bench.dispatch()
        await dispatch.beat()
        await asyncio.gather(dispatch.promote(), other.promote())
        await dispatch.promote()
        assert [(await bench.row(key))["slot"] for key in keys] == [1, 1, 0, 0]
        row = await claim(dispatch, keys[0])
        assert await bench.commit(Checkpoint(keys[0], row.epoch, row.seq, 0, State.ENDED, Status.COMPLETED))
        await dispatch.promote()
        assert [(await bench.row(key))["slot"] for key in keys] == [1, 1, 1, 0]
        for each in (dispatch, other):
            await each.leave()
            await each.forget()

    async def test_each_workflow_has_its_own_and_the_more_urgent_go_first(self, bench: Bench) -> None:
        workflows = sorted(new_uuid() for _ in range(3))
        waiting = {
            each: [await bench.begin(most=at + 1, workflow_id=each) for _ in range(4)]
            for at, each in enumerate(workflows)
        }
        urgent = await bench.begin(most=2, workflow_id=workflows[1], priority=5)
        dispatch = bench.dispatch()
        await dispatch.beat()

        async def slots() -> list[list[int]]:
            return [[(await bench.row(key))["slot"] for key in keys] for keys in [*waiting.values(), [urgent]]]

        wanted = [[1, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0], [1]]
        async with asyncio.timeout(30):
            while await slots() != wanted:
                await dispatch.promote()  # does nothing while another is at it
        await dispatch.promote()
        assert await slots() == wanted, "nothing is free"
        await dispatch.forget()

    async def test_a_line_is_looked_at_by_its_head_alone(self, postgres_url: str) -> None:
        plan = await kept_plan(postgres_url, queries.PROMOTE)
        assert plan.count("using ix_runs_line") == 4, plan
        assert plan.count("using ix_runs_slots") == 1, plan


class TestGroups:
    async def test_many_runs_share_commits_and_one_that_cannot_be_stored_harms_no_other(self, bench: Bench) -> None:
        good = [asyncio.create_task(bench.begin()) for _ in range(100)]
        bad = asyncio.create_task(bench.begin(output="\0"))
        keys = await asyncio.gather(*good)
        with pytest.raises(AssertionError):
            await bad
        assert all([await bench.row(key) is not None for key in keys[:5]])

    async def test_a_lost_connection_is_found_out_about(self, bench: Bench) -> None:
        await bench.begin()
        connection = await asyncpg.connect(asyncpg_dsn(bench.app.ledger.db.url))
        kill = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'provenance checkpoints'"
        )
        begun = []
        for _ in range(5):
            begun += [asyncio.create_task(bench.begin()) for _ in range(20)]
            await asyncio.sleep(0.002)
            await connection.execute(kill)
        keys = await asyncio.gather(*begun)
        assert all([await bench.row(key) is not None for key in keys[:10]])
        await connection.close()
