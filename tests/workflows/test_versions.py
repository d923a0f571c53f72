"""Versions over HTTP: publishing, its refusals, going back, taking back, promoting, webhook secrets, triggers."""

from copy import deepcopy
from hashlib import sha256
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import DBAPIError

from provenance.core import ids
from provenance.proof.canonical import canonical
from provenance.workflows import queries
from provenance.workflows.webhook_secret import service as webhook_secrets
from tests.conftest import Running, Tenant
from tests.identity.people import rows
from tests.workflows.conftest import Make
from tests.workflows.examples import ORDER
from tests.workflows.test_routes import code_of


def with_trigger(config: dict[str, Any]) -> dict[str, Any]:
    document = deepcopy(ORDER)
    document["steps"][0]["config"] = config
    return document


async def save(client: httpx.AsyncClient, path: str, definition: dict[str, Any]) -> None:
    revision = (await client.get(f"{path}/draft")).json()["draftRevision"]
    answer = await client.put(f"{path}/draft", json={"definition": definition, "draftRevision": revision})
    assert answer.status_code == 200, answer.text


class TestPublish:
    async def test_makes_an_immutable_version(
        self, app: Running, workspace: Tenant, client: httpx.AsyncClient, make: Make
    ) -> None:
        made = await make()
        path = f"/workflows/{made['workflowId']}"
        answer = (await client.post(f"{path}/publish", json={"note": "first", "draftRevision": 1})).json()
        assert {name: answer[name] for name in ("workflowId", "version", "status")} == {
            "workflowId": made["workflowId"],
            "version": 1,
            "status": "deployed",
        }
        found = (await client.get(path)).json()
        assert (found["status"], found["version"], found["hasUnpublishedChanges"]) == ("deployed", 1, False)
        assert found["inputSchema"] == ORDER["inputSchema"]
        assert sha256(canonical(found["definition"])).hexdigest() == answer["checksum"]
        [version] = (await client.get(f"{path}/versions")).json()["items"]
        assert (version["note"], version["live"], version["checksum"]) == ("first", True, answer["checksum"])
        event, _, data = (await rows(app, workspace.id, "WORKFLOW"))[-1]
        assert (event, data["version"], data["gained"]) == (
            "workflow.published",
            [None, 1],
            ["touch datastore ds_orders", "touch http http://127.0.0.1:9"],
        )
        workspace_id, workflow_id = ids.decode("ws", workspace.id), ids.decode("wf", made["workflowId"])
        sql = "UPDATE workflow_versions SET note = 'x' WHERE workflow_id = $1"
        with pytest.raises(DBAPIError, match="never changes"):
            async with app.ledger.db.housekeeping(workspace_id) as tx:
                await tx.driver_sql(sql, (workflow_id,))

    async def test_what_is_refused(self, client: httpx.AsyncClient, make: Make, published: Make) -> None:
        cyclic = deepcopy(ORDER)
        cyclic["edges"] += [{"from": "store", "to": "over"}, {"from": "store", "to": "nowhere"}]
        path = f"/workflows/{(await make(name='bad', definition=cyclic))['workflowId']}/publish"
        refused = await client.post(path, json={})
        assert code_of(refused) == (400, "invalid_graph")
        assert {"steps[1]", "steps[4]", "edges[6].to"} <= {each["path"] for each in refused.json()["details"]}
        path = f"/workflows/{(await published())['workflowId']}/publish"
        assert code_of(await client.post(path, json={"draftRevision": 9})) == (409, "stale")
        assert code_of(await client.post(path, json={})) == (409, "draft_unchanged")

    async def test_a_workflow_that_is_started_must_be_there(
        self, client: httpx.AsyncClient, make: Make, published: Make
    ) -> None:
        child = await published(name="child")
        parent = deepcopy(ORDER)
        parent["steps"][4] = {"key": "store", "kind": "workflow", "config": {"workflowId": "wf_none"}}
        parent["output"] = {}
        path = f"/workflows/{(await make(name='parent', definition=parent))['workflowId']}"
        refused = (await client.post(f"{path}/publish", json={})).json()
        assert refused["details"] == [{"path": "steps[4].config.workflowId", "issue": "names no workflow"}]
        parent["steps"][4]["config"]["workflowId"] = child["workflowId"]
        await save(client, path, parent)
        assert (await client.post(f"{path}/publish", json={})).status_code == 200

    async def test_gates_can_be_insisted_on(self, client: httpx.AsyncClient, make: Make) -> None:
        path = f"/workflows/{(await make())['workflowId']}/publish"
        refused = await client.post(path, json={"requireGates": {"risk": "high"}})
        assert code_of(refused) == (400, "ungated")
        assert "start → over → call" in refused.json()["detail"]

    async def test_a_version_goes_live_again_and_is_taken_back(
        self, app: Running, workspace: Tenant, client: httpx.AsyncClient, published: Make
    ) -> None:
        path = f"/workflows/{(await published())['workflowId']}"
        await save(client, path, ORDER | {"output": {"n": 2}})
        assert (await client.post(f"{path}/publish", json={})).json()["version"] == 2
        assert (await client.get(path, params={"version": 1})).json()["definition"]["output"] != {"n": 2}
        assert code_of(await client.post(f"{path}/versions/2/publish")) == (409, "already_live")
        assert code_of(await client.post(f"{path}/versions/3/publish")) == (404, "unknown_workflow")
        assert (await client.post(f"{path}/versions/1/publish")).json()["version"] == 1
        page = (await client.get(f"{path}/versions", params={"limit": 1})).json()
        assert [(each["version"], each["live"]) for each in page["items"]] == [(2, False)]
        rest = (await client.get(f"{path}/versions", params={"limit": 1, "cursor": page["nextCursor"]})).json()
        assert [(each["version"], each["live"]) for each in rest["items"]] == [(1, True)]
        assert (await client.post(f"{path}/unpublish")).json()["status"] == "draft"
        assert code_of(await client.post(f"{path}/unpublish")) == (409, "not_deployed")
        found = (await client.get(path)).json()
        assert (found["status"], found["version"], found["definition"]) == ("draft", 2, None)
        names = [event for event, _, _ in await rows(app, workspace.id, "WORKFLOW")]
        assert names[-3:] == ["workflow.published", "workflow.published", "workflow.unpublished"]


class TestPromote:
    async def test_publishes_the_live_version_in_the_other_environment(
        self, app: Running, workspace: Tenant, client: httpx.AsyncClient, published: Make
    ) -> None:
        made = await published(tags=["x"])
        path = f"/workflows/{made['workflowId']}"
        first = (await client.post(f"{path}/promote", json={"environment": "staging", "note": "go"})).json()
        assert first["workflowId"] != made["workflowId"]
        assert (first["version"], first["environment"], first["promotedFrom"]) == (1, "staging", made["workflowId"])
        twin = (await client.get(f"/workflows/{first['workflowId']}")).json()
        assert (twin["status"], twin["name"], twin["tags"]) == ("deployed", made["name"], ["x"])
        again = await client.post(f"{path}/promote", json={"environment": "staging"})
        assert code_of(again) == (409, "draft_unchanged")
        await save(client, path, ORDER | {"output": {"n": 2}})
        await client.post(f"{path}/publish", json={})
        second = (await client.post(f"{path}/promote", json={"environment": "staging"})).json()
        assert (second["workflowId"], second["version"]) == (first["workflowId"], 2)
        names = [event for event, _, _ in await rows(app, workspace.id, "WORKFLOW")]
        assert names.count("workflow.promoted") == 2

    async def test_what_is_refused(self, client: httpx.AsyncClient, make: Make, published: Make) -> None:
        path = f"/workflows/{(await make(name='draft'))['workflowId']}/promote"
        assert code_of(await client.post(path, json={"environment": "staging"})) == (409, "not_deployed")
        path = f"/workflows/{(await published())['workflowId']}/promote"
        assert (await client.post(path, json={"environment": "development"})).status_code == 400
        assert code_of(await client.post(path, json={"environment": "nope"})) == (400, "unknown_environment")
        await make(environment="staging")
        assert code_of(await client.post(path, json={"environment": "staging"})) == (409, "workflow_name_taken")


class TestTriggers:
    async def test_a_schedule_goes_live_with_its_version(self, client: httpx.AsyncClient, published: Make) -> None:
        config = {"type": "schedule", "schedule": {"cron": "0 6 * * *", "timezone": "Europe/Paris"}}
        path = f"/workflows/{(await published(definition=with_trigger(config)))['workflowId']}"
        schedule = (await client.get(path)).json()["triggerSettings"]["schedule"]
        assert schedule["enabled"]
        assert schedule["nextAt"][11:16] in ("04:00", "05:00")
        off = {"triggerSettings": {"schedule": {"enabled": False}}}
        schedule = (await client.put(path, json=off)).json()["triggerSettings"]["schedule"]
        assert (schedule["enabled"], schedule["nextAt"]) == (False, None)
        await client.post(f"{path}/unpublish")
        assert (await client.get(path)).json()["triggerSettings"]["schedule"] is None

    @pytest.mark.parametrize(
        ("schedule", "member"),
        [({"cron": "61 * * * *"}, "cron"), ({"cron": "0 0 * * *", "timezone": "Mars/North"}, "timezone")],
    )
    async def test_a_bad_schedule(
        self, client: httpx.AsyncClient, make: Make, schedule: dict[str, str], member: str
    ) -> None:
        made = await make(definition=with_trigger({"type": "schedule", "schedule": schedule}))
        draft = (await client.get(f"/workflows/{made['workflowId']}/draft")).json()
        assert [each["path"] for each in draft["problems"]] == [f"steps[0].config.schedule.{member}"]

    async def test_due_schedules_move_on_once(
        self, app: Running, workspace: Tenant, client: httpx.AsyncClient, published: Make
    ) -> None:
        config = {"type": "schedule", "schedule": {"cron": "* * * * *"}}
        made = await published(definition=with_trigger(config))
        workspace_id, workflow_id = ids.decode("ws", workspace.id), ids.decode("wf", made["workflowId"])
        assert workflow_id is not None
        async with app.ledger.db.housekeeping(workspace_id) as tx:
            soon = tx.now + 120 * 10**9
            [due] = [row for row in await queries.due_schedules(tx, soon, limit=100) if row.workflow_id == workflow_id]
            assert (due.key, due.live_version, due.overlap, due.catch_up) == ("start", 1, "skip", "last")
            moved = [
                await queries.move_schedule(tx, workflow_id, "start", seen=due.next_at, to=due.next_at + 1)
                for _ in range(2)
            ]
            assert moved == [True, False]

    async def test_event_triggers_are_found_by_the_workspace(
        self, app: Running, workspace: Tenant, published: Make
    ) -> None:
        event = {"topicPattern": "orders/+", "filter": "payload.total > 5"}
        made = await published(definition=with_trigger({"type": "event", "event": event}))
        async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
            [row] = await queries.event_triggers(tx)
        assert (row.workflow_id, row.topic_pattern, row.filter) == (
            ids.decode("wf", made["workflowId"]), "orders/+", "payload.total > 5",
        )  # fmt: skip


class TestWebhookSecret:
    async def test_two_are_good_while_one_takes_over(
        self, app: Running, workspace: Tenant, client: httpx.AsyncClient, published: Make
    ) -> None:
        made = await published(definition=with_trigger({"type": "webhook"}))
        path = f"/workflows/{made['workflowId']}"
        webhook = (await client.get(path)).json()["triggerSettings"]["webhook"]
        assert (webhook["enabled"], webhook["secretSet"]) == (False, False)
        assert webhook["url"].endswith(f"/webhooks/{made['workflowId']}")
        first, second, third = [(await client.post(f"{path}/webhook-secret/rotate")).json() for _ in range(3)]
        assert first["previousValidUntil"] is None
        assert second["previousValidUntil"]
        workflow_id = ids.decode("wf", made["workflowId"])
        assert workflow_id is not None
        keys = await app.ledger.keyring.of(ids.decode("ws", workspace.id) or workflow_id)
        async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
            good = await webhook_secrets.valid(tx, keys, workflow_id)
        assert good == [third["secret"].encode(), second["secret"].encode()]
        assert (await client.get(path)).json()["triggerSettings"]["webhook"]["enabled"]
        recorded = await rows(app, workspace.id, "WORKFLOW")
        assert [event for event, _, _ in recorded].count("workflow.secret_rotated") == 3
        assert not any(each["secret"] in str(recorded) for each in (first, second, third))

    async def test_a_repeat_does_not_show_it_again(self, client: httpx.AsyncClient, make: Make) -> None:
        path = f"/workflows/{(await make())['workflowId']}/webhook-secret/rotate"
        headers = {"idempotency-key": "once"}
        first, second = [(await client.post(path, headers=headers)).json() for _ in range(2)]
        assert "secret" in first
        assert (second.get("secret"), second["shownOnce"]) == (None, True)
