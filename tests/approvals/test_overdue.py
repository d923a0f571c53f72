"""What the clock, a cancelled run and a leaving person do with what is asked."""

import json
from typing import Any

import pytest

from provenance.approvals import asking, leaving, tasks
from provenance.core import ids
from provenance.core.actor import Role
from provenance.core.settings import Settings
from provenance.engine.tokens import wait_token
from tests.approvals.conftest import Workflows, code_of, decide, definition, gate, working
from tests.conftest import Running, Tenant
from tests.identity.people import As, MakeAs, rows

PAST = "UPDATE approvals SET due_at = 1 WHERE id = $1"


async def let_time_pass(app: Running, approval: dict[str, Any]) -> None:
    """Make a decision overdue, and look as the worker does."""
    async with app.ledger.db.housekeeping() as tx:
        await tx.driver_sql(PAST, (ids.decode("appr", approval["approvalId"]),))
    await tasks.look(app.ledger, app.door.framework.state.engine)


async def events(app: Running, workspace: Tenant) -> list[str]:
    return [each[0].removeprefix("approval.") for each in await rows(app, workspace.id, "APPROVAL")]


async def read(client: As, approval: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/approvals/{approval['approvalId']}")).json()
    return found


class TestBreach:
    async def test_it_is_told_once_and_the_decision_stays_open(
        self, app: Running, workspace: Tenant, workflows: Workflows, admin: As
    ) -> None:
        approval = await workflows.ask()
        for _ in range(2):
            await let_time_pass(app, approval)
        assert await events(app, workspace) == ["requested", "sla_breach"]
        shown = await read(admin, approval)
        assert (shown["status"], shown["breachedAt"] is not None) == ("pending", True)
        assert (await decide(admin, approval["approvalId"])).status_code == 200

    async def test_more_time_lets_it_be_told_again(
        self, app: Running, workspace: Tenant, workflows: Workflows, admin: As
    ) -> None:
        approval = await workflows.ask(slaMinutes=10)
        await let_time_pass(app, approval)
        await admin.patch(f"/approvals/{approval['approvalId']}", json={"slaMinutes": 30})
        assert (await read(admin, approval))["breachedAt"] is None
        await let_time_pass(app, approval)
        assert await events(app, workspace) == ["requested", "sla_breach", "updated", "sla_breach"]

    async def test_an_escalation_asks_others_besides_and_keeps_what_was_decided(
        self, app: Running, workspace: Tenant, workflows: Workflows, admin: As, make_as: MakeAs
    ) -> None:
        chief = await make_as(Role.VIEWER, groups=("chiefs",))
        to = [{"kind": "group", "id": "chiefs"}]
        approval = await workflows.ask(risk="critical", onBreach="escalate", escalateTo=to)
        assert (approval["escalation"], approval["slaMinutes"]) == ({"to": to, "afterMinutes": 30}, 30)
        assert code_of(await decide(chief, approval["approvalId"])) == (403, "not_a_reviewer")
        await decide(admin, approval["approvalId"])
        await let_time_pass(app, approval)
        shown = await read(admin, approval)
        assert (shown["assignees"], shown["digest"]) == ([*approval["assignees"], *to], approval["digest"])
        assert (await decide(chief, approval["approvalId"])).json()["status"] == "approved"
        assert await events(app, workspace) == ["requested", "voted", "sla_breach", "escalated", "approved"]

    @pytest.mark.parametrize(("on_breach", "ending"), [("reject", "failed"), ("approve", "completed")])
    async def test_it_is_decided_by_the_rule(
        self,
        app: Running,
        workspace: Tenant,
        workflows: Workflows,
        admin: As,
        worker: None,
        on_breach: str,
        ending: str,
    ) -> None:
        approval = await workflows.ask(onBreach=on_breach)
        await let_time_pass(app, approval)
        assert (await workflows.ended(approval["runId"]))["status"] == ending
        [decision] = (await read(admin, approval))["decisions"]
        assert (decision["by"], decision["rule"]) == ("system", f"sla:{on_breach}")

    async def test_the_rule_adds_to_what_people_said(self, app: Running, workflows: Workflows, admin: As) -> None:
        approval = await workflows.ask(requiredApprovals=2, onBreach="approve")
        await decide(admin, approval["approvalId"])
        await let_time_pass(app, approval)
        kept = "SELECT outcome FROM run_waits WHERE run_id = $1 AND outcome IS NOT NULL"
        async with app.ledger.db.housekeeping() as tx:
            found = (await tx.driver_sql(kept, (ids.decode("run", approval["runId"]),))).scalar_one()
        assert [each["by"] for each in json.loads(found)["proof"]["decisions"]] == [admin.id, "system"]

    async def test_high_risk_is_never_approved_by_a_delay(
        self, app: Running, workspace: Tenant, workflows: Workflows, admin: As
    ) -> None:
        document = definition(gate(risk="high", onBreach="approve"))
        workflow_id = (await workflows.client.post("/workflows", json={"name": "x", "definition": document})).json()
        answer = await workflows.client.post(f"/workflows/{workflow_id['workflowId']}/publish", json={})
        assert answer.status_code == 400
        approval = await workflows.ask(risk="high")
        async with app.ledger.db.housekeeping() as tx:
            change = "UPDATE approvals SET on_breach = 'approve' WHERE id = $1"
            await tx.driver_sql(change, (ids.decode("appr", approval["approvalId"]),))
        await let_time_pass(app, approval)
        assert (await read(admin, approval))["status"] == "pending"


class TestExpiry:
    async def test_it_counts_as_rejected(
        self, app: Running, workspace: Tenant, workflows: Workflows, admin: As, settings: Settings
    ) -> None:
        approval = await workflows.ask(expiresMinutes=10)
        run_id = ids.decode("run", approval["runId"])
        async with app.ledger.db.housekeeping() as tx:
            await tx.driver_sql("UPDATE approvals SET expires_at = 1 WHERE run_id = $1", (run_id,))
            await tx.driver_sql("UPDATE run_waits SET due = now() WHERE run_id = $1", (run_id,))
            await tx.driver_sql("UPDATE runs SET run_after = now() WHERE id = $1", (run_id,))
        assert code_of(await decide(admin, approval["approvalId"])) == (409, "already_decided")
        async with working(app, settings):
            run = await workflows.ended(approval["runId"])
        assert (run["status"], run["error"]["code"]) == ("failed", "approval_rejected")
        shown = await read(admin, approval)
        assert (shown["status"], shown["decidedAt"] is not None, shown["decisions"]) == ("expired", True, [])
        assert await events(app, workspace) == ["requested", "expired"]

    async def test_one_that_was_decided_in_that_moment_is_not_expired(
        self, app: Running, workspace: Tenant, workflows: Workflows, admin: As
    ) -> None:
        approval = await workflows.ask(expiresMinutes=10)
        await decide(admin, approval["approvalId"])
        run_id = ids.decode("run", approval["runId"])
        assert run_id is not None
        token = wait_token(run_id, "gate", 0)
        async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
            assert not await asking.withdraw(tx, run_id, token, "expired")
            assert await asking.withdraw(tx, run_id, token, "cancelled")
            assert await asking.withdraw(tx, run_id, wait_token(run_id, "other", 0), "expired")
        assert (await read(admin, approval))["status"] == "approved"


class TestTheEndOfTheRun:
    async def test_a_cancelled_run_asks_nothing_more(
        self, app: Running, workspace: Tenant, workflows: Workflows, admin: As
    ) -> None:
        approval = await workflows.ask()
        assert (await workflows.client.post(f"/runs/{approval['runId']}/cancel", json={})).status_code == 200
        assert (await read(admin, approval))["status"] == "cancelled"
        assert code_of(await decide(admin, approval["approvalId"])) == (409, "already_decided")
        assert await events(app, workspace) == ["requested", "cancelled"]

    async def test_a_run_that_fails_elsewhere_asks_nothing_more(
        self, app: Running, workspace: Tenant, workflows: Workflows, admin: As, worker: None
    ) -> None:
        pause = {"key": "pause", "kind": "wait", "config": {"seconds": 0.3}}
        bad = {"key": "bad", "kind": "wait", "config": {"until": "never"}}
        edges = [("start", "gate"), ("start", "pause"), ("pause", "bad")]
        run_id = await workflows.start(await workflows.publish(definition(gate(), pause, bad, edges=edges)))
        approval = await workflows.waiting(run_id)
        assert (await workflows.ended(run_id))["status"] == "failed"
        assert (await read(admin, approval))["status"] == "cancelled"

    async def test_a_deleted_run_takes_its_approvals_along(
        self, app: Running, workspace: Tenant, workflows: Workflows, admin: As
    ) -> None:
        approval = await workflows.ask()
        await workflows.client.post(f"/runs/{approval['runId']}/cancel", json={})
        assert (await admin.delete(f"/runs/{approval['runId']}")).status_code == 200
        assert (await admin.get(f"/approvals/{approval['approvalId']}")).status_code == 404
        assert "requested" in await events(app, workspace)

    async def test_one_that_was_left_over_is_cancelled_when_it_is_due(
        self, app: Running, workflows: Workflows, admin: As
    ) -> None:
        approval = await workflows.ask()
        async with app.ledger.db.housekeeping() as tx:
            end = "UPDATE runs SET state = 'ended', status = 'failed', ended_at = 1 WHERE id = $1"
            await tx.driver_sql(end, (ids.decode("run", approval["runId"]),))
        assert code_of(await decide(admin, approval["approvalId"])) == (409, "already_resolved")
        await let_time_pass(app, approval)
        assert (await read(admin, approval))["status"] == "cancelled"


class TestWhoLeaves:
    async def test_others_or_the_defaults_are_asked(
        self, app: Running, workspace: Tenant, workflows: Workflows, admin: As, make_as: MakeAs
    ) -> None:
        gone, stays = await make_as(Role.EDITOR), await make_as(Role.EDITOR)
        one, other = {"kind": "user", "id": gone.id}, {"kind": "user", "id": stays.id}
        alone = await workflows.ask(assignees=[one])
        together = await workflows.ask(assignees=[one, other], risk="critical")
        await decide(stays, together["approvalId"])
        assert (await admin.delete(f"/workspace/members/{gone.id}")).status_code == 200
        async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
            assert await leaving.reassign(tx, gone.id) == 2
            assert await leaving.reassign(tx, gone.id) == 0
        assert (await read(admin, alone))["assignees"] == [{"kind": "group", "id": "approvers"}]
        shown = await read(admin, together)
        assert (shown["assignees"], shown["payloadRevision"]) == ([other], 2)
        assert [each["void"] for each in shown["decisions"]] == [True]
        told = [each for each in await rows(app, workspace.id, "APPROVAL") if each[0] == "approval.reassigned"]
        assert len(told) == 2
        assert [each[2]["gone"] for each in told] == [[f"user:{gone.id}"]] * 2
