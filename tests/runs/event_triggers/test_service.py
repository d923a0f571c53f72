"""Rows of the ledger start runs: over HTTP, through the feed, into the table of runs."""

import asyncio
import uuid
from typing import Any

import httpx
import pytest

from provenance.core import ids
from provenance.runs.errors import NotDeployed, TooManyHops
from provenance.runs.event_triggers.service import Message, begin_from_message
from provenance.runs.library import Library
from provenance.runs.shelf import WorkflowShelf
from provenance.runs.triggering import Tools
from tests.conftest import Running, Tenant
from tests.runs.event_triggers.conftest import Hear
from tests.runs.published import definition, transform

pytestmark = pytest.mark.usefixtures("listening")


async def post(
    client: httpx.AsyncClient, kind: str, deed: str, data: dict[str, Any] | None = None, uow_id: str | None = None
) -> dict[str, Any]:
    """Record an interaction."""
    body = {"resourceType": kind, "action": deed, "origin": "SHOP", "resourceId": "r-1", "interaction": data or {}}
    answer = await client.post("/api/interactions", json=body, headers={"x-uowid": uow_id} if uow_id else {})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def runs_of(client: httpx.AsyncClient, wire_id: str, most: int = 1) -> list[dict[str, Any]]:
    """Wait until a workflow has so many runs; return them, the oldest first."""
    async with asyncio.timeout(20):
        while True:
            found: list[dict[str, Any]] = (await client.get(f"/runs?workflowId={wire_id}")).json()["items"]
            if len(found) >= most:
                return found[::-1]
            await asyncio.sleep(0.02)


async def whole(client: httpx.AsyncClient, run: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/runs/{run['runId']}")).json()
    return found


class TestHearing:
    async def test_a_row_starts_a_run_with_its_object_as_input(self, client: httpx.AsyncClient, hear: Hear) -> None:
        wire_id = await hear("ledger/ORDER/+")
        row = await post(client, "ORDER", "PLACED", {"total": 750})
        [run] = await runs_of(client, wire_id)
        assert (run["triggerType"], run["triggeredBy"]) == ("event", {"kind": "system", "id": "event"})
        found = await whole(client, run)
        assert (found["input"], found["hopCount"]) == ({"total": 750}, 0)
        shown = (await client.get(f"/workflows/{wire_id}")).json()["triggerSettings"]["event"]
        assert shown == {"enabled": True, "topicPattern": "ledger/ORDER/+", "filter": None}
        assert row["interactionNumber"] > 0

    async def test_each_row_once_and_only_those_that_match(self, client: httpx.AsyncClient, hear: Hear) -> None:
        placed = await hear("ledger/order/placed", name="A")
        every = await hear("ledger/#", name="B")
        for number in range(5):
            await post(client, "ORDER", "PLACED" if number % 2 else "PAID", {"n": number})
        inputs = [(await whole(client, run))["input"]["n"] for run in await runs_of(client, every, 5)]
        assert inputs == [0, 1, 2, 3, 4]
        inputs = [(await whole(client, run))["input"]["n"] for run in await runs_of(client, placed, 2)]
        assert inputs == [1, 3]

    async def test_a_filter_over_payload_topic_and_message(self, client: httpx.AsyncClient, hear: Hear) -> None:
        condition = "payload.total > 100 && topic == 'ledger/ORDER/PLACED' && message.resourceId == 'r-1'"
        bounded = await hear("ledger/ORDER/+", condition, name="A")
        looping = await hear("ledger/ORDER/+", "payload.?items.orValue([]).exists(i, i == 'x')", name="B")
        await post(client, "ORDER", "PLACED", {"total": 5, "items": ["y", "x"]})
        await post(client, "ORDER", "PLACED", {})  # what it reads is missing: that is no match
        await post(client, "ORDER", "PLACED", {"total": 500})
        assert [(await whole(client, run))["input"] for run in await runs_of(client, bounded)] == [{"total": 500}]
        assert [(await whole(client, run))["input"]["total"] for run in await runs_of(client, looping)] == [5]

    async def test_switched_off_and_on(self, client: httpx.AsyncClient, hear: Hear) -> None:
        wire_id, other = await hear("ledger/ORDER/+", name="A"), await hear("ledger/ORDER/+", name="B")
        off = {"triggerSettings": {"event": {"enabled": False}}}
        assert (await client.put(f"/workflows/{wire_id}", json=off)).status_code == 200
        await post(client, "ORDER", "PLACED", {"n": 1})
        await runs_of(client, other, 1)
        on = {"triggerSettings": {"event": {"enabled": True}}}
        assert (await client.put(f"/workflows/{wire_id}", json=on)).status_code == 200
        await post(client, "ORDER", "PLACED", {"n": 2})
        [run] = await runs_of(client, wire_id)
        assert (await whole(client, run))["input"] == {"n": 2}

    async def test_what_may_be_read_of_the_row(
        self, app: Running, workspace: Tenant, client: httpx.AsyncClient, hear: Hear
    ) -> None:
        wire_id = await hear("ledger/ORDER/PLACED")
        row = await post(client, "ORDER", "PLACED")
        [run] = await runs_of(client, wire_id)
        async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
            found = await tx.driver_sql("SELECT about::jsonb->'trigger' FROM runs WHERE id = $1", (uuid_of(run),))
            told = found.scalar_one()
        shown = ("interactionId", "interactionNumber", "resourceId", "uowId", "recordedDate", "createdDate")
        assert {name: told[name] for name in shown} == {name: row[name] for name in shown}
        assert (told["topic"], told["originMnemonic"], told["platform"]) == ("ledger/ORDER/PLACED", "SHOP", False)


def uuid_of(run: dict[str, Any]) -> uuid.UUID:
    found = ids.decode("run", run["runId"])
    assert found is not None
    return found


class TestPlatformRows:
    async def test_only_a_pattern_that_names_their_type_has_them(self, client: httpx.AsyncClient, hear: Hear) -> None:
        wide = await hear("ledger/#", name="A")
        named = await hear("ledger/RUN/COMPLETED", name="B")
        plain = await client.post("/workflows", json={"name": "C", "definition": definition(transform("a", 1))})
        workflow_id = plain.json()["workflowId"]
        await client.post(f"/workflows/{workflow_id}/publish", json={})
        begun = (await client.post("/runs", json={"workflowId": workflow_id})).json()
        [run] = await runs_of(client, named)
        found = await whole(client, run)
        assert (found["input"]["runId"], found["hopCount"]) == (begun["runId"], 1)
        await post(client, "ORDER", "PLACED", {"last": True})
        assert [(await whole(client, each))["input"] for each in await runs_of(client, wide)] == [{"last": True}]


class TestBus:
    async def test_a_message_starts_a_run_with_its_payload(self, client: httpx.AsyncClient, hear: Hear) -> None:
        wire_id = await hear("orders/+", "payload.total > 100 && message.topicKey == 'ORD-1'")
        every = await hear("#", name="Every")
        for total in (5, 500):
            body = {"topic": "orders/created", "payload": {"total": total}, "topicKey": "ORD-1", "correlationId": "c-9"}
            sent = await client.post("/bus/messages", json=body)
            assert sent.status_code == 201, sent.text
        [run] = await runs_of(client, wire_id)
        found = await whole(client, run)
        assert (found["input"], found["hopCount"], found["correlationId"]) == ({"total": 500}, 1, "c-9")
        assert len(await runs_of(client, every, 2)) == 2

    async def test_a_large_payload_is_there_whole(self, client: httpx.AsyncClient, hear: Hear) -> None:
        wire_id = await hear("files/#")
        payload = {"text": "x" * 500_000}
        assert (await client.post("/bus/messages", json={"topic": "files", "payload": payload})).status_code == 201
        [run] = await runs_of(client, wire_id)
        assert (await whole(client, run))["input"] == payload


class TestLoops:
    async def test_a_workflow_does_not_hear_itself(self, client: httpx.AsyncClient, hear: Hear) -> None:
        own = await hear("ledger/ORDER/#", name="A")
        other = await hear("ledger/ORDER/#", name="B")
        await post(client, "ORDER", "PLACED", {"n": 0})
        [first], [second] = await runs_of(client, own), await runs_of(client, other)
        uow_id = (await whole(client, first))["uowId"]
        await post(client, "ORDER", "CHANGED", {"n": 1}, uow_id)
        caused = (await runs_of(client, other, 2))[1]
        assert (await whole(client, caused))["hopCount"] == 1
        await post(client, "ORDER", "CHANGED", {"n": 2}, (await whole(client, second))["uowId"])
        assert (await whole(client, (await runs_of(client, own, 2))[1]))["input"] == {"n": 2}

    async def test_a_chain_ends_and_leaves_a_record(
        self, app: Running, workspace: Tenant, client: httpx.AsyncClient, hear: Hear
    ) -> None:
        first = await hear("ledger/ORDER/#", name="A")
        second = await hear("ledger/ORDER/#", name="B")
        await post(client, "ORDER", "PLACED")
        [run] = await runs_of(client, first)
        await runs_of(client, second)
        async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
            await tx.driver_sql("UPDATE runs SET hop_count = 16 WHERE id = $1", (uuid_of(run),))
        await post(client, "ORDER", "CHANGED", uow_id=(await whole(client, run))["uowId"])
        refusal = await self.refusal(client)
        assert (refusal["reason"], refusal["workflowId"], refusal["count"]) == ("hop_limit", second, 1)
        assert len(await runs_of(client, second)) == 1

    async def test_a_refusal_is_heard_by_nobody(self, client: httpx.AsyncClient, hear: Hear) -> None:
        schema = {"type": "object", "required": ["never"]}
        picky = await hear("ledger/WORKFLOW/#", name="A", inputSchema=schema)
        await hear("ledger/WORKFLOW/TRIGGER_REFUSED", name="B", inputSchema=schema)
        refusal = await self.refusal(client)
        assert (refusal["reason"], refusal["trigger"], refusal["type"]) == ("invalid_input", "heard", "event")
        assert refusal["workflowId"] == picky
        marker = await hear("ledger/ORDER/+", name="C")
        await post(client, "ORDER", "PLACED")
        await runs_of(client, marker)
        refused = (await client.get("/audit?eventType=workflow.trigger_refused")).json()["items"]
        assert {event["objectId"] for event in refused} == {picky}

    @staticmethod
    async def refusal(client: httpx.AsyncClient) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while True:
                items = (await client.get("/audit?eventType=workflow.trigger_refused")).json()["items"]
                if items:
                    detail: dict[str, Any] = items[-1]["detail"]
                    return detail
                await asyncio.sleep(0.02)


class TestMessages:
    """The way in for other features."""

    async def test_a_message_starts_one_run(
        self, app: Running, workspace: Tenant, client: httpx.AsyncClient, hear: Hear
    ) -> None:
        wire_id = await hear("orders/created")
        tools = Tools(app.door.framework.state.runs.engine, Library(WorkflowShelf(app.ledger)))
        message = self.message(workspace, wire_id)
        begun = []
        for _ in range(2):
            async with app.ledger.db.housekeeping(message.workspace_id) as tx:
                begun.append(await begin_from_message(tx, tools, message))
        assert [each.new for each in begun] == [True, False]
        [run] = await runs_of(client, wire_id)
        found = await whole(client, run)
        assert (found["input"], found["hopCount"], found["correlationId"]) == ({"n": 1}, 3, "c-1")

    async def test_a_workflow_without_an_event_trigger_is_entered_as_by_hand(
        self, app: Running, workspace: Tenant, client: httpx.AsyncClient
    ) -> None:
        made = await client.post("/workflows", json={"name": "C", "definition": definition(transform("a", 1))})
        wire_id = made.json()["workflowId"]
        tools = Tools(app.door.framework.state.runs.engine, Library(WorkflowShelf(app.ledger)))
        message = self.message(workspace, wire_id)
        async with app.ledger.db.housekeeping(message.workspace_id) as tx:
            with pytest.raises(NotDeployed):
                await begin_from_message(tx, tools, message)
        await client.post(f"/workflows/{wire_id}/publish", json={})
        async with app.ledger.db.housekeeping(message.workspace_id) as tx:
            assert (await begin_from_message(tx, tools, message)).new
        far = self.message(workspace, wire_id, hop_count=17, start_key="msg:2")
        async with app.ledger.db.housekeeping(message.workspace_id) as tx:
            with pytest.raises(TooManyHops):
                await begin_from_message(tx, tools, far)

    @staticmethod
    def message(workspace: Tenant, wire_id: str, **more: Any) -> Message:
        workspace_id, workflow_id = ids.decode("ws", workspace.id), ids.decode("wf", wire_id)
        assert workspace_id is not None
        assert workflow_id is not None
        told = {"topic": "orders/created", "msgId": "msg_1"}
        given = {"start_key": "msg:1", "payload": {"n": 1}, "told": told, "hop_count": 3, "correlation_id": "c-1"}
        return Message(workspace_id=workspace_id, workflow_id=workflow_id, **{**given, **more})
