"""What the tests of event triggers are handed: a worker's part that listens, and workflows that hear."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from provenance.core.settings import Settings
from provenance.ledger.service import Ledger
from provenance.runs.event_triggers import tasks
from tests.conftest import Running
from tests.runs.published import transform

Hear = Callable[..., Awaitable[str]]


def hearing(pattern: str, condition: str | None = None, **more: Any) -> dict[str, Any]:
    """Write a definition that rows of the ledger start; its output is what the run was given."""
    event = {"topicPattern": pattern} | ({} if condition is None else {"filter": condition})
    trigger = {"key": "heard", "kind": "trigger", "config": {"type": "event", "event": event}}
    told = transform("told", {"input": "{{ input }}", "trigger": "{{ trigger }}"})
    return {"schemaVersion": 1, "steps": [trigger, told], "edges": [{"from": "heard", "to": "told"}], **more}


@pytest.fixture
async def listening(app: Running, settings: Settings) -> AsyncIterator[None]:
    """The worker's part."""
    assert settings.database_url is not None
    ledger, stop = Ledger(settings, settings.database_url), asyncio.Event()
    ledger.use(app.ledger.keyring)
    working = asyncio.create_task(tasks.run(ledger, stop))
    yield
    stop.set()
    await working
    await ledger.stop()


@pytest.fixture
def hear(client: httpx.AsyncClient) -> Hear:
    """A factory of published workflows: ``await hear("ledger/ORDER/+", "payload.total > 5")``; answers the id."""

    async def made(pattern: str, condition: str | None = None, *, name: str = "Hears", **more: Any) -> str:
        body = {"name": name, "definition": hearing(pattern, condition, **more)}
        wire_id: str = (await client.post("/workflows", json=body)).json()["workflowId"]
        answer = await client.post(f"/workflows/{wire_id}/publish", json={})
        assert answer.status_code == 200, answer.text
        return wire_id

    return made
