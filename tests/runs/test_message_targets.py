"""Subscriptions that send to workflows: each message starts one run, whose input is the payload or a mapping of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from provenance.core.settings import Settings
from provenance.ledger.service import Ledger
from provenance.runs.message_targets import tasks
from tests.bus.conftest import publish, settled, subscribe
from tests.conftest import Running
from tests.runs.event_triggers.conftest import hearing


@asynccontextmanager
async def working(app: Running, settings: Settings) -> AsyncIterator[None]:
    assert settings.database_url is not None
    ledger, stop = Ledger(settings, settings.database_url), asyncio.Event()
    ledger.use(app.ledger.keyring)
    task = asyncio.create_task(tasks.run(ledger, stop))
    yield
    stop.set()
    await task
    await ledger.stop()


@pytest.fixture
async def starting(app: Running, settings: Settings) -> AsyncIterator[None]:
    async with working(app, settings):
        yield


async def deployed(client: httpx.AsyncClient) -> str:
    body = {"name": "Told", "definition": hearing("never/heard")}
    wire_id: str = (await client.post("/workflows", json=body)).json()["workflowId"]
    assert (await client.post(f"/workflows/{wire_id}/publish", json={})).status_code == 200
    return wire_id


async def inputs(client: httpx.AsyncClient, workflow_id: str) -> list[Any]:
    runs = (await client.get("/runs", params={"workflowId": workflow_id})).json()["items"]
    return [(await client.get(f"/runs/{each['runId']}")).json()["input"] for each in runs]


@pytest.mark.usefixtures("starting")
class TestWorkflowTargets:
    async def test_a_message_starts_one_run(self, client: httpx.AsyncClient) -> None:
        workflow_id = await deployed(client)
        mapping = {"order": "{{ payload.id }}", "from": "{{ topic }}", "said": "no. {{ payload.id }}"}
        target = {"kind": "workflow", "workflowId": workflow_id, "inputMapping": mapping}
        made = await subscribe(client, topicPattern="orders/#", target=target)
        message = await publish(client, topic="orders/created", payload={"id": 7})
        await settled(client, message, "delivered")
        assert await inputs(client, workflow_id) == [{"order": 7, "from": "orders/created", "said": "no. 7"}]
        number = (await client.get("/api/interactions", params={"action": "MESSAGE_PUBLISHED"})).json()["data"][0]
        path = f"/bus/subscriptions/{made['subscriptionId']}/replay"
        answer = await client.post(path, json={"fromNumber": number["interactionNumber"]})
        assert answer.json()["replayed"] == 1
        await settled(client, message, "delivered")
        assert len(await inputs(client, workflow_id)) == 1, "the same message starts one run"

    async def test_what_can_never_start_is_a_dead_letter(self, client: httpx.AsyncClient) -> None:
        target = {
            "kind": "workflow",
            "workflowId": await deployed(client),
            "inputMapping": {"n": "{{ payload.absent }}"},
        }
        await subscribe(client, topicPattern="orders/#", target=target)
        detail = await settled(client, await publish(client, topic="orders/created", payload={"id": 7}), "dead")
        assert "inputMapping" in detail["deliveries"][0]["log"][0]["said"]


async def test_a_plan_that_allows_no_more_runs_is_waited_for(
    client: httpx.AsyncClient, app: Running, settings: Settings
) -> None:
    workflow_id = await deployed(client)
    target = {"kind": "workflow", "workflowId": workflow_id}
    delivery = {"maxAttempts": 30, "backoff": {"initialSeconds": 0.5, "maxSeconds": 0.5}}
    await subscribe(client, topicPattern="orders/#", target=target, delivery=delivery)
    message = await publish(client, topic="orders/created", payload={"id": 7})
    limited = settings.model_copy(update={"plan_limits": {"self_hosted": {"runs": 0}}})
    said: list[str] = []
    async with working(app, limited), asyncio.timeout(30):
        while not said:
            await asyncio.sleep(0.05)
            found = (await client.get(f"/bus/messages/{message['msgId']}")).json()
            said = [each["said"] for each in found["deliveries"][0]["log"]]
    assert said[0].startswith("The workspace's plan allows 0 runs in a calendar month")
    assert await inputs(client, workflow_id) == []
    async with working(app, settings):
        await settled(client, message, "delivered")
    assert await inputs(client, workflow_id) == [{"id": 7}]
