"""Approvals over HTTP: a run waits, people read, change and decide, the run goes on."""

import asyncio
from typing import Any

import httpx

from provenance.core.actor import Role
from tests.approvals.conftest import Workflows, code_of, decide, definition, gate
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.people import As, MakeAs, rows

SCHEMA = {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]}
STARTER = {"orderId": "ORD-9921", "amount": 750.5}


class TestTheWholeWay:
    async def test_a_run_waits_is_approved_and_completes(self, workflows: Workflows, admin: As, worker: None) -> None:
        approval = await workflows.ask(given=STARTER)
        run = (await workflows.client.get(f"/runs/{approval['runId']}")).json()
        assert (run["status"], run["waiting"][0]["ref"]) == ("approval", approval["approvalId"])
        comment = "Reviewed and approved. Order is within policy limits."
        answer = await decide(admin, approval["approvalId"], comment=comment)
        assert answer.status_code == 200
        assert list(answer.json()) == ["approvalId", "status", "approvedBy", "approvedAt"]
        assert answer.json()["approvalId"] == approval["approvalId"]
        assert (answer.json()["status"], answer.json()["approvedBy"]) == ("approved", admin.id)
        run = await workflows.ended(approval["runId"])
        output = run["output"]
        assert (run["status"], output["decision"], output["comment"]) == ("completed", "approved", comment)
        assert (output["payload"], output["edited"], output["decidedBy"]) == (STARTER, False, admin.id)
        steps = (await workflows.client.get(f"/runs/{approval['runId']}/steps")).json()["items"]
        assert steps[1]["approvalId"] == approval["approvalId"]

    async def test_everything_is_recorded_in_the_units_of_the_run(
        self, app: Running, workflows: Workflows, workspace: Tenant, admin: As, worker: None
    ) -> None:
        approval = await workflows.ask()
        await decide(admin, approval["approvalId"])
        run = await workflows.ended(approval["runId"])
        found = await rows(app, workspace.id, "APPROVAL")
        assert [each[0] for each in found] == ["approval.requested", "approval.approved"]
        assert found[1][2]["statementDigest"] == approval["digest"]
        trace = (await workflows.client.get(f"/api/traces/{run['uowId']}")).text
        assert approval["approvalId"] in trace

    async def test_low_risk_is_approved_by_the_policy_and_recorded(
        self, app: Running, workflows: Workflows, workspace: Tenant, worker: None
    ) -> None:
        run_id = await workflows.start(await workflows.publish(definition(gate(risk="low"))), {"a": 1})
        run = await workflows.ended(run_id)
        assert (run["status"], run["output"]["decidedBy"], run["output"]["payload"]) == (
            "completed",
            "system",
            {"a": 1},
        )
        [(event, _, data)] = await rows(app, workspace.id, "APPROVAL")
        assert (event, data["rule"]) == ("approval.auto_approved", "risk:low")
        [shown] = (await workflows.client.get("/approvals")).json()["items"]
        assert (shown["status"], shown["approvedBy"]) == ("approved", "system")


class TestList:
    async def test_it_is_narrowed_by_each_filter(self, workflows: Workflows, admin: As, make_as: MakeAs) -> None:
        viewer = await make_as(Role.VIEWER, groups=("finance",))
        mine = await workflows.ask(risk="high", assignees=[{"kind": "group", "id": "finance"}])
        other = await workflows.ask(risk="medium", assignees=[{"kind": "user", "id": admin.id}])
        await decide(admin, other["approvalId"], "reject")

        async def ids(person: httpx.AsyncClient = viewer, **asked: str) -> list[str]:
            items = (await person.get("/approvals", params=asked)).json()["items"]
            return [each["approvalId"] for each in items]

        assert await ids() == [other["approvalId"], mine["approvalId"]]
        assert await ids(status="pending") == await ids(risk="high") == await ids(assignee="me") == [mine["approvalId"]]
        assert await ids(status="rejected") == await ids(workflowId=other["workflowId"]) == [other["approvalId"]]
        assert await ids(runId=mine["runId"]) == [mine["approvalId"]]
        assert await ids(admin, assignee="me") == [other["approvalId"]]
        assert await ids(workflows.client, assignee="me") == await ids(runId="run_nonsense") == []
        assert (await viewer.get("/approvals", params={"status": "open"})).status_code == 400

    async def test_it_is_paged(self, workflows: Workflows, admin: As) -> None:
        workflow_id = await workflows.publish(definition(gate()))
        asked = [await workflows.waiting(await workflows.start(workflow_id)) for _ in range(3)]
        first = (await admin.get("/approvals", params={"limit": 2})).json()
        rest = (await admin.get("/approvals", params={"limit": 2, "cursor": first["nextCursor"]})).json()
        found = [each["approvalId"] for each in first["items"] + rest["items"]]
        assert (found, rest["nextCursor"]) == ([each["approvalId"] for each in reversed(asked)], None)
        foreign = await admin.get("/approvals", params={"cursor": first["nextCursor"], "status": "pending"})
        assert code_of(foreign) == (400, "bad_cursor")


class TestGet:
    async def test_it_shows_what_is_asked_and_what_is_signed(self, workflows: Workflows, admin: As) -> None:
        approval = await workflows.ask(
            given=STARTER,
            title="Pay {{ input.orderId }}",
            action="Send the order",
            summary="{{ input.amount }}",
            payload={"amount": "{{ input.amount }}"},
            payloadSchema=SCHEMA,
            evidence=[{"label": "Order", "value": "{{ input.orderId }}", "tone": "blue"}],
            slaMinutes=15,
            expiresMinutes=60,
        )
        assert (approval["title"], approval["summary"], approval["risk"]) == ("Pay ORD-9921", "750.5", "medium")
        assert approval["evidence"] == [{"label": "Order", "value": "ORD-9921", "tone": "blue"}]
        assert approval["payload"] == approval["originalPayload"] == {"amount": 750.5}
        assert (approval["payloadDiff"], approval["payloadRevision"], approval["decisions"]) == ([], 1, [])
        assert (approval["stepId"], approval["slaMinutes"]) == ("0002_st_approval", 15)
        assert approval["assignees"] == [{"kind": "group", "id": "approvers"}]
        for member in (approval["runId"], approval["approvalId"], '"requiredApprovals":1', approval["expiresAt"]):
            assert member in approval["statement"]

    async def test_another_workspaces_is_not_found(
        self, app: Running, workflows: Workflows, make_tenant: MakeTenant, make_as: MakeAs
    ) -> None:
        approval = await workflows.ask()
        stranger = await make_as(Role.ADMIN, into=await make_tenant())
        path = f"/approvals/{approval['approvalId']}"
        assert (await stranger.get("/approvals")).json()["items"] == []
        refused = (404, "approval_not_found")
        assert await stranger.say("GET", path) == await stranger.say("PATCH", path, {"slaMinutes": 5}) == refused
        assert await stranger.say("POST", f"{path}/approve", {}) == refused
        assert await stranger.say("POST", f"{path}/reject", {"comment": "no"}) == refused
        assert await stranger.say("POST", f"{path}/comments", {"text": "hi"}) == refused
        assert await stranger.say("GET", "/approvals/nonsense") == refused


class TestWhoMayDecide:
    async def test_assignees_approvers_and_administrators(self, workflows: Workflows, make_as: MakeAs) -> None:
        by_person = await make_as(Role.VIEWER)
        by_group = await make_as(Role.VIEWER, groups=("finance",))
        by_role, approver = await make_as(Role.EDITOR), await make_as(Role.VIEWER, groups=("approvers",))
        nobody = await make_as(Role.VIEWER, groups=("others",))
        named = [
            {"kind": "user", "id": by_person.id},
            {"kind": "group", "id": "finance"},
            {"kind": "role", "id": "editor"},
        ]
        workflow_id = await workflows.publish(definition(gate(assignees=named)))
        for person in (by_person, by_group, by_role, approver, await make_as(Role.ADMIN)):
            approval = await workflows.waiting(await workflows.start(workflow_id))
            assert code_of(await decide(nobody, approval["approvalId"])) == (403, "not_a_reviewer")
            assert code_of(await decide(nobody, approval["approvalId"], "reject")) == (403, "not_a_reviewer")
            changed = await nobody.patch(f"/approvals/{approval['approvalId']}", json={"slaMinutes": 1})
            assert code_of(changed) == (403, "not_a_reviewer")
            assert (await decide(person, approval["approvalId"])).json()["status"] == "approved"

    async def test_no_key_decides(self, workflows: Workflows) -> None:
        path = f"/approvals/{(await workflows.ask())['approvalId']}"
        for method, at, body in (
            ("POST", "/approve", {}),
            ("POST", "/reject", {"comment": "no"}),
            ("POST", "/comments", {"text": "hi"}),
            ("PATCH", "", {"slaMinutes": 5}),
        ):
            assert code_of(await workflows.client.request(method, path + at, json=body)) == (403, "people_only")

    async def test_who_started_the_run_approves_no_high_risk(
        self, workflows: Workflows, admin: As, make_as: MakeAs
    ) -> None:
        other = await make_as(Role.ADMIN)
        for risk, refused in (("medium", False), ("high", True), ("critical", True)):
            approval = await workflows.ask(by=admin, risk=risk)
            assert approval["startedBy"] == admin.id
            answer = await decide(admin, approval["approvalId"])
            assert (code_of(answer) == (403, "self_approval")) is refused
            if refused:
                assert (await decide(other, approval["approvalId"])).status_code == 200
                assert (await decide(admin, approval["approvalId"], "reject")).status_code == (
                    409 if risk == "high" else 200
                )

    async def test_a_key_acts_for_who_made_it(self, app: Running, workflows: Workflows, admin: As) -> None:
        asked = {"name": "ci", "scopes": ["runs:write"]}
        made = (await admin.post("/workspace/api-keys", json=asked)).json()
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": made["key"]}, timeout=30) as key:
            approval = await workflows.ask(by=key, risk="high")
        assert approval["startedBy"] == admin.id
        assert code_of(await decide(admin, approval["approvalId"])) == (403, "self_approval")

    async def test_a_workspace_may_allow_it_but_never_for_critical_risk(self, workflows: Workflows, admin: As) -> None:
        settings = {"name": "Test", "defaultRegion": "local", "dataRetentionDays": 90, "selfApproval": True}
        assert (await admin.put("/workspace", json=settings)).status_code == 200
        high = await workflows.ask(by=admin, risk="high")
        assert (await decide(admin, high["approvalId"])).status_code == 200
        critical = await workflows.ask(by=admin, risk="critical")
        assert code_of(await decide(admin, critical["approvalId"])) == (403, "self_approval")

    async def test_the_workspaces_default_approvers_are_asked(self, workflows: Workflows, admin: As) -> None:
        named = [{"kind": "role", "id": "editor"}]
        settings = {"name": "Test", "defaultRegion": "local", "dataRetentionDays": 90, "defaultApprovers": named}
        assert (await admin.put("/workspace", json=settings)).status_code == 200
        assert (await workflows.ask())["assignees"] == named


class TestApprove:
    async def test_below_the_quorum_it_stays_pending(
        self, app: Running, workspace: Tenant, workflows: Workflows, make_as: MakeAs, worker: None
    ) -> None:
        first, second = await make_as(Role.ADMIN), await make_as(Role.ADMIN)
        approval = await workflows.ask(risk="critical")
        assert approval["requiredApprovals"] == 2
        answer = (await decide(first, approval["approvalId"], comment="Fine.")).json()
        assert (answer["status"], [each["by"] for each in answer["decisions"]]) == ("pending", [first.id])
        assert code_of(await decide(first, approval["approvalId"])) == (409, "already_voted")
        assert (await decide(second, approval["approvalId"])).json()["approvedBy"] == second.id
        assert (await workflows.ended(approval["runId"]))["status"] == "completed"
        events = [each[0] for each in await rows(app, workspace.id, "APPROVAL")]
        assert events == ["approval.requested", "approval.voted", "approval.approved"]

    async def test_one_that_is_decided_is_decided_once(self, workflows: Workflows, admin: As, worker: None) -> None:
        approval = await workflows.ask()
        assert (await decide(admin, approval["approvalId"])).status_code == 200
        for verb in ("approve", "reject"):
            assert code_of(await decide(admin, approval["approvalId"], verb)) == (409, "already_decided")
        path = f"/approvals/{approval['approvalId']}"
        assert await admin.say("PATCH", path, {"slaMinutes": 9}) == (409, "already_decided")

    async def test_of_two_at_once_one_decides(self, workflows: Workflows, make_as: MakeAs, worker: None) -> None:
        people = [await make_as(Role.ADMIN) for _ in range(4)]
        approval = await workflows.ask()
        verbs = ("approve", "reject", "approve", "reject")
        answers = await asyncio.gather(
            *[decide(each, approval["approvalId"], verb) for each, verb in zip(people, verbs, strict=True)]
        )
        assert sorted(each.status_code for each in answers) == [200, 409, 409, 409]
        [won] = [each.json()["status"] for each in answers if each.status_code == 200]
        run = await workflows.ended(approval["runId"])
        assert run["status"] == {"approved": "completed", "rejected": "failed"}[won]

    async def test_an_edit_on_the_way_reaches_the_next_step(
        self, workflows: Workflows, admin: As, worker: None
    ) -> None:
        after = {"key": "after", "kind": "logic", "config": {"mode": "if", "cases": [{"name": "x", "when": "true"}]}}
        run_id = await workflows.start(await workflows.publish(definition(gate(), after)), {"amount": 750.5})
        approval = await workflows.waiting(run_id)
        answer = await decide(admin, approval["approvalId"], payload={"amount": 500.25}, payloadRevision=1)
        assert answer.json()["status"] == "approved"
        assert (await workflows.ended(run_id))["output"] == {"amount": 500.25}
        shown = (await admin.get(f"/approvals/{approval['approvalId']}")).json()
        assert (shown["payloadRevision"], shown["originalPayload"]) == (2, {"amount": 750.5})
        assert shown["payloadDiff"] == [{"path": "amount", "before": 750.5, "after": 500.25}]

    async def test_a_payload_that_does_not_fit_is_not_approved(self, workflows: Workflows, admin: As) -> None:
        approval = await workflows.ask(given={"amount": "much"}, payloadSchema=SCHEMA)
        answer = await decide(admin, approval["approvalId"])
        assert (code_of(answer), answer.json()["details"][0]["path"]) == ((400, "payload_unfit"), "payload.amount")
        assert code_of(await decide(admin, approval["approvalId"], payload={})) == (400, "payload_unfit")
        assert (await decide(admin, approval["approvalId"], payload={"amount": 1})).status_code == 200

    async def test_what_was_changed_meanwhile_is_not_approved_unseen(self, workflows: Workflows, admin: As) -> None:
        approval = await workflows.ask(given={"amount": 5, "to": ["a"]})
        path = f"/approvals/{approval['approvalId']}"
        await admin.patch(path, json={"payload": {"amount": 9, "to": ["a", "b"]}})
        for verb in ("approve", "reject"):
            answer = await decide(admin, approval["approvalId"], verb, payloadRevision=1)
            assert code_of(answer) == (409, "stale_payload")
            assert answer.json()["details"] == [
                {"path": "payload.amount", "issue": "is 9 now; you saw 5"},
                {"path": "payload.to[1]", "issue": 'is new: "b"'},
            ]
        assert (await decide(admin, approval["approvalId"], payloadRevision=2)).status_code == 200


class TestReject:
    async def test_it_fails_the_run_or_takes_its_edge(self, workflows: Workflows, admin: As, worker: None) -> None:
        no: dict[str, Any] = {"key": "no", "kind": "logic"}
        no["config"] = {"mode": "transform", "transform": "{{ approval.gate.comment }}"}
        edges = [("start", "gate"), {"from": "gate", "to": "no", "on": "rejected"}]
        for name, document, ending in (
            ("fails", definition(gate()), ("failed", None)),
            ("goes on", definition(gate(rejectBehaviour="branch"), no, edges=edges), ("completed", "Too much.")),
        ):
            approval = await workflows.waiting(await workflows.start(await workflows.publish(document, name)))
            answer = await decide(admin, approval["approvalId"], "reject", comment="Too much.")
            assert list(answer.json()) == ["approvalId", "status", "rejectedBy", "rejectedAt"]
            run = await workflows.ended(approval["runId"])
            assert (run["status"], run["output"]) == ending

    async def test_it_needs_a_comment_and_takes_back_a_yes(self, workflows: Workflows, admin: As) -> None:
        approval = await workflows.ask(risk="critical")
        path = f"/approvals/{approval['approvalId']}"
        assert (await admin.post(f"{path}/reject", json={})).status_code == 400
        assert (await decide(admin, approval["approvalId"])).json()["status"] == "pending"
        assert (await decide(admin, approval["approvalId"], "reject")).json()["status"] == "rejected"
        decisions = (await admin.get(path)).json()["decisions"]
        assert [each["decision"] for each in decisions] == ["rejected"]


class TestUpdate:
    async def test_another_payload_voids_the_decisions(
        self, app: Running, workspace: Tenant, workflows: Workflows, make_as: MakeAs
    ) -> None:
        first, second = await make_as(Role.ADMIN), await make_as(Role.ADMIN)
        approval = await workflows.ask(given={"amount": 5}, risk="critical")
        path = f"/approvals/{approval['approvalId']}"
        await decide(first, approval["approvalId"])
        changed = (await second.patch(path, json={"payload": {"amount": 6}})).json()
        assert (changed["payloadRevision"], changed["payload"]) == (2, {"amount": 6})
        assert [(each["by"], each["void"]) for each in changed["decisions"]] == [(first.id, True)]
        assert changed["digest"] != approval["digest"]
        [edited] = [each for each in await rows(app, workspace.id, "APPROVAL") if each[0] == "approval.payload_edited"]
        assert edited[2]["voided"] == [first.id]
        assert (await decide(second, approval["approvalId"])).json()["status"] == "pending"
        assert (await decide(first, approval["approvalId"])).json()["status"] == "approved"

    async def test_the_same_again_changes_nothing(
        self, app: Running, workspace: Tenant, workflows: Workflows, admin: As
    ) -> None:
        approval = await workflows.ask(given={"amount": 5})
        body = {"payload": {"amount": 5}, "assignees": approval["assignees"], "slaMinutes": 480}
        assert (await admin.patch(f"/approvals/{approval['approvalId']}", json=body)).json() == approval
        assert len(await rows(app, workspace.id, "APPROVAL")) == 1

    async def test_assignees_must_be_there(self, workflows: Workflows, admin: As, make_as: MakeAs) -> None:
        viewer = await make_as(Role.VIEWER)
        approval = await workflows.ask()
        path = f"/approvals/{approval['approvalId']}"
        for wrong in ({"kind": "user", "id": "user_01HX0000000000000000000000"}, {"kind": "role", "id": "boss"}):
            answer = await admin.patch(path, json={"assignees": [wrong]})
            assert code_of(answer) == (400, "unknown_assignee")
        assert (await decide(viewer, approval["approvalId"])).status_code == 403
        changed = await admin.patch(path, json={"assignees": [{"kind": "user", "id": viewer.id}]})
        assert changed.json()["payloadRevision"] == 2
        assert (await decide(viewer, approval["approvalId"])).status_code == 200

    async def test_more_time_moves_the_due_date_alone(self, workflows: Workflows, admin: As) -> None:
        approval = await workflows.ask(slaMinutes=10)
        changed = (await admin.patch(f"/approvals/{approval['approvalId']}", json={"slaMinutes": 20})).json()
        assert (changed["slaMinutes"], changed["payloadRevision"]) == (20, 1)
        assert changed["dueAt"] > approval["dueAt"]


class TestComment:
    async def test_everybody_may_say_something(self, workflows: Workflows, admin: As, make_as: MakeAs) -> None:
        viewer = await make_as(Role.VIEWER)
        approval = await workflows.ask()
        path = f"/approvals/{approval['approvalId']}"
        said = await viewer.post(f"{path}/comments", json={"text": "Is this the right amount?"})
        assert (said.status_code, said.json()["author"]) == (201, viewer.id)
        await decide(admin, approval["approvalId"])
        await admin.post(f"{path}/comments", json={"text": "It was."})
        comments = (await viewer.get(path)).json()["comments"]
        assert [each["text"] for each in comments] == ["Is this the right amount?", "It was."]
        assert comments[0] == said.json()
        assert (await viewer.post(f"{path}/comments", json={"text": " "})).status_code == 400
