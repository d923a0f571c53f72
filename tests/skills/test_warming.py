"""Fork servers that are started before the first call of a live workflow's skill."""

import asyncio

import httpx

from provenance.skills.sandbox.runner import Sandbox
from provenance.skills.sandbox.schemas import Runtime
from provenance.skills.warming import keep_warm
from tests.conftest import Running
from tests.skills.packages import made
from tests.skills.test_steps import call, published


async def test_what_a_live_workflow_calls_is_started_ahead(client: httpx.AsyncClient, app: Running) -> None:
    await published(client, call(await made(client)))
    sandbox, stop = Sandbox(slots=1), asyncio.Event()
    task = asyncio.create_task(keep_warm(app.ledger, sandbox, stop))
    try:
        async with asyncio.timeout(20):
            while Runtime.PYTHON3 not in sandbox.servers:
                await asyncio.sleep(0.01)
        assert sandbox.servers[Runtime.PYTHON3].alive
    finally:
        stop.set()
        await task
        await sandbox.close()
