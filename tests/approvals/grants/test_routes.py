"""Grants over HTTP: made, confirmed by the second person, used, and ended."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from provenance.approvals.grants import service
from provenance.core import ids
from provenance.core.actor import Role
from tests.approvals.conftest import Workflows, code_of, decide, definition, gate
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.people import As, MakeAs, rows

GRANTS = "/delegated-grants"


async def made(admin: As, second: As, **more: Any) -> dict[str, Any]:
    """Return a grant that an administrator has just made, with its link."""
    answer = await admin.post(GRANTS, json={"granteeUserId": second.id, **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def link(grant: dict[str, Any], verb: str = "approve") -> str:
    """Return the path and query of a grant's link."""
    parts = urlsplit(grant["confirmUrl"])
    return f"{parts.path.removesuffix('approve')}{verb}?{parts.query}"


async def active(admin: As, second: As, **more: Any) -> dict[str, Any]:
    """Return a grant that the second person has confirmed."""
    grant = await made(admin, second, **more)
    answer = await second.post(f"{GRANTS}/{grant['grantId']}/approve", json={})
    assert answer.json()["status"] == "active", answer.text
    return grant


@pytest.fixture
async def second(make_as: MakeAs) -> As:
    """A member who confirms what others ask for."""
    return await make_as(Role.VIEWER)


class TestCreate:
    async def test_it_waits_for_its_second_person(self, app: Running, workspace: Tenant, admin: As, second: As) -> None:
        grant = await made(admin, second, reason="Month end", maxUses=3)
        assert (grant["status"], grant["grantKind"], grant["uses"]) == ("pending", "action_class", 0)
        assert (grant["grantorUserId"], grant["granteeUserId"]) == (admin.id, second.id)
        assert grant["confirmUrl"].endswith(grant["confirmUrl"].split("token=")[1])
        [listed] = (await second.get(GRANTS)).json()["items"]
        assert listed == {name: value for name, value in grant.items() if name != "confirmUrl"}
        [(event, subject, data)] = await rows(app, workspace.id, "GRANT")
        assert (event, subject, data["grantee"]) == ("grant.requested", grant["grantId"], second.id)
        token = grant["confirmUrl"].split("token=")[1]
        assert token[-20:] not in str(data)  # its end is secret

    async def test_what_can_not_be(self, admin: As, second: As) -> None:
        for wrong in (
            {"granteeUserId": admin.id},
            {"granteeUserId": "user_01HX0000000000000000000000"},
            {"granteeUserId": second.id, "grantorUserId": second.id},
            {"granteeUserId": second.id, "validUntil": "2020-01-01T00:00:00Z"},
            {"granteeUserId": second.id, "validUntil": "2099-01-01T00:00:00Z"},
        ):
            assert code_of(await admin.post(GRANTS, json=wrong)) == (400, "bad_grant")
        critical = {"granteeUserId": second.id, "scope": {"maxRisk": "critical"}}
        assert (await admin.post(GRANTS, json=critical)).status_code == 400

    async def test_only_administrators_and_no_keys(self, client: httpx.AsyncClient, second: As) -> None:
        body = {"granteeUserId": second.id}
        assert (await second.post(GRANTS, json=body)).status_code == 403
        assert code_of(await client.post(GRANTS, json=body)) == (403, "people_only")


class TestTheLink:
    async def test_opening_it_changes_nothing(self, app: Running, admin: As, second: As) -> None:
        grant = await made(admin, second, reason="<script>")
        async with httpx.AsyncClient(base_url=app.url, headers={"accept": "text/html"}) as browser:
            for verb, button in (("approve", "Confirm"), ("deny", "Deny")):
                for _ in range(2):
                    page = await browser.get(link(grant, verb))
                    assert (page.status_code, f"<button>{button}</button>" in page.text) == (200, True)
                    assert "&lt;script&gt;" in page.text
                    assert page.headers["referrer-policy"] == "no-referrer"
            shown = await browser.get(link(grant), headers={"accept": "application/json"})
            assert shown.json()["status"] == "pending"

    async def test_it_confirms_once(self, app: Running, workspace: Tenant, admin: As, second: As) -> None:
        grant = await made(admin, second)
        async with httpx.AsyncClient(base_url=app.url, headers={"accept": "text/html"}) as browser:
            form = {"content-type": "application/x-www-form-urlencoded"}
            done = await browser.post(link(grant), headers=form)
            assert (done.status_code, "The grant is active" in done.text) == (200, True)
            assert (await browser.get(link(grant))).status_code == 404
            assert (await browser.post(link(grant, "deny"))).status_code == 404
        events = await rows(app, workspace.id, "GRANT")
        assert [each[0] for each in events] == ["grant.requested", "grant.approved"]
        assert events[1][2]["byLink"] is True

    async def test_its_token_works_in_the_body_too(self, app: Running, admin: As, second: As) -> None:
        grant = await made(admin, second)
        token = grant["confirmUrl"].split("token=")[1]
        async with httpx.AsyncClient(base_url=app.url) as anybody:
            body = {"token": token, "comment": "Not now."}
            answer = await anybody.post(f"{GRANTS}/{grant['grantId']}/deny", json=body)
        assert (answer.json()["status"], answer.json()["comment"]) == ("denied", "Not now.")

    async def test_another_token_opens_nothing(
        self, app: Running, admin: As, second: As, make_tenant: MakeTenant
    ) -> None:
        grant, other = await made(admin, second), await made(admin, second)
        elsewhere = await make_tenant()
        abroad = grant["confirmUrl"].split("token=")[1].replace(admin.workspace.id[3:], elsewhere.id[3:])
        async with httpx.AsyncClient(base_url=app.url) as anybody:
            for token in ("", "x", other["confirmUrl"].split("token=")[1], abroad):
                for method in ("GET", "POST"):
                    path = f"{GRANTS}/{grant['grantId']}/approve?token={token}"
                    assert code_of(await anybody.request(method, path)) == (404, "grant_not_found")

    async def test_it_is_over_after_three_days(self, app: Running, admin: As, second: As) -> None:
        grant = await made(admin, second)
        async with app.ledger.db.housekeeping() as tx:
            over = "UPDATE approval_grants SET token_until = 1 WHERE id = $1"
            await tx.driver_sql(over, (ids.decode("grant", grant["grantId"]),))
        async with httpx.AsyncClient(base_url=app.url) as anybody:
            assert (await anybody.get(link(grant))).status_code == 404
        assert (await second.post(f"{GRANTS}/{grant['grantId']}/approve", json={})).status_code == 200


class TestDecide:
    async def test_only_who_is_named(self, admin: As, second: As, make_as: MakeAs, client: httpx.AsyncClient) -> None:
        grant = await made(admin, second)
        path = f"{GRANTS}/{grant['grantId']}/approve"
        for other in (admin, await make_as(Role.ADMIN)):
            assert code_of(await other.post(path, json={})) == (403, "not_your_grant")
            assert code_of(await other.get(path)) == (403, "not_your_grant")
        assert code_of(await client.post(path, json={})) == (404, "grant_not_found")
        assert (await second.get(path)).json()["status"] == "pending"

    async def test_once(self, admin: As, second: As) -> None:
        grant = await made(admin, second)
        path = f"{GRANTS}/{grant['grantId']}"
        answers = await asyncio.gather(
            second.post(f"{path}/approve", json={}), second.post(f"{path}/deny", json={"comment": "no"})
        )
        assert sorted(each.status_code for each in answers) == [200, 409]
        assert code_of(await second.post(f"{path}/approve", json={})) == (409, "grant_decided")
        assert (await second.post(f"{path}/deny", json={"comment": 5})).status_code == 400


class TestAClassOfRequests:
    async def test_made_with_an_approval_it_lets_similar_ones_pass(
        self, app: Running, workspace: Tenant, workflows: Workflows, admin: As, second: As, worker: None
    ) -> None:
        workflow_id = await workflows.publish(definition(gate(risk="high")))
        first = await workflows.waiting(await workflows.start(workflow_id, {"amount": 5}))
        rule = {"path": "amount", "op": "le", "value": 100}
        asked = {"granteeUserId": second.id, "payloadRules": [rule], "maxUses": 2, "reason": "Small ones"}
        answer = (await decide(admin, first["approvalId"], grant=asked)).json()
        grant = answer["grant"]
        assert (answer["status"], grant["createdFromApprovalId"]) == ("approved", first["approvalId"])
        assert (grant["scope"]["workflowIds"], grant["scope"]["stepKeys"]) == ([workflow_id], ["gate"])
        waits = await workflows.waiting(await workflows.start(workflow_id, {"amount": 6}))
        await decide(admin, waits["approvalId"])
        await second.post(f"{GRANTS}/{grant['grantId']}/approve", json={})
        for amount in (7, 8):
            run = await workflows.ended(await workflows.start(workflow_id, {"amount": amount}))
            assert (run["status"], run["output"]["decidedBy"]) == ("completed", "system")
        [passed, *_] = (await admin.get("/approvals")).json()["items"]
        assert passed["viaGrantId"] == grant["grantId"]
        told = [each for each in await rows(app, workspace.id, "APPROVAL") if each[0] == "approval.auto_approved"]
        assert [each[2]["viaGrantId"] for each in told] == [grant["grantId"]] * 2
        await workflows.waiting(await workflows.start(workflow_id, {"amount": 9}))  # it was for two
        [shown] = (await second.get(GRANTS, params={"status": "active"})).json()["items"]
        assert shown["uses"] == 2

    async def test_what_it_does_not_cover_is_asked(
        self, workflows: Workflows, admin: As, second: As, make_as: MakeAs
    ) -> None:
        scope: dict[str, Any] = {"maxRisk": "high", "payloadRules": [{"path": "amount", "op": "lt", "value": 10}]}
        await active(admin, second, scope=scope)
        plain = await workflows.publish(definition(gate()), "plain")
        assert (await self.status_of(workflows, plain, {"amount": 1})) == "approved"
        assert (await self.status_of(workflows, plain, {"amount": 10})) == "pending"
        assert (await self.status_of(workflows, plain, {})) == "pending"
        for number, config in enumerate(({"risk": "critical"}, {"requiredApprovals": 2})):
            other = await workflows.publish(definition(gate(**config)), f"other {number}")
            assert (await self.status_of(workflows, other, {"amount": 1})) == "pending"
        high = await workflows.publish(definition(gate(risk="high")), "high")
        assert (await self.status_of(workflows, high, {"amount": 1}, by=admin)) == "pending", "nobody grants themselves"
        assert (await self.status_of(workflows, high, {"amount": 1}, by=await make_as(Role.EDITOR))) == "approved"

    async def test_it_ends_with_the_authority_of_who_gave_it(
        self, app: Running, workspace: Tenant, workflows: Workflows, admin: As, second: As, make_as: MakeAs
    ) -> None:
        chief = await make_as(Role.ADMIN)
        await active(admin, second, grantorUserId=chief.id)
        workflow_id = await workflows.publish(definition(gate()))
        assert await self.status_of(workflows, workflow_id, {}) == "approved"
        await admin.put(f"/workspace/members/{chief.id}", json={"role": "viewer", "groups": []})
        assert await self.status_of(workflows, workflow_id, {}) == "pending"
        await admin.put(f"/workspace/members/{chief.id}", json={"role": "viewer", "groups": ["approvers"]})
        assert await self.status_of(workflows, workflow_id, {}) == "approved"
        async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
            assert await service.revoke_of(tx, chief.id) == 1
        assert await self.status_of(workflows, workflow_id, {}) == "pending"

    async def status_of(self, workflows: Workflows, workflow_id: str, given: Any, by: Any = None) -> str:
        run_id = await workflows.start(workflow_id, given, by)
        async with asyncio.timeout(20):
            while not (found := (await workflows.client.get("/approvals", params={"runId": run_id})).json()["items"]):
                await asyncio.sleep(0.02)
        status: str = found[0]["status"]
        return status

    async def test_nothing_critical_is_granted_with_an_approval(
        self, workflows: Workflows, admin: As, second: As
    ) -> None:
        for config in ({"risk": "critical"}, {"requiredApprovals": 2}):
            approval = await workflows.ask(**config)
            answer = await decide(admin, approval["approvalId"], grant={"granteeUserId": second.id})
            assert code_of(answer) == (400, "bad_grant")
            assert (await admin.get(f"/approvals/{approval['approvalId']}")).json()["decisions"] == []


class TestASubstitute:
    async def test_decides_on_behalf_of_who_is_away(
        self, workflows: Workflows, admin: As, second: As, make_as: MakeAs
    ) -> None:
        away = await make_as(Role.VIEWER)
        asked = {"risk": "high", "assignees": [{"kind": "user", "id": away.id}]}
        before = await workflows.ask(**asked)
        scope = {"maxRisk": "high"}
        grant = await active(admin, second, grantKind="substitute", grantorUserId=away.id, scope=scope)
        assert code_of(await decide(second, before["approvalId"])) == (403, "not_a_reviewer")
        during = await workflows.ask(**asked)
        assert {"kind": "user", "id": second.id} in during["assignees"]
        assert (await decide(second, during["approvalId"])).json()["status"] == "approved"
        critical = await workflows.ask(**{**asked, "risk": "critical"})
        assert {"kind": "user", "id": second.id} not in critical["assignees"]
        assert (await away.delete(f"{GRANTS}/{grant['grantId']}")).json()["status"] == "revoked"
        after = await workflows.ask(**{**asked, "title": "Later"})
        assert after["assignees"] == asked["assignees"]


class TestRevoke:
    async def test_its_people_and_administrators_may(self, admin: As, second: As, make_as: MakeAs) -> None:
        for person, status in ((second, 200), (admin, 200), (await make_as(Role.EDITOR), 403)):
            grant = await made(admin, second)
            answer = await person.delete(f"{GRANTS}/{grant['grantId']}")
            assert answer.status_code == status
            if status == 200:
                assert code_of(await person.delete(f"{GRANTS}/{grant['grantId']}")) == (409, "grant_decided")
        assert code_of(await admin.delete(f"{GRANTS}/nonsense")) == (404, "grant_not_found")

    async def test_another_workspaces_is_not_found(
        self, admin: As, second: As, make_as: MakeAs, make_tenant: MakeTenant
    ) -> None:
        grant = await made(admin, second)
        stranger = await make_as(Role.ADMIN, into=await make_tenant())
        assert (await stranger.get(GRANTS)).json()["items"] == []
        for method, path in (("DELETE", ""), ("GET", "/approve"), ("POST", "/approve"), ("POST", "/deny")):
            answer = await stranger.request(method, f"{GRANTS}/{grant['grantId']}{path}")
            assert code_of(answer) == (404, "grant_not_found")

    async def test_one_that_is_over_reads_as_expired(self, app: Running, admin: As, second: As) -> None:
        grant = await active(admin, second)
        async with app.ledger.db.housekeeping() as tx:
            over = "UPDATE approval_grants SET valid_until = 1 WHERE id = $1"
            await tx.driver_sql(over, (ids.decode("grant", grant["grantId"]),))
        [shown] = (await admin.get(GRANTS, params={"status": "expired"})).json()["items"]
        assert shown["status"] == "expired"
        assert (await admin.get(GRANTS, params={"status": "active"})).json()["items"] == []
        assert code_of(await admin.delete(f"{GRANTS}/{grant['grantId']}")) == (409, "grant_decided")
