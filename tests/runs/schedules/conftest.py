"""What the tests of schedules are handed: a published workflow with a schedule, and the clock in their hands."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from provenance.core import ids
from provenance.engine.running import Engine
from provenance.runs.library import Library
from provenance.runs.schedules import service
from provenance.runs.shelf import WorkflowShelf
from provenance.runs.triggering import Tools
from provenance.workflows import queries
from tests.conftest import Running, Tenant
from tests.runs.published import transform


def scheduled(schedule: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Write a definition that a schedule starts; its output is what its trigger told."""
    trigger = {"key": "daily", "kind": "trigger", "config": {"type": "schedule", "schedule": schedule}}
    told = transform("told", {"input": "{{ input }}", "trigger": "{{ trigger }}"})
    return {"schemaVersion": 1, "steps": [trigger, told], "edges": [{"from": "daily", "to": "told"}], **more}


@dataclass
class Plot:
    """One workflow with a schedule."""

    app: Running
    client: httpx.AsyncClient
    tools: Tools
    workspace_id: uuid.UUID
    wire_id: str

    async def row(self) -> Any:
        """Return the schedule as the worker finds it once it is due; None when there is none."""
        async with self.app.ledger.db.housekeeping() as tx:
            rows = await queries.due_schedules(tx, 2**62, limit=10_000)
        return next((row for row in rows if row.workflow_id == ids.decode("wf", self.wire_id)), None)

    async def fire(self, late: int = 0, row: Any = None) -> None:
        """Fire, so many nanoseconds after the schedule's time."""
        found = await self.row() if row is None else row
        await service.fire(self.app.ledger.db, self.tools, found, found.next_at + late)

    async def runs(self) -> list[dict[str, Any]]:
        """Return the workflow's runs, the oldest first."""
        found: list[dict[str, Any]] = (await self.client.get(f"/runs?workflowId={self.wire_id}&limit=200")).json()[
            "items"
        ]
        return found[::-1]

    async def refusals(self) -> list[dict[str, Any]]:
        """Return what is on record of times that started nothing, the oldest first."""
        found = (await self.client.get("/audit?eventType=workflow.trigger_refused")).json()["items"]
        return [event["detail"] for event in found][::-1]


MakePlot = Callable[..., Awaitable[Plot]]


@pytest.fixture
async def tools(app: Running) -> AsyncIterator[Tools]:
    """What a worker starts runs with."""
    engine = Engine(app.ledger)
    engine.start()
    yield Tools(engine, Library(WorkflowShelf(app.ledger)))
    await engine.stop()


@pytest.fixture
def make_plot(app: Running, client: httpx.AsyncClient, workspace: Tenant, tools: Tools) -> MakePlot:
    """A factory of published workflows with a schedule: ``await make_plot({"cron": …})``."""

    async def made(schedule: dict[str, Any], **more: Any) -> Plot:
        body = {"name": "Report", "definition": scheduled(schedule, **more)}
        wire_id = (await client.post("/workflows", json=body)).json()["workflowId"]
        answer = await client.post(f"/workflows/{wire_id}/publish", json={})
        assert answer.status_code == 200, answer.text
        workspace_id = ids.decode("ws", workspace.id)
        assert workspace_id is not None
        return Plot(app, client, tools, workspace_id, wire_id)

    return made
