"""Workflows over HTTP: metadata, drafts, what is refused, and the event of every write."""

import asyncio
from copy import deepcopy
from typing import Any

import httpx
import pytest

from provenance.core.actor import Role
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.people import As, MakeAs, rows
from tests.workflows.conftest import Make
from tests.workflows.examples import ORDER


async def events(app: Running, workspace: Tenant) -> list[str]:
    return [event for event, _, _ in await rows(app, workspace.id, "WORKFLOW")]


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


class TestCreate:
    async def test_a_new_workflow_is_a_draft(
        self, app: Running, workspace: Tenant, client: httpx.AsyncClient, make: Make
    ) -> None:
        made = await make(tags=["a", "b", "a"])
        assert made["workflowId"].startswith("wf_")
        assert {name: made[name] for name in ("name", "status", "version", "environment", "tags")} == {
            "name": "Order Processing",
            "status": "draft",
            "version": 0,
            "environment": "development",
            "tags": ["a", "b"],
        }
        assert (made["definition"], made["draftRevision"], made["hasUnpublishedChanges"]) == (None, 1, True)
        [(event, subject, data)] = await rows(app, workspace.id, "WORKFLOW")
        assert (event, subject, data["name"]) == ("workflow.created", made["workflowId"], "Order Processing")

    async def test_an_invalid_definition_is_kept_as_the_draft(self, client: httpx.AsyncClient, make: Make) -> None:
        made = await make(definition={"steps": "none"})
        draft = (await client.get(f"/workflows/{made['workflowId']}/draft")).json()
        assert draft["definition"] == {"steps": "none"}
        assert draft["problems"]

    async def test_from_a_template_from_yaml_from_nothing(self, client: httpx.AsyncClient, make: Make) -> None:
        text = "schemaVersion: 1\nsteps:\n- {key: start, kind: trigger, config: {type: manual}}\n"
        text += "- {key: end, kind: wait, config: {seconds: 1}}\nedges:\n- {from: start, to: end, on: success}\n"
        for name, body in {
            "a": {"definition": None, "templateId": "tpl_order_approval"},
            "b": {"definition": text},
            "c": {"definition": None},
        }.items():
            made = await make(name=name, **body)
            draft = (await client.get(f"/workflows/{made['workflowId']}/draft")).json()
            assert draft["problems"] == [], draft

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"environment": "nowhere"}, "unknown_environment"),
            ({"name": " "}, "invalid_request"),
            ({"templateId": "tpl_none"}, "unknown_template"),
            ({"definition": "a: [b"}, "bad_yaml"),
            ({"definition": "- 1"}, "bad_yaml"),
        ],
    )
    async def test_what_is_refused(self, client: httpx.AsyncClient, body: dict[str, Any], code: str) -> None:
        answer = await client.post("/workflows", json={"name": "A"} | body)
        assert answer.json()["code"] == code
        assert answer.status_code == (404 if code == "unknown_template" else 400)

    async def test_a_name_stands_once_in_an_environment(self, client: httpx.AsyncClient, make: Make) -> None:
        await make()
        again = {"name": "Order Processing"}
        assert code_of(await client.post("/workflows", json=again)) == (409, "workflow_name_taken")
        assert (await client.post("/workflows", json=again | {"environment": "staging"})).status_code == 201

    async def test_a_repeat_makes_one(self, app: Running, workspace: Tenant, client: httpx.AsyncClient) -> None:
        body, headers = {"name": "A"}, {"idempotency-key": "one"}
        first, second = [await client.post("/workflows", json=body, headers=headers) for _ in range(2)]
        assert first.json() == second.json()
        assert await events(app, workspace) == ["workflow.created"]


class TestList:
    async def test_pages_newest_first_with_the_contracts_members(self, client: httpx.AsyncClient, make: Make) -> None:
        for name in "abc":
            await make(name=name)
        first = (await client.get("/workflows", params={"limit": 2})).json()
        assert [each["name"] for each in first["items"]] == ["c", "b"]
        assert {"workflowId", "name", "status", "version", "environment", "updatedAt"} <= first["items"][0].keys()
        rest = (await client.get("/workflows", params={"limit": 2, "cursor": first["nextCursor"]})).json()
        assert ([each["name"] for each in rest["items"]], rest["nextCursor"]) == (["a"], None)
        other = {"limit": 2, "cursor": first["nextCursor"], "status": "draft"}
        assert code_of(await client.get("/workflows", params=other)) == (400, "bad_cursor")

    async def test_is_narrowed(self, client: httpx.AsyncClient, make: Make, published: Make) -> None:
        await make(name="Plain", tags=["red"])
        await published(name="Live", description="50% of ORDERS", environment="staging")
        for params, names in [
            ({"status": "deployed"}, ["Live"]),
            ({"status": "draft"}, ["Plain"]),
            ({"environment": "staging"}, ["Live"]),
            ({"tag": "red"}, ["Plain"]),
            ({"q": "0% of orders"}, ["Live"]),
            ({"q": "_"}, []),
        ]:
            items = (await client.get("/workflows", params=params)).json()["items"]
            assert [each["name"] for each in items] == names, params

    async def test_another_workspace_sees_nothing(self, app: Running, make: Make, make_tenant: MakeTenant) -> None:
        made, other = await make(), await make_tenant()
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": other.key}, verify=False) as stranger:
            assert (await stranger.get("/workflows")).json()["items"] == []
            for path in ("", "/draft", "/versions", "/draft/review"):
                answer = await stranger.get(f"/workflows/{made['workflowId']}{path}")
                assert code_of(answer) == (404, "unknown_workflow")


class TestUpdate:
    async def test_changes_metadata_once(
        self, app: Running, workspace: Tenant, client: httpx.AsyncClient, make: Make
    ) -> None:
        made = await make()
        path = f"/workflows/{made['workflowId']}"
        body = {"name": "New", "tags": ["x"], "maxConcurrentRuns": 3, "environment": "staging"}
        changed = await client.put(path, json=body)
        assert {name: changed.json()[name] for name in body} == body
        assert (await client.put(path, json=body)).headers["etag"] == changed.headers["etag"]
        assert await events(app, workspace) == ["workflow.created", "workflow.updated"]
        assert (await client.put(path, json={"maxConcurrentRuns": None})).json()["maxConcurrentRuns"] is None

    async def test_if_match(self, client: httpx.AsyncClient, make: Make) -> None:
        path = f"/workflows/{(await make())['workflowId']}"
        etag = (await client.get(path)).headers["etag"]
        assert (await client.put(path, json={"description": "a"}, headers={"if-match": etag})).status_code == 200
        assert code_of(await client.put(path, json={"description": "b"}, headers={"if-match": etag})) == (409, "stale")
        assert (await client.put(path, json={}, headers={"if-match": "nonsense"})).status_code == 400

    async def test_the_environment_is_fixed_once_published(self, client: httpx.AsyncClient, published: Make) -> None:
        path = f"/workflows/{(await published())['workflowId']}"
        assert code_of(await client.put(path, json={"environment": "staging"})) == (409, "environment_fixed")

    async def test_a_taken_name(self, client: httpx.AsyncClient, make: Make) -> None:
        await make(name="A")
        path = f"/workflows/{(await make(name='B'))['workflowId']}"
        assert code_of(await client.put(path, json={"name": "A"})) == (409, "workflow_name_taken")


class TestDraft:
    async def test_is_kept_with_its_problems_and_locked_by_revision(
        self, app: Running, workspace: Tenant, client: httpx.AsyncClient, make: Make
    ) -> None:
        path = f"/workflows/{(await make())['workflowId']}/draft"
        cyclic = deepcopy(ORDER)
        cyclic["edges"].append({"from": "store", "to": "over"})
        saved = await client.put(path, json={"definition": cyclic, "draftRevision": 1})
        assert saved.json()["draftRevision"] == 2
        assert {(each["path"], each["code"]) for each in saved.json()["problems"]} >= {("steps[1]", "cycle")}
        assert code_of(await client.put(path, json={"definition": ORDER, "draftRevision": 1})) == (409, "stale")
        assert code_of(await client.put(path, json={"definition": ORDER})) == (409, "stale")
        header = {"if-match": saved.headers["etag"]}
        assert (await client.put(path, json={"definition": ORDER}, headers=header)).json()["problems"] == []
        same = (await client.put(path, json={"definition": ORDER, "draftRevision": 3})).json()
        assert same["draftRevision"] == 3
        assert await events(app, workspace) == ["workflow.created", *["workflow.draft_saved"] * 2]

    async def test_of_two_who_save_at_once_one_is_told(self, client: httpx.AsyncClient, make: Make) -> None:
        path = f"/workflows/{(await make())['workflowId']}/draft"
        bodies = [{"definition": ORDER | {"vars": {"n": n}}, "draftRevision": 1} for n in range(6)]
        answers = await asyncio.gather(*[client.put(path, json=body) for body in bodies])
        assert sorted(answer.status_code for answer in answers) == [200, *[409] * 5]

    async def test_a_large_definition_fits_a_larger_one_does_not(self, client: httpx.AsyncClient, make: Make) -> None:
        path = f"/workflows/{(await make())['workflowId']}/draft"
        large = ORDER | {"vars": {"text": "x" * 1_000_000}}
        assert (await client.put(path, json={"definition": large, "draftRevision": 1})).status_code == 200
        larger = ORDER | {"vars": {"text": "x" * 1_100_000}}
        answer = await client.put(path, json={"definition": larger, "draftRevision": 2})
        assert code_of(answer) == (400, "definition_too_large")


class TestDelete:
    async def test_is_gone_and_its_name_is_free(
        self, app: Running, workspace: Tenant, client: httpx.AsyncClient, published: Make, make: Make
    ) -> None:
        made = await published()
        path = f"/workflows/{made['workflowId']}"
        assert (await client.delete(path)).json() == {"workflowId": made["workflowId"], "deleted": True}
        assert code_of(await client.get(path)) == (404, "unknown_workflow")
        assert code_of(await client.delete(path)) == (404, "unknown_workflow")
        await make()
        assert (await events(app, workspace))[-2:] == ["workflow.deleted", "workflow.created"]

    async def test_production_needs_an_administrator_who_names_it(
        self, client: httpx.AsyncClient, make: Make, make_as: MakeAs, admin: As
    ) -> None:
        path = f"/workflows/{(await make(environment='production'))['workflowId']}"
        named = {"confirm": "Order Processing"}
        editor = await make_as(Role.EDITOR)
        for other in (client, editor):
            assert code_of(await other.delete(path, params=named)) == (403, "missing_role")
        assert code_of(await admin.delete(path)) == (400, "confirmation_needed")
        assert (await admin.delete(path, params=named)).status_code == 200


class TestAccess:
    async def test_a_viewer_reads_and_does_not_write(self, make: Make, make_as: MakeAs) -> None:
        path, viewer = f"/workflows/{(await make())['workflowId']}", await make_as(Role.VIEWER)
        assert (await viewer.get(path)).status_code == 200
        assert code_of(await viewer.get(f"{path}/draft")) == (403, "missing_role")
        assert code_of(await viewer.put(path, json={})) == (403, "missing_role")
        assert code_of(await viewer.post(f"{path}/publish", json={})) == (403, "missing_role")
