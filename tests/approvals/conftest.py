"""What tests of approvals are handed: runs that wait at a gate, people who decide, and a worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import httpx
import pytest

from provenance.core.settings import Settings
from provenance.ledger.service import Ledger
from provenance.runs import tasks as runs_tasks
from tests.conftest import Running
from tests.identity.people import As, admin, make_as

__all__ = ["admin", "make_as"]


def gate(key: str = "gate", **config: Any) -> dict[str, Any]:
    """Write an approval step."""
    return {"key": key, "kind": "approval", "config": {"title": "Pay?", "risk": "medium", **config}}


def definition(*steps: dict[str, Any], edges: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    """Write a definition: a manual trigger `start`, then steps, in a row unless edges say otherwise."""
    keys = ["start", *[step["key"] for step in steps]]
    trigger = {"key": "start", "kind": "trigger", "config": {"type": "manual"}}
    named = list(pairwise(keys)) if edges is None else edges
    written = [edge if isinstance(edge, dict) else {"from": edge[0], "to": edge[1]} for edge in named]
    return {"schemaVersion": 1, "steps": [trigger, *steps], "edges": written, **more}


class Workflows:
    """Publishes workflows and starts their runs over HTTP, as whoever's client it is given."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def publish(self, document: dict[str, Any], name: str = "Payments") -> str:
        made = await self.client.post("/workflows", json={"name": name, "definition": document})
        assert made.status_code == 201, made.text
        workflow_id: str = made.json()["workflowId"]
        answer = await self.client.post(f"/workflows/{workflow_id}/publish", json={})
        assert answer.status_code == 200, answer.text
        return workflow_id

    async def start(self, workflow_id: str, given: Any = None, by: httpx.AsyncClient | None = None) -> str:
        answer = await (by or self.client).post("/runs", json={"workflowId": workflow_id, "input": given or {}})
        assert answer.status_code == 201, answer.text
        run_id: str = answer.json()["runId"]
        return run_id

    async def ask(self, *, given: Any = None, by: httpx.AsyncClient | None = None, **config: Any) -> dict[str, Any]:
        """Return the approval that a new run waits for at a gate of this configuration, as it is read."""
        name = f"Payments {id(config)} {len(str(config))}"
        run_id = await self.start(await self.publish(definition(gate(**config)), name), given, by)
        return await self.waiting(run_id)

    async def waiting(self, run_id: str) -> dict[str, Any]:
        """Return what a run asks, once it asks."""
        async with asyncio.timeout(20):
            while True:
                found = (await self.client.get("/approvals", params={"runId": run_id, "status": "pending"})).json()
                if found["items"]:
                    answer = await self.client.get(f"/approvals/{found['items'][0]['approvalId']}")
                    approval: dict[str, Any] = answer.json()
                    return approval
                await asyncio.sleep(0.02)

    async def ended(self, run_id: str) -> dict[str, Any]:
        """Return a run once it has ended."""
        async with asyncio.timeout(20):
            while True:
                run: dict[str, Any] = (await self.client.get(f"/runs/{run_id}")).json()
                if run["completedAt"] is not None:
                    return run
                await asyncio.sleep(0.02)


@pytest.fixture
def workflows(client: httpx.AsyncClient) -> Workflows:
    """Workflows of the test's workspace, by its key, which no person made."""
    return Workflows(client)


@asynccontextmanager
async def working(app: Running, settings: Settings) -> AsyncIterator[None]:
    """Run a worker that carries runs on, for as long as the block lasts."""
    assert settings.database_url is not None
    ledger = Ledger(settings, settings.database_url)
    ledger.use(app.ledger.keyring)
    stop = asyncio.Event()
    running = asyncio.create_task(runs_tasks.run(ledger, stop))
    try:
        yield
    finally:
        stop.set()
        await running
        await ledger.stop()


@pytest.fixture
async def worker(app: Running, settings: Settings) -> AsyncIterator[None]:
    """A worker that carries runs on."""
    async with working(app, settings):
        yield


async def decide(person: As, approval_id: str, verb: str = "approve", **body: Any) -> httpx.Response:
    """Approve or reject."""
    if verb == "reject":
        body.setdefault("comment", "Not like this.")
    return await person.post(f"/approvals/{approval_id}/{verb}", json=body)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """Return the status of an answer, and the code when it is a refusal."""
    return answer.status_code, answer.json().get("code", "")
