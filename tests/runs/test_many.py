"""Many runs at once over HTTP, and runs whose time is over."""

import asyncio
import secrets
import uuid
from typing import Any

import httpx
from sqlalchemy import text

from provenance.core import ids
from provenance.core.clock import NANOS, now_ns
from provenance.runs.retention import forget_old
from tests.conftest import Running, Tenant
from tests.identity.people import As, admin, make_as
from tests.runs.published import definition, transform
from tests.runs.test_routes import GATE, PLUS, Publish, code_of, publish, worker

__all__ = ["admin", "make_as", "publish", "worker"]
DAY_NS = 24 * 3600 * NANOS


async def start(client: httpx.AsyncClient, workflow_id: str, **body: Any) -> str:
    run_id: str = (await client.post("/runs", json={"workflowId": workflow_id, **body})).json()["runId"]
    return run_id


class TestBulk:
    async def test_it_cancels_what_goes_on_and_matches(self, client: httpx.AsyncClient, publish: Publish) -> None:
        gate, other = await publish(definition(GATE)), await publish(definition(GATE), name="B")
        waiting = [await start(client, gate) for _ in range(3)]
        kept = await start(client, other)
        asked = {"action": "cancel", "filter": {"workflowId": gate}, "limit": 2, "reason": "Wrong prices."}
        answer = (await client.post("/runs/bulk", json=asked)).json()
        assert answer == {
            "action": "cancel",
            "more": True,
            "items": [{"runId": run_id, "ok": True, "status": "cancelled"} for run_id in waiting[:2]],
        }
        answer = (await client.post("/runs/bulk", json=asked)).json()
        assert ([item["runId"] for item in answer["items"]], answer["more"]) == (waiting[2:], False)
        run = (await client.get(f"/runs/{waiting[0]}")).json()
        assert (run["status"], run["error"]["message"]) == ("cancelled", "Wrong prices.")
        assert (await client.get(f"/runs/{kept}")).json()["status"] == "approval"

    async def test_it_replays_what_has_ended_and_says_why_one_was_not(
        self, client: httpx.AsyncClient, publish: Publish
    ) -> None:
        good, gone = await publish(PLUS), await publish(PLUS, name="Gone")
        first, second = await start(client, good, input={"n": 1}), await start(client, gone, input={"n": 2})
        await client.post(f"/workflows/{gone}/unpublish", json={})
        async with asyncio.timeout(30):  # what is live is known for a second
            while (await client.post("/runs", json={"workflowId": gone})).status_code == 201:
                await asyncio.sleep(0.05)
        asked = {"action": "replay", "filter": {"runIds": [first, second, "run_nonsense"], "status": "succeeded"}}
        items = (await client.post("/runs/bulk", json=asked)).json()["items"]
        assert [(item["runId"], item["ok"], item.get("code")) for item in items] == [
            (first, True, None),
            (second, False, "workflow_not_deployed"),
        ]
        assert (await client.get(f"/runs/{items[0]['newRunId']}")).json()["replayOf"] == first

    async def test_a_filter_names_something(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/runs/bulk", json={"action": "cancel", "filter": {}})
        assert code_of(answer) == (400, "invalid_request")
        asked = {"action": "cancel", "filter": {"workflowId": "nonsense"}}
        assert (await client.post("/runs/bulk", json=asked)).json() == {"action": "cancel", "items": [], "more": False}


class TestForgetting:
    async def test_runs_whose_time_is_over_lose_their_data_and_what_they_recorded_stays(
        self, app: Running, client: httpx.AsyncClient, workspace: Tenant, publish: Publish
    ) -> None:
        workflow_id = await publish(definition(transform("a", 1), GATE))
        old, waiting, young = [await start(client, workflow_id) for _ in range(3)]
        for run_id in (old, young):
            await client.post(f"/runs/{run_id}/cancel", json={})
        [old, waiting] = await self.age(app, workspace, [old, waiting])
        assert await forget_old(app.ledger.db) >= 1
        found = [(await client.get(f"/runs/{run_id}")).status_code for run_id in (old, waiting, young)]
        assert found == [404, 200, 200]
        assert (await client.get(f"/runs/{waiting}/steps")).json()["items"] != []
        [event] = (await client.get("/audit", params={"objectId": old})).json()["items"]
        assert (event["eventType"], event["detail"]["reason"], event["detail"]["runs"]) == (
            "run.deleted",
            "retention",
            1,
        )

    async def age(self, app: Running, workspace: Tenant, run_ids: list[str]) -> list[str]:
        """Make runs a hundred days older; return their new ids, which begin with the moment of their start."""
        before, aged = now_ns() - 100 * DAY_NS, []
        async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
            for run_id in run_ids:
                mine = {"workspace": tx.workspace_id, "run": ids.decode("run", run_id), "before": before}
                mine["older"] = uuid.UUID(int=((before // 1_000_000) << 80) + secrets.randbits(70))
                aged.append(ids.encode("run", mine["older"]))
                for table, key in (("runs", "id"), ("run_steps", "run_id"), ("run_waits", "run_id")):
                    where = f"workspace_id = :workspace AND {key} = :run"
                    await tx.execute(text(f"UPDATE {table} SET {key} = :older WHERE {where}"), mine)
                times = "started_at = CAST(:before AS bigint), ended_at = ended_at - CAST(8640000000000000 AS bigint)"
                await tx.execute(text(f"UPDATE runs SET {times} WHERE workspace_id = :workspace AND id = :older"), mine)
        return aged

    async def test_an_administrator_deletes_one_with_all_that_hangs_on_it(
        self, client: httpx.AsyncClient, publish: Publish, admin: As
    ) -> None:
        run_id = await start(client, await publish(definition({**GATE, "config": {"title": "Go?", "risk": "high"}})))
        assert code_of(await client.delete(f"/runs/{run_id}")) == (403, "people_only")
        assert code_of(await admin.delete(f"/runs/{run_id}")) == (409, "run_active")
        await client.post(f"/runs/{run_id}/cancel", json={})
        assert (await admin.delete(f"/runs/{run_id}")).json() == {"runId": run_id, "deleted": True}
        for path in (f"/runs/{run_id}", f"/runs/{run_id}/steps"):
            assert code_of(await client.get(path)) == (404, "run_not_found")
        assert (await client.get("/approvals", params={"runId": run_id})).json()["items"] == []
        events = (await client.get("/audit", params={"objectId": run_id})).json()["items"]
        assert {"run.started", "run.cancelled", "run.deleted"} <= {event["eventType"] for event in events}
