"""What tests of approvals are handed: runs that wait at a gate, people who decide, and a worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from provenance.core.settings import Settings
from provenance.expressions import Evaluator
from provenance.ledger.service import Ledger
from provenance.runs import tasks as runs_tasks
from provenance.runs.asking import People
from provenance.runs.runtime import Runs
from tests.conftest import Running, Tenant
from tests.identity.people import As, admin, make_as
from tests.runs.conftest import World, target
from tests.runs.published import Published, definition

__all__ = ["admin", "definition", "make_as", "target"]


def gate(key: str = "gate", **config: Any) -> dict[str, Any]:
    """Write an approval step."""
    return {"key": key, "kind": "approval", "config": {"title": "Pay?", "risk": "medium", **config}}


class Workflows:
    """Publishes workflows and starts their runs over HTTP, as whoever's client it is given."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.published: dict[str, str] = {}

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
        name = str(config)
        if name not in self.published:
            self.published[name] = await self.publish(definition(gate(**config)), f"Asks {len(self.published)}")
        return await self.waiting(await self.start(self.published[name], given, by))

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


@pytest.fixture
async def world(app: Running, workspace: Tenant) -> AsyncIterator[World]:
    """A workspace whose runs ask people."""
    published, evaluator = Published(), Evaluator()
    runs = Runs(app.ledger, published, slots=64, evaluate=evaluator.value, gate=People(app.ledger))
    runs.start()
    yield World(app, workspace, published, runs)
    await runs.stop()
    await evaluator.close()


async def decide(person: As, approval_id: str, verb: str = "approve", **body: Any) -> httpx.Response:
    """Approve or reject."""
    if verb == "reject":
        body.setdefault("comment", "Not like this.")
    return await person.post(f"/approvals/{approval_id}/{verb}", json=body)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """Return the status of an answer, and the code when it is a refusal."""
    return answer.status_code, answer.json().get("code", "")
