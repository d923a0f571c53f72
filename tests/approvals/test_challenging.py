"""Approving with a passkey besides: it signs the statement that the decision is about."""

import json

from provenance.approvals import tasks
from tests.approvals.conftest import Workflows, code_of, decide
from tests.conftest import Running, Tenant
from tests.identity.passkeys.authenticator import Authenticator
from tests.identity.passkeys.test_routes import new_authenticator, registered
from tests.identity.people import As, MakeAs, rows


async def with_passkey(app: Running, person: As) -> Authenticator:
    """Register a passkey of somebody."""
    authenticator = new_authenticator(app)
    made = await registered(person, authenticator, {})
    assert made.status_code == 200, made.text
    return authenticator


class TestChallenge:
    async def test_its_challenge_is_the_digest_and_its_answer_is_recorded(
        self, app: Running, workspace: Tenant, workflows: Workflows, admin: As
    ) -> None:
        authenticator = await with_passkey(app, admin)
        approval = await workflows.ask(risk="high")
        asked = (await admin.post(f"/approvals/{approval['approvalId']}/challenge")).json()
        assert (asked["digest"], asked["payloadRevision"]) == (approval["digest"], 1)
        answer = await decide(admin, approval["approvalId"], assertion=authenticator.get(asked["publicKey"]))
        assert answer.json()["status"] == "approved"
        [told] = [each[2] for each in await rows(app, workspace.id, "APPROVAL") if each[0] == "approval.approved"]
        assert told["passkey"]["passkeyId"].startswith("pky_")
        assert told["passkey"].keys() == {"passkeyId", "authenticatorData", "clientDataJSON", "signature"}

    async def test_what_signs_something_else_approves_nothing(
        self, app: Running, workflows: Workflows, admin: As, make_as: MakeAs
    ) -> None:
        authenticator, other = await with_passkey(app, admin), await make_as()
        approval, another = await workflows.ask(given={"n": 1}), await workflows.ask(title="Another?")
        path = f"/approvals/{approval['approvalId']}"
        options = (await admin.post(f"{path}/challenge")).json()["publicKey"]
        elsewhere = (await admin.post(f"/approvals/{another['approvalId']}/challenge")).json()["publicKey"]
        refused = (400, "assertion_refused")
        for person, assertion in (
            (admin, authenticator.get(elsewhere)),
            (other, authenticator.get(options)),
            (admin, new_authenticator(app).get(options)),
            (admin, {}),
            (admin, {"rawId": 5, "response": []}),
        ):
            assert code_of(await decide(person, approval["approvalId"], assertion=assertion)) == refused
        before = authenticator.get(options)
        await other.patch(path, json={"payload": {"n": 2}})
        assert code_of(await decide(admin, approval["approvalId"], assertion=before)) == refused
        assert (await admin.get(path)).json()["decisions"] == []

    async def test_it_is_for_who_may_decide_and_has_a_passkey(
        self, app: Running, workflows: Workflows, admin: As
    ) -> None:
        approval = await workflows.ask()
        path = f"/approvals/{approval['approvalId']}/challenge"
        assert await admin.say("POST", path) == (409, "no_passkey")
        await decide(admin, approval["approvalId"])
        assert await admin.say("POST", path) == (409, "already_decided")
        assert code_of(await workflows.client.post(path)) == (403, "people_only")


class TestRequired:
    async def test_a_step_may_demand_it_of_every_decision(
        self, app: Running, workflows: Workflows, admin: As, make_as: MakeAs
    ) -> None:
        authenticator, other = await with_passkey(app, admin), await make_as()
        approval = await workflows.ask(risk="low", requirePasskey=True)
        assert (approval["status"], approval["requirePasskey"]) == ("pending", True)
        for person, verb in ((other, "approve"), (other, "reject"), (admin, "approve")):
            answer = await decide(person, approval["approvalId"], verb)
            assert code_of(answer) == (403, "passkey_required")
            assert "/challenge" in answer.json()["detail"]
        body = {"comment": "By a machine."}
        assert code_of(await workflows.client.post(f"/approvals/{approval['approvalId']}/approve", json=body)) == (
            403, "people_only",
        )  # fmt: skip
        asked = (await admin.post(f"/approvals/{approval['approvalId']}/challenge")).json()
        assertion = authenticator.get(asked["publicKey"])
        answer = await decide(admin, approval["approvalId"], assertion=assertion)
        assert answer.json()["status"] == "approved", answer.text

    async def test_a_rejection_is_signed_as_well(
        self, app: Running, workspace: Tenant, workflows: Workflows, admin: As
    ) -> None:
        authenticator = await with_passkey(app, admin)
        approval = await workflows.ask(requirePasskey=True)
        asked = (await admin.post(f"/approvals/{approval['approvalId']}/challenge")).json()
        answer = await decide(admin, approval["approvalId"], "reject", assertion=authenticator.get(asked["publicKey"]))
        assert answer.json()["status"] == "rejected", answer.text
        [told] = [each[2] for each in await rows(app, workspace.id, "APPROVAL") if each[0] == "approval.rejected"]
        assert told["passkey"]["passkeyId"].startswith("pky_")

    async def test_a_workspace_may_demand_it_from_a_risk_on(self, workflows: Workflows, admin: As) -> None:
        shown = (await admin.get("/workspace")).json()
        kept = {name: shown[name] for name in ("name", "defaultRegion", "dataRetentionDays")}
        before = (await workflows.ask(risk="high"))["statement"]
        changed = await admin.put("/workspace", json={**kept, "requirePasskeyFrom": "high"})
        assert changed.json()["requirePasskeyFrom"] == "high"
        medium, high = await workflows.ask(risk="medium"), await workflows.ask(risk="high", title="Again?")
        assert (medium["requirePasskey"], high["requirePasskey"]) == (False, True)
        assert code_of(await decide(admin, high["approvalId"])) == (403, "passkey_required")
        assert (await decide(admin, medium["approvalId"])).status_code == 200
        revisions = {json.loads(each)["policyRevision"] for each in (before, high["statement"])}
        assert len(revisions) == 2
        await admin.put("/workspace", json={**kept, "requirePasskeyFrom": None})
        assert (await workflows.ask(risk="high", title="And now?"))["requirePasskey"] is False

    async def test_no_clock_and_no_grant_decides_it(
        self, app: Running, workflows: Workflows, admin: As, make_as: MakeAs
    ) -> None:
        second = await make_as()
        grant = (await admin.post("/delegated-grants", json={"granteeUserId": second.id})).json()
        assert (await second.post(f"/delegated-grants/{grant['grantId']}/approve", json={})).status_code == 200
        approval = await workflows.ask(requirePasskey=True, onBreach="approve", title="By the clock?")
        async with app.ledger.db.housekeeping() as tx:
            await tx.driver_sql("UPDATE approvals SET due_at = 0 WHERE title = 'By the clock?'")
        await tasks.look(app.ledger, app.door.framework.state.engine)
        shown = (await admin.get(f"/approvals/{approval['approvalId']}")).json()
        assert (shown["status"], shown["breachedAt"] is None) == ("pending", False)
