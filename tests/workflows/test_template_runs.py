"""Every template runs to its end against local stand-ins: made with variables, published, started, decided."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from provenance.core.settings import Settings
from provenance.workflows.templates.catalogue import templates
from tests.approvals.conftest import Workflows, working
from tests.conftest import Running
from tests.identity.people import As
from tests.runs.conftest import target
from tests.runs.target import Target

__all__ = ["target"]


@pytest.fixture
async def worker(app: Running, settings: Settings) -> AsyncIterator[None]:
    """The worker as it is, which may call what listens on this machine."""
    async with working(app, settings.model_copy(update={"egress_allow": ["127.0.0.0/8"]})):
        yield


class Case:
    """What a template is given, what people decide, and what comes out."""

    def __init__(self, given: Any, output: Any, *, approve: bool = False, calls: int = 0, **variables: Any):
        self.given, self.output, self.approve, self.calls = given, output, approve, calls
        self.variables = variables


ORDER = {"orderId": "A-1", "amount": 750}
PURCHASE = {"item": "Desk", "amount": 20, "requester": "Kim"}
INCIDENT = {"service": "shop", "severity": 3, "title": "Slow"}
CASES = {
    "tpl_approval_demo": [Case({"name": "Kim"}, {"text": "Dear Kim, welcome aboard."}, approve=True)],
    "tpl_order_approval": [
        Case(ORDER, {"processed": True, "orderId": "A-1"}, approve=True, calls=1),
        Case(ORDER, {"processed": True, "orderId": "A-1"}, calls=1, limit=1000),
    ],
    "tpl_procurement_intake": [
        Case(PURCHASE, {"ordered": True, "item": "Desk"}, calls=3),
        Case(PURCHASE, {"ordered": True, "item": "Desk"}, approve=True, calls=3, threshold=10),
    ],
    "tpl_incident_routing": [
        Case({**INCIDENT, "severity": 5}, {"severity": 5}, calls=1),
        Case(INCIDENT, {"severity": 3}, calls=2),
        Case({**INCIDENT, "severity": 1}, {"severity": 1}, approve=True, calls=3),
    ],
    "tpl_employee_onboarding": [
        Case({"employeeId": "7", "name": "Kim", "manager": "Lee"}, {"tasks": 3}, calls=5, reminderSeconds=0.01)
    ],
}
RUNS = [(name, number) for name, cases in CASES.items() for number in range(len(cases))]


def test_there_is_a_run_of_every_template_without_an_agent() -> None:
    needing = {each.template_id for each in templates() if "agent" in each.step_kinds or "skill" in each.step_kinds}
    assert CASES.keys() == {each.template_id for each in templates()} - needing


@pytest.mark.parametrize(("name", "number"), RUNS)
async def test_a_template_runs_to_its_end(
    client: httpx.AsyncClient, admin: As, worker: None, target: Target, name: str, number: int
) -> None:
    case, workflows = CASES[name][number], Workflows(client)
    [template] = [each for each in templates() if each.template_id == name]
    addresses = {each.name: target.url for each in template.variables if each.name.endswith("Url")}
    body = {"name": template.name, "templateId": name, "variables": addresses | case.variables}
    stores = {each["config"]["datastoreId"] for each in template.definition["steps"] if each["kind"] == "storage"}
    for store in stores:
        assert (await client.post("/datastores", json={"name": store})).status_code == 201
    made = await client.post("/workflows", json=body)
    assert made.status_code == 201, made.text
    workflow_id = made.json()["workflowId"]
    assert (await client.post(f"/workflows/{workflow_id}/publish", json={})).status_code == 200
    run_id = await workflows.start(workflow_id, case.given)
    if case.approve:
        approval = await workflows.waiting(run_id)
        assert (await admin.post(f"/approvals/{approval['approvalId']}/approve", json={})).status_code == 200
    run = await workflows.ended(run_id)
    assert (run["status"], run["output"]) == ("completed", case.output), run
    assert len(target.calls) == case.calls, target.bodies
    assert "{{" not in str(target.bodies)


async def test_what_people_change_is_what_is_sent(
    client: httpx.AsyncClient, admin: As, worker: None, target: Target
) -> None:
    variables = {"ordersUrl": target.url}
    await client.post("/datastores", json={"name": "orders"})
    body = {"name": "Orders", "templateId": "tpl_order_approval", "variables": variables}
    workflow_id = (await client.post("/workflows", json=body)).json()["workflowId"]
    await client.post(f"/workflows/{workflow_id}/publish", json={})
    workflows = Workflows(client)
    run_id = await workflows.start(workflow_id, ORDER)
    approval = await workflows.waiting(run_id)
    decided = {"payload": {"amount": 600}, "payloadRevision": approval["payloadRevision"]}
    answer = await admin.post(f"/approvals/{approval['approvalId']}/approve", json=decided)
    assert answer.status_code == 200, answer.text
    assert (await workflows.ended(run_id))["status"] == "completed"
    assert [json.loads(body) for body in target.bodies] == [{"orderId": "A-1", "amount": 600}]
    assert "600.0" not in target.bodies[0]


class TestVariables:
    @pytest.mark.parametrize(
        ("variables", "path"),
        [({"nope": 1}, "variables.nope"), ({"limit": "much"}, "variables.limit"), ({"limit": True}, "variables.limit")],
    )
    async def test_what_does_not_fit(self, client: httpx.AsyncClient, variables: Any, path: str) -> None:
        body = {"name": "Orders", "templateId": "tpl_order_approval", "variables": variables}
        answer = await client.post("/workflows", json=body)
        assert (answer.status_code, [each["path"] for each in answer.json()["details"]]) == (400, [path])

    async def test_they_are_those_of_a_template(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/workflows", json={"name": "Orders", "variables": {"limit": 1}})
        assert (answer.status_code, answer.json()["details"][0]["path"]) == (400, "variables")
