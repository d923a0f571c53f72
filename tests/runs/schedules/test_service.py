"""Schedules with a published workflow and a real database: once each, overlaps, outages, switches, what is refused."""

import asyncio

import httpx
import pytest

from provenance.core.clock import NANOS, iso_millis
from provenance.core.settings import Settings
from provenance.ledger.service import Ledger
from provenance.runs.schedules import service, tasks
from tests.conftest import Running
from tests.runs.schedules.conftest import MakePlot, scheduled

HOURLY = {"cron": "0 * * * *"}
HOUR = 3600 * NANOS


class TestFiring:
    async def test_a_run_is_told_its_time(self, make_plot: MakePlot) -> None:
        plot = await make_plot({"cron": "0 6 * * *", "timezone": "Europe/Paris"})
        row = await plot.row()
        await plot.fire()
        [run] = await plot.runs()
        assert (run["triggerType"], run["triggeredBy"]) == ("schedule", {"kind": "system", "id": "schedule"})
        whole = (await plot.client.get(f"/runs/{run['runId']}")).json()
        assert whole["input"] == {}
        after = await plot.row()
        assert after.next_at - row.next_at in (23 * HOUR, 24 * HOUR, 25 * HOUR)
        shown = (await plot.client.get(f"/workflows/{plot.wire_id}")).json()["triggerSettings"]["schedule"]
        assert shown == {
            "enabled": True, "cron": "0 6 * * *", "timezone": "Europe/Paris", "nextAt": iso_millis(after.next_at),
        }  # fmt: skip

    async def test_several_workers_fire_once(self, make_plot: MakePlot) -> None:
        plot = await make_plot(HOURLY)
        row = await plot.row()
        await asyncio.gather(*[plot.fire(row=row) for _ in range(4)])
        assert len(await plot.runs()) == 1

    async def test_a_time_that_comes_again_has_its_run_already(self, make_plot: MakePlot) -> None:
        """Whatever sets a schedule back (a restored backup, a clock): its start key names the time."""
        plot = await make_plot({**HOURLY, "overlap": "queue"})
        row = await plot.row()
        await plot.fire()
        async with plot.app.ledger.db.housekeeping(plot.workspace_id) as tx:
            back = "UPDATE workflow_triggers SET next_at = $1 WHERE workflow_id = $2"
            await tx.driver_sql(back, (row.next_at, row.workflow_id))
        await plot.fire()
        assert len(await plot.runs()) == 1

    async def test_a_clock_that_is_set_back_fires_nothing(self, make_plot: MakePlot) -> None:
        plot = await make_plot(HOURLY)
        row = await plot.row()
        await service.look(plot.app.ledger.db, plot.tools, row.next_at - 2 * HOUR)
        assert await plot.runs() == []
        assert (await plot.row()).next_at == row.next_at

    async def test_its_own_version_is_started(self, make_plot: MakePlot) -> None:
        plot = await make_plot(HOURLY)
        old = await plot.row()
        path = f"/workflows/{plot.wire_id}"
        draft = (await plot.client.get(f"{path}/draft")).json()
        body = {
            "definition": scheduled({"cron": "0 * * * *"}, output={"n": 2}),
            "draftRevision": draft["draftRevision"],
        }
        await plot.client.put(f"{path}/draft", json=body)
        await plot.client.post(f"{path}/publish", json={})
        await plot.fire()
        [run] = await plot.runs()
        assert (old.version, run["workflowVersion"]) == (1, 2)


class TestOverlap:
    async def test_skip_leaves_a_record(self, make_plot: MakePlot) -> None:
        plot = await make_plot(HOURLY)
        await plot.fire()
        row = await plot.row()
        await plot.fire()
        assert len(await plot.runs()) == 1
        [refusal] = await plot.refusals()
        assert (refusal["reason"], refusal["trigger"], refusal["type"]) == ("overlap", "daily", "schedule")
        assert (refusal["from"], refusal["until"]) == (iso_millis(row.next_at), iso_millis(row.next_at))
        await plot.client.post(f"/runs/{(await plot.runs())[0]['runId']}/cancel", json={})
        await plot.fire()
        assert len(await plot.runs()) == 2

    async def test_runs_by_hand_are_none_of_its_business(self, make_plot: MakePlot) -> None:
        plot = await make_plot(HOURLY)
        begun = await plot.client.post(
            "/runs", json={"workflowId": plot.wire_id}, headers={"Idempotency-Key": "queued"}
        )
        assert begun.status_code == 201
        await plot.fire()
        assert len(await plot.runs()) == 2

    async def test_queue_waits_for_its_turn(self, make_plot: MakePlot) -> None:
        plot = await make_plot({**HOURLY, "overlap": "queue"})
        await plot.fire()
        await plot.fire()
        assert [run["status"] for run in await plot.runs()] == ["queued", "queued"]
        assert await plot.refusals() == []


class TestCatchUp:
    @pytest.mark.parametrize(("catch_up", "runs", "refused"), [("none", 0, 1), ("last", 1, 1), ("all", 4, 0)])
    async def test_after_an_outage(self, make_plot: MakePlot, catch_up: str, runs: int, refused: int) -> None:
        plot = await make_plot({**HOURLY, "catchUp": catch_up})
        row = await plot.row()
        await plot.fire(late=3 * HOUR + HOUR // 2)
        found = await plot.runs()
        assert len(found) == runs
        refusals = await plot.refusals()
        assert [refusal["reason"] for refusal in refusals] == ["missed"] * refused
        assert (await plot.row()).next_at == row.next_at + 4 * HOUR
        if catch_up == "all":
            assert {run["status"] for run in found} == {"queued"}, "they run one after another"


class TestSwitches:
    async def test_off_and_unpublished_start_nothing(self, make_plot: MakePlot) -> None:
        plot = await make_plot(HOURLY)
        row, path = await plot.row(), f"/workflows/{plot.wire_id}"
        await plot.client.put(path, json={"triggerSettings": {"schedule": {"enabled": False}}})
        assert await plot.row() is None
        await plot.fire(row=row)
        await plot.client.put(path, json={"triggerSettings": {"schedule": {"enabled": True}}})
        assert (await plot.row()).next_at == row.next_at
        await plot.client.post(f"{path}/unpublish")
        await plot.fire(row=row)
        assert await plot.runs() == []
        assert await plot.refusals() == []

    async def test_switched_on_it_fires_whatever_is_remembered(self, make_plot: MakePlot) -> None:
        plot = await make_plot(HOURLY)
        path = f"/workflows/{plot.wire_id}"
        row = await plot.row()
        await plot.client.put(path, json={"triggerSettings": {"schedule": {"enabled": False}}})
        await plot.tools.library.live(plot.workspace_id, row.workflow_id)
        await plot.client.put(path, json={"triggerSettings": {"schedule": {"enabled": True}}})
        await plot.fire()
        assert len(await plot.runs()) == 1


class TestRefused:
    async def test_an_input_that_the_schema_refuses(self, make_plot: MakePlot) -> None:
        plot = await make_plot(HOURLY, inputSchema={"type": "object", "required": ["orderId"]})
        row = await plot.row()
        await plot.fire()
        assert await plot.runs() == []
        [refusal] = await plot.refusals()
        assert refusal["reason"] == "invalid_input"
        assert "orderId" in refusal["message"]
        assert (await plot.row()).next_at == row.next_at + HOUR

    async def test_a_zone_that_is_gone(self, make_plot: MakePlot) -> None:
        plot = await make_plot(HOURLY)
        row = await plot.row()
        async with plot.app.ledger.db.housekeeping(plot.workspace_id) as tx:
            gone = "UPDATE workflow_triggers SET timezone = 'Mars/North' WHERE workflow_id = $1"
            await tx.driver_sql(gone, (row.workflow_id,))
        await plot.fire()
        assert [refusal["reason"] for refusal in await plot.refusals()] == ["bad_schedule"]
        assert await plot.row() is None


class TestWorker:
    async def test_every_second_on_the_second(
        self, app: Running, settings: Settings, client: httpx.AsyncClient, make_plot: MakePlot
    ) -> None:
        plot = await make_plot({"cron": "* * * * * *", "overlap": "queue"})
        assert settings.database_url is not None
        ledger, stop = Ledger(settings, settings.database_url), asyncio.Event()
        ledger.use(app.ledger.keyring)
        workers = [asyncio.create_task(tasks.run(ledger, stop)) for _ in range(2)]
        async with asyncio.timeout(20):
            while len(await plot.runs()) < 2:
                await asyncio.sleep(0.05)
        await client.post(f"/workflows/{plot.wire_id}/unpublish")
        stop.set()
        await asyncio.gather(*workers)
        await ledger.stop()
        async with app.ledger.db.housekeeping(plot.workspace_id) as tx:
            keys = await tx.driver_sql("SELECT start_key FROM runs WHERE workspace_id = $1", (plot.workspace_id,))
        slots = sorted(int(key.rpartition(":")[2]) for key in keys.scalars())
        assert slots == list(range(slots[0], slots[-1] + 1, NANOS)), "each second once, and none is left out"
