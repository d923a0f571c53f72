"""Steps of the kind skill, in runs of workflows that were published over HTTP and are carried by a worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from provenance.core.egress import Egress
from provenance.core.ids import random_letters
from provenance.expressions import Evaluator
from provenance.runs.doers.skill import Skill
from provenance.runs.live.telling import Telling
from provenance.runs.runtime import Working
from provenance.runs.shelf import WorkflowShelf
from tests.conftest import Running, Tenant
from tests.runs.published import definition
from tests.secrets.canaries import events
from tests.skills.packages import made, packed, upload


@asynccontextmanager
async def working(app: Running) -> AsyncIterator[None]:
    """A worker, which shares the server's sandbox."""
    stop, egress, evaluator, ledger = asyncio.Event(), Egress(), Evaluator(), app.ledger
    skills, telling = app.door.framework.state.skills, Telling(ledger)
    address = await telling.start("127.0.0.1:0")
    work = Working(
        ledger,
        WorkflowShelf(ledger),
        egress,
        app.door.framework.state.objects,
        slots=16,
        lease_seconds=12.0,
        evaluate=evaluator.value,
        further={"skill": Skill(ledger, skills, telling)},
        address=address,
    )
    task = asyncio.create_task(work.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task
        await telling.stop()
        await egress.close()
        await evaluator.close()


async def published(client: httpx.AsyncClient, *steps: dict[str, Any], **more: Any) -> str:
    """Publish a workflow of these steps and return its id."""
    made_workflow = await client.post(
        "/workflows", json={"name": f"of skills {random_letters(6)}", "definition": definition(*steps, **more)}
    )
    assert made_workflow.status_code == 201, made_workflow.text
    workflow_id: str = made_workflow.json()["workflowId"]
    answer = await client.post(f"/workflows/{workflow_id}/publish", json={})
    assert answer.status_code == 200, answer.text
    return workflow_id


async def ended(client: httpx.AsyncClient, workflow_id: str, given: Any) -> dict[str, Any]:
    """Start a run, and return it once it has ended."""
    started = await client.post("/runs", json={"workflowId": workflow_id, "input": given})
    assert started.status_code == 201, started.text
    async with asyncio.timeout(30):
        while True:
            run: dict[str, Any] = (await client.get(f"/runs/{started.json()['runId']}")).json()
            if run["completedAt"] is not None:
                return run
            await asyncio.sleep(0.02)


async def step_of(client: httpx.AsyncClient, run: dict[str, Any], key: str) -> dict[str, Any]:
    steps = (await client.get(f"/runs/{run['runId']}/steps")).json()["items"]
    return next(each for each in steps if each["stepKey"] == key)


def call(skill: dict[str, Any], **config: Any) -> dict[str, Any]:
    return {"key": "call", "kind": "skill", "config": {"skillId": skill["skillId"], **config}}


class TestSkillStep:
    async def test_its_output_and_log_are_the_steps(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant
    ) -> None:
        skill = await made(client, "def run(input):\n    print('counting')\n    return input['n'] + 1\n")
        step = call(skill, input={"n": "{{ input.n }}"})
        workflow_id = await published(client, step, output={"sum": "{{ steps.call.output }}"})
        async with working(app):
            run = await ended(client, workflow_id, {"n": 41})
        assert (run["status"], run["output"]) == ("completed", {"sum": 42})
        found = await step_of(client, run, "call")
        assert [each["message"] for each in found["logs"]] == ["counting"]
        data = [data for name, _, data in await events(app, workspace, "skill") if name == "skill.executed"]
        assert (data[0]["runId"], data[0]["stepKey"]) == (run["runId"], "call")

    async def test_a_run_calls_the_version_of_the_publication(self, client: httpx.AsyncClient, app: Running) -> None:
        skill = await made(client, "def run(input):\n    return 'first'\n")
        workflow_id = await published(client, call(skill), output="{{ steps.call.output }}")
        second = (
            await upload(client, skill["skillId"], packed({"main.py": "def run(i):\n    return 'second'\n"}))
        ).json()
        path = f"/skills/{skill['skillId']}"
        assert (await client.patch(path, json={"activatePackage": second["packageId"]})).json()["version"] == 2
        async with working(app):
            assert (await ended(client, workflow_id, None))["output"] == "first"
            named = await published(client, call(skill, version=2), output="{{ steps.call.output }}")
            assert (await ended(client, named, None))["output"] == "second"

    async def test_a_failure_names_its_code_and_an_input_that_does_not_fit_is_not_tried_again(
        self, client: httpx.AsyncClient, app: Running
    ) -> None:
        skill = await made(client, inputSchema={"type": "object"})
        workflow_id = await published(client, call(skill, input="no object"))
        async with working(app):
            run = await ended(client, workflow_id, None)
        assert (run["status"], run["error"]["code"]) == ("failed", "schema_validation")
        assert (await step_of(client, run, "call"))["attempt"] == 1

    async def test_what_a_live_workflow_calls_is_not_deleted(self, client: httpx.AsyncClient) -> None:
        skill = await made(client)
        workflow_id = await published(client, call(skill))
        path = f"/skills/{skill['skillId']}"
        refused = await client.delete(path)
        assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
        assert (await client.post(f"/workflows/{workflow_id}/unpublish")).status_code == 200
        assert (await client.delete(path)).status_code == 200

    @pytest.mark.parametrize("skill_id", ["skl_00000000000000000000000000", "nonsense"])
    async def test_a_workflow_does_not_go_live_with_a_skill_that_is_not_there(
        self, client: httpx.AsyncClient, skill_id: str
    ) -> None:
        step = call({"skillId": skill_id})
        made_workflow = await client.post("/workflows", json={"name": "w", "definition": definition(step)})
        answer = await client.post(f"/workflows/{made_workflow.json()['workflowId']}/publish", json={})
        assert answer.status_code == 400
        assert "names no skill" in answer.text
