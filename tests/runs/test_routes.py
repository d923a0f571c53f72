"""Runs over HTTP: the seed's bodies, waiting for the end, cancelling, replaying, and who may."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from provenance.core.settings import Settings
from provenance.ledger.service import Ledger
from provenance.runs import tasks
from tests.conftest import MakeTenant, Running, Tenant
from tests.runs.published import definition, transform

Publish = Callable[..., Awaitable[str]]
PLUS = definition(transform("plus", {"n": "{{ input.n + 1 }}"}))
GATE = {"key": "gate", "kind": "approval", "config": {"title": "Go on?", "risk": "medium"}}


@pytest.fixture
def publish(client: httpx.AsyncClient) -> Publish:
    """Create and publish a workflow of a definition; the answer is its id."""

    async def made(document: dict[str, Any], name: str = "Order Processing", **more: Any) -> str:
        answer = await client.post("/workflows", json={"name": name, "definition": document, **more})
        workflow_id: str = answer.json()["workflowId"]
        answer = await client.post(f"/workflows/{workflow_id}/publish", json={})
        assert answer.status_code == 200, answer.text
        return workflow_id

    return made


@pytest.fixture
async def worker(app: Running, settings: Settings) -> AsyncIterator[None]:
    """The worker's part, as the worker runs it."""
    assert settings.database_url is not None
    ledger = Ledger(settings, settings.database_url)
    ledger.use(app.ledger.keyring)
    stop = asyncio.Event()
    running = asyncio.create_task(tasks.run(ledger, stop))
    yield
    stop.set()
    await running
    await ledger.stop()


async def ended(client: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    """Read a run until it has ended."""
    async with asyncio.timeout(20):
        while True:
            run: dict[str, Any] = (await client.get(f"/runs/{run_id}")).json()
            if run["completedAt"] is not None:
                return run
            await asyncio.sleep(0.02)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


class TestCreate:
    async def test_it_answers_at_once_as_the_document_has_it(self, client: httpx.AsyncClient, publish: Publish) -> None:
        workflow_id = await publish(PLUS)
        answer = await client.post("/runs", json={"workflowId": workflow_id, "input": {"n": 1}})
        assert answer.status_code == 201
        begun = answer.json()
        assert begun.keys() == {"runId", "workflowId", "status", "startedAt"}
        assert (begun["workflowId"], begun["status"]) == (workflow_id, "running")
        run = (await client.get(f"/runs/{begun['runId']}")).json()
        assert {
            "runId",
            "workflowId",
            "status",
            "startedAt",
            "completedAt",
            "durationMs",
            "input",
            "output",
        } <= run.keys()
        assert (run["status"], run["input"], run["output"]) == ("completed", {"n": 1}, {"n": 2})
        assert (run["workflowVersion"], run["triggerType"], run["environment"]) == (1, "api", "development")

    async def test_with_wait_it_answers_with_the_end(self, client: httpx.AsyncClient, publish: Publish) -> None:
        workflow_id = await publish(PLUS)
        answer = await client.post(f"/workflows/{workflow_id}/trigger", json={"input": {"n": 4}, "wait": 5})
        assert (answer.json()["status"], answer.json()["output"]) == ("completed", {"n": 5})

    async def test_with_wait_it_answers_as_it_stands_when_the_time_is_over(
        self, client: httpx.AsyncClient, publish: Publish
    ) -> None:
        workflow_id = await publish(definition(GATE))
        answer = await client.post(f"/workflows/{workflow_id}/trigger", json={"wait": 1})
        assert (answer.status_code, answer.json()["status"]) == (201, "approval")

    async def test_many_wait_at_once_for_what_a_worker_carries(
        self, client: httpx.AsyncClient, publish: Publish, worker: None
    ) -> None:
        pause = {"key": "rest", "kind": "wait", "config": {"seconds": 0.05}}
        body = {"workflowId": await publish(definition(pause)), "wait": 20}
        answers = await asyncio.gather(*[client.post("/runs", json=body) for _ in range(20)])
        assert {answer.json()["status"] for answer in answers} == {"completed"}

    async def test_a_draft_and_an_unknown_workflow_are_not_found(self, client: httpx.AsyncClient) -> None:
        draft = (await client.post("/workflows", json={"name": "A", "definition": PLUS})).json()["workflowId"]
        for workflow_id in (draft, "wf_01HX0000000000000000000000", "nonsense"):
            answer = await client.post("/runs", json={"workflowId": workflow_id})
            assert code_of(answer) == (404, "workflow_not_deployed")

    async def test_the_input_is_held_to_its_schema(self, client: httpx.AsyncClient, publish: Publish) -> None:
        schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
        workflow_id = await publish({**PLUS, "inputSchema": schema})
        answer = await client.post("/runs", json={"workflowId": workflow_id, "input": {}})
        assert code_of(answer) == (400, "invalid_input")

    async def test_a_repeat_with_its_key_starts_no_second_run(
        self, client: httpx.AsyncClient, publish: Publish, worker: None
    ) -> None:
        body = {"workflowId": await publish(PLUS), "input": {"n": 1}}
        answers = [await client.post("/runs", json=body, headers={"Idempotency-Key": "a"}) for _ in range(2)]
        assert answers[0].json() == answers[1].json()
        assert (await ended(client, answers[0].json()["runId"]))["status"] == "completed"
        assert len((await client.get("/runs")).json()["items"]) == 1

    async def test_it_needs_the_scope(
        self, app: Running, workspace: Tenant, make_tenant: MakeTenant, publish: Publish
    ) -> None:
        workflow_id = await publish(PLUS)
        reader = await make_tenant(("runs:read",), into=workspace.id)
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": reader.key}) as client:
            answer = await client.post("/runs", json={"workflowId": workflow_id})
            assert answer.status_code == 403
            assert (await client.get("/runs")).json()["items"] == []

    async def test_a_switched_off_trigger_starts_nothing(self, client: httpx.AsyncClient, publish: Publish) -> None:
        manual = definition(transform("a", 1))
        workflow_id = await publish(manual)
        found = (await client.get(f"/workflows/{workflow_id}")).json()
        assert found["lastRun"] is None
        await client.post("/runs", json={"workflowId": workflow_id})
        found = (await client.get(f"/workflows/{workflow_id}")).json()
        assert found["lastRun"]["status"] == "completed"
        assert found["stats"]["runs30d"] == 1


class TestHot:
    """What is taken before the framework is answered as the declared route answers it."""

    @pytest.mark.parametrize(
        ("body", "wanted"),
        [
            ('{"workflowId":"nonsense"}', (404, "workflow_not_deployed")),
            ('{"workflowId":"nonsense","wait":31}', (400, "invalid_request")),
            ('{"workflowId":"nonsense","more":1}', (400, "invalid_request")),
            ("{}", (400, "invalid_request")),
            ("[", (400, "invalid_json")),
        ],
    )
    async def test_a_body_that_does_not_fit_is_told_by_the_route(
        self, client: httpx.AsyncClient, body: str, wanted: tuple[int, str]
    ) -> None:
        found = []
        for further in ({}, {"Idempotency-Key": "a"}):
            headers = {"content-type": "application/json", **further}
            found.append(await client.post("/runs", content=body, headers=headers))
        assert [code_of(answer) for answer in found] == [wanted] * 2
        assert found[0].json()["detail"] == found[1].json()["detail"]

    async def test_nobody_and_whoever_may_not_are_refused(
        self, app: Running, workspace: Tenant, make_tenant: MakeTenant
    ) -> None:
        async with httpx.AsyncClient(base_url=app.url) as client:
            assert code_of(await client.post("/runs", json={})) == (401, "not_authenticated")
            reader = await make_tenant(("runs:read",), into=workspace.id)
            refused = await client.post("/runs", json={}, headers={"x-api-key": reader.key})
            assert code_of(refused) == (403, "missing_scope")


class TestRecords:
    async def test_a_run_is_one_unit_of_work_of_the_ledger(self, client: httpx.AsyncClient, publish: Publish) -> None:
        begun = (await client.post("/runs", json={"workflowId": await publish(PLUS), "input": {"n": 1}})).json()
        run = (await client.get(f"/runs/{begun['runId']}")).json()
        trace = (await client.get(f"/api/interactions?uowId={run['uowId']}&limit=50")).json()["data"]
        acts = [row["actionMnemonic"] for row in sorted(trace, key=lambda row: row["interactionNumber"])]
        assert acts == ["STARTED", "STEP_COMPLETED", "STEP_COMPLETED", "COMPLETED"]
        assert {row["resourceId"] for row in trace} == {run["runId"]}
        assert len({row["spanId"] for row in trace}) == 3
        events = (await client.get(f"/audit?objectId={run['runId']}")).json()["items"]
        assert {event["eventType"] for event in events} == {"run.started", "run.step_completed", "run.completed"}


class TestList:
    async def test_newest_first_in_pages_and_narrowed(self, client: httpx.AsyncClient, publish: Publish) -> None:
        first, second = await publish(PLUS), await publish(definition(transform("bad", "{{ input.x }}")), name="B")
        run_ids = []
        for number in range(3):
            for workflow_id in (first, second):
                body = {"workflowId": workflow_id, "input": {"n": number}}
                run_ids.append((await client.post("/runs", json=body)).json()["runId"])
        page = (await client.get("/runs?limit=4")).json()
        assert [run["runId"] for run in page["items"]] == run_ids[::-1][:4]
        rest = (await client.get("/runs", params={"limit": 4, "cursor": page["nextCursor"]})).json()
        assert [run["runId"] for run in rest["items"]] == run_ids[::-1][4:]
        assert rest["nextCursor"] is None
        assert "input" not in page["items"][0]
        for asked, count in (({"status": "succeeded"}, 3), ({"status": "failed"}, 3), ({"workflowId": first}, 3)):
            assert len((await client.get("/runs", params=asked)).json()["items"]) == count
        assert code_of(await client.get("/runs", params={"cursor": page["nextCursor"], "status": "failed"})) == (
            400,
            "bad_cursor",
        )

    async def test_steps_in_pages(self, client: httpx.AsyncClient, publish: Publish) -> None:
        each = transform("each", "{{ item }}", forEach={"items": [1, 2, 3]})
        begun = (await client.post("/runs", json={"workflowId": await publish(definition(each))})).json()
        found, cursor = [], None
        while True:
            asked = {"limit": 2, **({"cursor": cursor} if cursor else {})}
            page = (await client.get(f"/runs/{begun['runId']}/steps", params=asked)).json()
            found += [(step["stepKey"], step["iteration"], step["output"]) for step in page["items"]]
            cursor = page["nextCursor"]
            if cursor is None:
                break
        assert found == [("start", 0, None), ("each", 0, [1, 2, 3]), ("each", 1, 1), ("each", 2, 2), ("each", 3, 3)]


class TestCancel:
    async def test_a_waiting_run_ends_and_only_once(self, client: httpx.AsyncClient, publish: Publish) -> None:
        begun = (await client.post("/runs", json={"workflowId": await publish(definition(GATE))})).json()
        run = (await client.get(f"/runs/{begun['runId']}")).json()
        assert run["status"] == "approval"
        assert run["waiting"][0]["stepId"] == "0002_st_approval"
        answer = await client.post(f"/runs/{begun['runId']}/cancel", json={"reason": "wrong order"})
        assert answer.json() == {"runId": begun["runId"], "status": "cancelled"}
        run = (await client.get(f"/runs/{begun['runId']}")).json()
        assert (run["status"], run["error"]["message"], run["waiting"]) == ("cancelled", "wrong order", [])
        assert code_of(await client.post(f"/runs/{begun['runId']}/cancel", json={})) == (409, "run_ended")

    async def test_an_unknown_run_is_not_found(self, client: httpx.AsyncClient) -> None:
        for path in ("/runs/run_nothing", "/runs/run_01HX0000000000000000000000"):
            assert code_of(await client.get(path)) == (404, "run_not_found")
            assert code_of(await client.post(f"{path}/cancel", json={})) == (404, "run_not_found")


class TestReplay:
    async def test_of_the_live_version_or_its_own(
        self, client: httpx.AsyncClient, publish: Publish, worker: None
    ) -> None:
        workflow_id = await publish(PLUS)
        begun = (await client.post("/runs", json={"workflowId": workflow_id, "input": {"n": 1}})).json()
        draft = (await client.get(f"/workflows/{workflow_id}/draft")).json()
        fixed = definition(transform("plus", {"n": "{{ input.n + 100 }}"}))
        body = {"definition": fixed, "draftRevision": draft["draftRevision"]}
        assert (await client.put(f"/workflows/{workflow_id}/draft", json=body)).status_code == 200
        assert (await client.post(f"/workflows/{workflow_id}/publish", json={})).status_code == 200
        await asyncio.sleep(1.1)  # another process may start the version before for a second
        for version, output in (("live", {"n": 101}), ("original", {"n": 2})):
            answer = await client.post(f"/runs/{begun['runId']}/replay", json={"version": version})
            assert answer.status_code == 201, answer.text
            run = await ended(client, answer.json()["runId"])
            assert (run["output"], run["replayOf"]) == (output, begun["runId"])

    async def test_from_a_step_on_it_keeps_what_came_before(
        self, client: httpx.AsyncClient, publish: Publish, worker: None
    ) -> None:
        document = definition(transform("a", "{{ input.n }}"), transform("b", "{{ [steps.a.output, input.n] }}"))
        begun = (await client.post("/runs", json={"workflowId": await publish(document), "input": {"n": 1}})).json()
        asked = {"fromStepId": "0003_st_logic", "input": {"n": 7}}
        answer = await client.post(f"/runs/{begun['runId']}/replay", json=asked)
        assert answer.status_code == 201, answer.text
        assert (await ended(client, answer.json()["runId"]))["output"] == [1, 7]

    async def test_a_run_that_goes_on_is_not_replayed(self, client: httpx.AsyncClient, publish: Publish) -> None:
        begun = (await client.post("/runs", json={"workflowId": await publish(definition(GATE))})).json()
        assert code_of(await client.post(f"/runs/{begun['runId']}/replay", json={})) == (409, "run_active")
        workflow = (await client.get("/runs")).json()["items"][0]["workflowId"]
        assert (await client.delete(f"/workflows/{workflow}")).status_code == 409
