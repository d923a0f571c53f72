"""What tests of runs are handed: workflows that are published as they are written, a server part and a worker."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from provenance.core import ids
from provenance.core.egress import Egress
from provenance.expressions import Evaluator
from provenance.runs import entering, service
from provenance.runs.runtime import Runs, Working
from provenance.runs.starting import Start
from tests.conftest import Running, Tenant
from tests.runs.published import Published
from tests.runs.target import Target


class World:
    """One workspace with a server part and, while `working` lasts, a worker."""

    def __init__(self, app: Running, tenant: Tenant, published: Published, runs: Runs) -> None:
        self.app = app
        self.published = published
        self.runs = runs
        workspace_id = ids.decode("ws", tenant.id)
        assert workspace_id is not None
        self.workspace_id = workspace_id

    async def start(self, workflow_id: uuid.UUID, given: Any = None, **more: Any) -> str:
        start = Start(
            workspace_id=self.workspace_id, workflow_id=workflow_id, acting=("tester", "system"), input=given, **more
        )
        begun = await entering.prepare(self.runs.library, start)
        await service.begin_alone(self.runs, begun)
        return ids.encode("run", begun.new.id)

    async def get(self, run_id: str) -> Any:
        async with self.app.ledger.db.housekeeping(self.workspace_id) as tx:
            return await service.one(tx, run_id)

    async def steps(self, run_id: str) -> dict[str, Any]:
        keys = await self.app.ledger.keyring.of(self.workspace_id)
        async with self.app.ledger.db.housekeeping(self.workspace_id) as tx:
            found = await service.steps(tx, self.runs, keys, run_id, limit=200, cursor=None)
        return {
            each.step_key if not each.iteration else f"{each.step_key}/{each.iteration}": each for each in found.items
        }

    async def until(self, run_id: str, *statuses: str, seconds: float = 20.0) -> Any:
        wanted = statuses or ("completed", "failed", "cancelled", "timed_out")
        async with asyncio.timeout(seconds):
            while (run := await self.get(run_id)).status not in wanted:
                await asyncio.sleep(0.02)
        return run

    @asynccontextmanager
    async def working(self, **options: Any) -> AsyncIterator[Working]:
        stop = asyncio.Event()
        given: dict[str, Any] = {"slots": 64, "lease_seconds": 12.0, **options}
        egress, evaluator = Egress(["127.0.0.1"]), Evaluator()
        objects = self.app.door.framework.state.objects
        work = Working(self.app.ledger, self.published, egress, objects, evaluate=evaluator.value, **given)
        task = asyncio.create_task(work.run(stop))
        try:
            yield work
        finally:
            stop.set()
            await task
            await egress.close()
            await evaluator.close()


MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def world(app: Running, workspace: Tenant) -> AsyncIterator[World]:
    """A workspace in which runs can be started; a worker is begun where a test needs one."""
    published, evaluator = Published(), Evaluator()
    runs = Runs(app.ledger, published, slots=64, evaluate=evaluator.value)
    runs.start()
    yield World(app, workspace, published, runs)
    await runs.stop()
    await evaluator.close()


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    """A service that workflows call; it honours the idempotency key."""
    found = Target()
    await found.start()
    yield found
    await found.stop()
