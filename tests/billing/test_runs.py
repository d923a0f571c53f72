"""Limits of runs and their steps: none begins any more, and what is under way comes to its end."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from provenance.runs import tasks
from tests.billing.conftest import LIMITS
from tests.billing.test_routes import happen
from tests.conftest import Running
from tests.identity.people import As
from tests.runs.published import definition, transform

MOST = LIMITS["self_hosted"]
DETAIL = (
    r"The workspace's plan allows {} in a calendar month; 0 are left\. Wait until \d{{4}}-\d\d-01T00:00:00\.000Z, when "
    r"the next month begins, or have the limit {} raised in PROVENANCE_PLAN_LIMITS\. An administrator sees the limits "
    r"at /billing/summary\."
)


async def published(person: As, document: dict[str, Any], name: str = "It") -> str:
    answer = await person.post("/workflows", json={"name": name, "definition": document})
    workflow: str = answer.json()["workflowId"]
    published = await person.post(f"/workflows/{workflow}/publish", json={})
    assert published.status_code == 200, published.text
    return workflow


async def ended(person: As, run_id: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            run: dict[str, Any] = (await person.get(f"/runs/{run_id}")).json()
            if run["status"] in ("completed", "failed"):
                return run
            await asyncio.sleep(0.05)


@asynccontextmanager
async def working(app: Running) -> AsyncIterator[None]:
    """What carries runs in a worker."""
    stop = asyncio.Event()
    task = asyncio.create_task(tasks.run(app.ledger, stop))
    yield
    stop.set()
    await task


class TestRuns:
    @pytest.mark.parametrize(
        ("limit", "event", "said"),
        [("runs", "run.started", "2 runs"), ("steps", "run.step_completed", "3 steps of runs")],
    )
    async def test_none_begins_beyond_a_limit(
        self, paid: Running, payer: As, limit: str, event: str, said: str
    ) -> None:
        workflow = await published(payer, definition(transform("it", 1)))
        for _ in range(MOST[limit]):
            await happen(paid, payer.workspace, event)
        for path, body in (("/runs", {"workflowId": workflow}), (f"/workflows/{workflow}/trigger", {})):
            answer = await payer.post(path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (409, "plan_limit_reached"), answer.text
            assert re.fullmatch(DETAIL.format(said, limit), answer.json()["detail"]), answer.json()["detail"]
        assert (await payer.get("/runs")).json()["items"] == []
        summary = (await payer.get("/billing/summary")).json()
        assert (summary["usage"][limit], summary["limits"], summary["overage"]) == (MOST[limit], MOST, {})
        await happen(paid, payer.workspace, event)
        assert (await payer.get("/billing/summary")).json()["overage"] == {limit: 1}

    async def test_what_is_under_way_comes_to_its_end_with_the_runs_it_starts(self, paid: Running, payer: As) -> None:
        child = await published(payer, definition(transform("it", 42)), "Child")
        config = {"workflowId": child, "input": {}}
        sub = {"key": "sub", "kind": "workflow", "config": config}
        parent = await published(payer, definition(sub, transform("after", 1)), "Parent")
        answer = await payer.post("/runs", json={"workflowId": parent})
        assert answer.status_code == 201, answer.text
        for limit, event in (("runs", "run.started"), ("steps", "run.step_completed")):
            for _ in range(MOST[limit]):
                await happen(paid, payer.workspace, event)
        async with working(paid):
            run = await ended(payer, answer.json()["runId"])
        assert run["status"] == "completed", run
        overage = (await payer.get("/billing/summary")).json()["overage"]
        assert overage["runs"] == 2
        assert overage["steps"] >= 2
