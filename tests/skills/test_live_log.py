"""What a skill writes in a step reaches those who watch its run while it runs: `run.log` over WebSocket and events."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiohttp import web
from websockets.asyncio.client import connect

from provenance.core.settings import Settings
from tests.conftest import Running, Tenant, make_tenant_of, running
from tests.realtime.conftest import Ear, ws
from tests.secrets.canaries import canary
from tests.skills.packages import made
from tests.skills.test_steps import call, published, step_of, working

WRITES = """
from provenance_skill import request, secrets
def run(input):
    print("begun")
    print("the key is", secrets["LIVE_KEY"])
    request("GET", input["url"])
    print("over")
    return 1
"""


class Gate:
    """A service that lets a call wait until it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        await self.opened.wait()
        return web.Response(text="go on")


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    found = Gate()
    served = web.Application()
    served.router.add_get("/wait", found.answer)
    runner = web.AppRunner(served)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/wait"
    yield found
    found.opened.set()
    await runner.cleanup()


@pytest.fixture(scope="module")
async def reaching(settings: Settings) -> AsyncIterator[Running]:
    """A server whose skills may reach the loopback."""
    async with running(settings.model_copy(update={"egress_allow": ["127.0.0.1"]})) as found:
        yield found


@pytest.fixture
async def tenant(reaching: Running) -> Tenant:
    return await make_tenant_of(reaching.ledger)


@pytest.fixture
async def caller(reaching: Running, tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=reaching.url, headers={"x-api-key": tenant.key}, timeout=30) as found:
        yield found


async def workflow(caller: httpx.AsyncClient, secret: str) -> str:
    put = await caller.post("/secrets", json={"name": "LIVE_KEY", "type": "api_key", "value": secret})
    assert put.status_code == 201, put.text
    egress = {"mode": "allowlist", "hosts": ["127.0.0.1"]}
    skill = await made(caller, WRITES, secretRefs=["LIVE_KEY"], egress=egress)
    return await published(caller, call(skill, input={"url": "{{ input.url }}"}))


def messages(frames: list[dict[str, Any]]) -> list[str]:
    return [each["data"]["message"] for each in frames if each["type"] == "run.log"]


async def test_lines_are_heard_before_the_step_ends(
    reaching: Running, tenant: Tenant, caller: httpx.AsyncClient, gate: Gate
) -> None:
    secret = canary()
    workflow_id = await workflow(caller, secret)
    started = (await caller.post("/runs", json={"workflowId": workflow_id, "input": {"url": gate.url}})).json()
    channel = f"runs:{started['runId']}"
    async with (
        connect(ws(reaching), additional_headers={"x-api-key": tenant.key}, compression=None, proxy=None) as socket,
        working(reaching),
        asyncio.timeout(60),
    ):
        ear = Ear(socket)
        assert (await ear.ask("subscribe", channels=[channel]))["type"] == "ack"
        frames = await ear.until(lambda heard: len(messages(heard)) >= 2)
        step = await step_of(caller, started, "call")
        assert step["status"] == "running"
        logged = [each for each in frames if each["type"] == "run.log"]
        assert [(each["channel"], each["seq"]) for each in logged] == [(channel, None)] * 2
        told = [each["data"] for each in logged]
        assert [(each["offset"], each["stepId"], each["attempt"]) for each in told] == [
            (0, step["stepId"], 1),
            (1, step["stepId"], 1),
        ]
        assert told[0]["message"] == "begun"
        assert secret not in json.dumps(ear.heard)
        gate.opened.set()
        await ear.until(lambda heard: "over" in messages(heard))
        await ear.until(lambda heard: any(each["type"] == "run.completed" for each in heard))
    whole = await step_of(caller, started, "call")
    assert [each["message"] for each in whole["logs"]] == messages(ear.frames)


async def test_events_carry_them_too_and_only_to_those_who_listen_to_the_run(
    reaching: Running, tenant: Tenant, caller: httpx.AsyncClient, gate: Gate
) -> None:
    workflow_id = await workflow(caller, canary())
    started = (await caller.post("/runs", json={"workflowId": workflow_id, "input": {"url": gate.url}})).json()
    params = {"channel": f"runs:{started['runId']}"}
    async with (
        connect(ws(reaching), additional_headers={"x-api-key": tenant.key}, compression=None, proxy=None) as socket,
        working(reaching),
        caller.stream("GET", "/events", params=params, timeout=60) as events,
        asyncio.timeout(60),
    ):
        ear = Ear(socket)
        await ear.ask("subscribe", channels=["runs"])
        lines = events.aiter_lines()
        async for line in lines:
            if line == "event: run.log":
                break
        heard = json.loads((await anext(lines)).removeprefix("data: "))
        assert heard["data"]["message"] == "begun"
        gate.opened.set()
        await ear.until(lambda found: any(each["type"] == "run.completed" for each in found))
        assert messages(ear.frames) == []
