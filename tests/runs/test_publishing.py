"""Steps that publish to the bus: what is published, once, what it starts, and what ends a circle."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from provenance.bus.messages.schemas import Publication
from provenance.bus.publishing import publish
from provenance.core import ids
from provenance.core.actor import Actor, Kind
from provenance.core.settings import Settings
from provenance.runs.doers.bus import Action, Publish
from provenance.runs.doers.contract import Call
from provenance.runs.events import step_span, wire_id, workflow_wire_id
from provenance.runs.interpreting.results import Done, Failed, Park, Result
from tests.approvals.conftest import Workflows
from tests.approvals.conftest import working as carrying
from tests.bus.conftest import interactions, pulled, settled, subscribe
from tests.conftest import Running, Tenant
from tests.runs.conftest import World
from tests.runs.published import definition
from tests.runs.test_message_targets import inputs
from tests.runs.test_message_targets import working as starting

Thing = dict[str, Any]


def publishing(key: str = "tell", **config: Any) -> Thing:
    """Write a step that publishes."""
    return {"key": key, "kind": "action", "config": {"target": "bus", "topic": "orders/paid", **config}}


@pytest.fixture
def workflows(client: httpx.AsyncClient) -> Workflows:
    return Workflows(client)


@pytest.fixture
async def worker(app: Running, settings: Settings) -> AsyncIterator[None]:
    """A worker that carries runs on, and one that starts those of messages."""
    async with carrying(app, settings), starting(app, settings):
        yield


async def published(client: httpx.AsyncClient, **asked: Any) -> list[Thing]:
    """Return the messages of the workspace, newest first."""
    answer = await client.get("/bus/messages", params=asked)
    assert answer.status_code == 200, answer.text
    found: list[Thing] = answer.json()["items"]
    return found


async def waited_for(client: httpx.AsyncClient, number: int, **asked: Any) -> list[Thing]:
    """Return the messages once there are so many."""
    async with asyncio.timeout(30):
        while len(found := await published(client, **asked)) < number:
            await asyncio.sleep(0.02)
    return found


@pytest.mark.usefixtures("worker")
class TestStep:
    async def test_what_it_publishes_is_a_message_in_the_trace_of_the_run(
        self, client: httpx.AsyncClient, workflows: Workflows
    ) -> None:
        queue = await subscribe(client, topicPattern="orders/#")
        payload = {"order": "{{ input.id }}", "words": "no. {{ input.id }}"}
        config = {"payload": payload, "topicKey": "{{ input.id }}", "correlationId": "c-{{ input.id }}"}
        step = publishing(topic="orders/{{ input.what }}", ttlSeconds=60, **config)
        workflow_id = await workflows.publish(definition(step))
        run = await workflows.ended(await workflows.start(workflow_id, {"id": 7, "what": "paid"}))
        assert run["status"] == "completed", run
        [message] = await published(client, correlationId="c-7")
        assert (message["topic"], message["topicKey"], message["ttlSeconds"]) == ("orders/paid", "7", 60)
        assert message["payload"] == {"order": 7, "words": "no. 7"}
        assert (message["producerKind"], message["producerId"]) == ("workflow", workflow_id)
        assert (message["originRunId"], message["hopCount"]) == (run["runId"], 0)
        told = {name: message[name] for name in ("msgId", "topic", "publishedAt", "matchedSubscriptions")}
        assert (run["output"], told["matchedSubscriptions"]) == (told, 1)
        assert [each["message"]["msgId"] for each in await pulled(client, queue)] == [message["msgId"]]
        [entry] = await interactions(client, "BUS", "MESSAGE_PUBLISHED")
        run_id = ids.decode("run", run["runId"])
        assert run_id is not None
        assert entry["uowId"] == run["uowId"] == str(run_id)
        assert entry["parentSpanId"] == step_span(run_id, "tell", 0)
        assert message["msgId"] in (await client.get(f"/api/traces/{run['uowId']}")).text

    async def test_its_input_is_the_payload_unless_it_says_otherwise(
        self, client: httpx.AsyncClient, workflows: Workflows
    ) -> None:
        workflow_id = await workflows.publish(definition(publishing()))
        assert (await workflows.ended(await workflows.start(workflow_id, {"id": 8})))["status"] == "completed"
        assert [each["payload"] for each in await published(client)] == [{"id": 8}]

    async def test_each_item_is_a_message_of_its_own(self, client: httpx.AsyncClient, workflows: Workflows) -> None:
        step = publishing(payload="{{ item }}") | {"forEach": {"items": "{{ input.items }}"}}
        workflow_id = await workflows.publish(definition(step))
        run = await workflows.ended(await workflows.start(workflow_id, {"items": [1, 2, 3]}))
        assert run["status"] == "completed", run
        assert sorted(each["payload"] for each in await published(client)) == [1, 2, 3]

    async def test_a_message_starts_the_run_of_another_workflow(
        self, client: httpx.AsyncClient, workflows: Workflows
    ) -> None:
        hears = await workflows.publish(definition(), "Hears")
        await subscribe(client, topicPattern="orders/#", target={"kind": "workflow", "workflowId": hears})
        tells = await workflows.publish(definition(publishing(payload={"id": "{{ input.id }}"})), "Tells")
        run = await workflows.ended(await workflows.start(tells, {"id": 9}))
        await settled(client, run["output"], "delivered")
        assert await inputs(client, hears) == [{"id": 9}]
        [started] = (await client.get("/runs", params={"workflowId": hears})).json()["items"]
        assert (await client.get(f"/runs/{started['runId']}")).json()["hopCount"] == 1

    async def test_a_circle_ends_at_the_hop_limit(
        self, client: httpx.AsyncClient, workflows: Workflows, app: Running, workspace: Tenant
    ) -> None:
        again = await workflows.publish(definition(publishing(topic="round/again")))
        target = {"kind": "workflow", "workflowId": again}
        await subscribe(client, topicPattern="round/#", target=target)
        workspace_id = ids.decode("ws", workspace.id)
        assert workspace_id is not None
        late = Publication(ids.new_uuid(), "round/again", "{}", "p", "system", ("system", "system"), hop_count=14)
        async with app.ledger.db.write(Actor(Kind.SYSTEM, "system", workspace_id)) as tx:
            await publish(tx, [late])
        last, *_ = await waited_for(client, 3, topic="round/again")
        detail = await settled(client, last, "dead")
        assert "seventeenth" in detail["deliveries"][0]["log"][0]["said"]
        assert [each["hopCount"] for each in await published(client)] == [16, 15, 14]
        assert len(await inputs(client, again)) == 2

    @pytest.mark.parametrize(
        ("config", "given", "code"),
        [
            ({"topic": "{{ input.to }}"}, {"to": "no topic"}, "bad_topic"),
            ({"topic": "{{ input.to }}"}, {"to": None}, "bad_topic"),
            ({"topicKey": "{{ input.to }}"}, {"to": ""}, "bad_message"),
            ({"correlationId": "{{ input.to }}"}, {"to": "x" * 257}, "bad_message"),
            ({"topic": "held/here", "payload": {"n": "{{ input.to }}"}}, {"to": "text"}, "schema_validation"),
        ],
        ids=["topic", "no-topic", "key", "correlation", "schema"],
    )
    async def test_what_the_bus_refuses_fails_the_step_with_its_code(
        self, client: httpx.AsyncClient, workflows: Workflows, config: Thing, given: Thing, code: str
    ) -> None:
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
        body = {"name": "held", "topicPattern": "held/#", "schema": schema, "mode": "reject"}
        assert (await client.post("/bus/schemas", json=body)).status_code == 201
        run_id = await workflows.start(await workflows.publish(definition(publishing(**config))), given)
        run = await workflows.ended(run_id)
        assert (run["status"], run["error"]["code"]) == ("failed", code)
        assert await published(client) == []


async def test_a_plan_that_allows_no_more_messages(
    client: httpx.AsyncClient, workflows: Workflows, app: Running, settings: Settings
) -> None:
    limited = settings.model_copy(update={"plan_limits": {"self_hosted": {"busMessages": 0}}})
    workflow_id = await workflows.publish(definition(publishing()))
    async with carrying(app, limited):
        run = await workflows.ended(await workflows.start(workflow_id))
    assert (run["status"], run["error"]["code"]) == ("failed", "plan_limit_reached")
    assert await published(client) == []


class Thrice:
    """Carries each call out three times, twice of them at once, as if workers had been lost."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self.calls: list[Call] = []
        self.results: list[Done | Failed | Park] = []

    def waits(self, call: Call) -> Park | None:
        return self._publish.waits(call)

    def resume(self, call: Call, outcome: Any) -> Result:
        return self._publish.resume(call, outcome)

    async def perform(self, call: Call) -> Result:
        self.calls.append(call)
        self.results += await asyncio.gather(self._publish.perform(call), self._publish.perform(call))
        self.results.append(await self._publish.perform(call))
        return self.results[0]


async def test_carried_out_again_it_publishes_once(client: httpx.AsyncClient, app: Running, world: World) -> None:
    await subscribe(client, topicPattern="orders/#")
    rung: list[Any] = []
    found = Thrice(Publish(app.ledger, rung.append))
    workflow_id = world.published.publish(definition(publishing("one"), publishing("two")))
    async with world.working(further={"action": Action(found, found)}):
        run = await world.until(await world.start(workflow_id, {"id": 1}))
    assert run.status == "completed", run.error
    messages = await published(client)
    assert len(messages) == len(await interactions(client, "BUS", "MESSAGE_PUBLISHED")) == 2
    assert [each.output["msgId"] for each in found.results] == [
        message["msgId"] for message in reversed(messages) for _ in range(3)
    ]
    assert found.results[:3] == [found.results[0]] * 3
    assert rung == [world.workspace_id] * 2
    assert {each["producerId"] for each in messages} == {workflow_wire_id(workflow_id)}
    assert {each["originRunId"] for each in messages} == {wire_id(found.calls[0].run_id)}


class TestDefinition:
    @pytest.mark.parametrize(
        ("config", "problems"),
        [
            ({"target": "bus"}, ["topic missing"]),
            ({"target": "bus", "topic": "no topic"}, ["topic bad_topic"]),
            (
                {"target": "bus", "topic": "a", "url": "http://127.0.0.1", "method": "POST", "secretId": "s"},
                ["method unexpected", "secretId unexpected", "url unexpected"],
            ),
            (
                {"target": "bus", "topic": "a", "body": 1, "headers": {}, "connectionId": "c"},
                ["body unexpected", "connectionId unexpected", "headers unexpected"],
            ),
            (
                {"target": "bus", "topic": "a", "idempotencyKey": "k", "honoursIdempotencyKey": True},
                ["honoursIdempotencyKey unexpected", "idempotencyKey unexpected"],
            ),
            (
                {"target": "http", "url": "http://127.0.0.1", "topic": "a", "payload": 1, "ttlSeconds": 1},
                ["payload unexpected", "topic unexpected", "ttlSeconds unexpected"],
            ),
        ],
        ids=["none", "topic", "request", "connection", "key", "message"],
    )
    async def test_what_does_not_go_together_is_named(
        self, client: httpx.AsyncClient, config: Thing, problems: list[str]
    ) -> None:
        step = {"key": "tell", "kind": "action", "config": config}
        made = await client.post("/workflows", json={"name": "Broken", "definition": definition(step)})
        place = f"/workflows/{made.json()['workflowId']}"
        kept = (await client.get(f"{place}/draft")).json()["problems"]
        assert sorted(f"{each['path']} {each['code']}" for each in kept) == [
            f"steps[1].config.{problem}" for problem in problems
        ]
        answer = await client.post(f"{place}/publish", json={})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_graph")

    async def test_a_reviewer_is_shown_where_it_sends(self, client: httpx.AsyncClient) -> None:
        steps = [publishing("one"), publishing("two", topic="orders/{{ input.to }}", riskLevel="low")]
        made = await client.post("/workflows", json={"name": "Tells", "definition": definition(*steps)})
        review = (await client.get(f"/workflows/{made.json()['workflowId']}/draft/review")).json()
        powers = [(each["verb"], each["targetKind"], each["target"]) for each in review["powers"]]
        assert powers == [("send", "topic", "*"), ("send", "topic", "orders/paid")]
