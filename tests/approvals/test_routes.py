"""Approvals over HTTP: a run waits, people read and decide, the run goes on."""

from tests.approvals.conftest import Workflows, decide
from tests.identity.people import As


class TestTheWholeWay:
    async def test_a_run_waits_is_approved_and_completes(self, workflows: Workflows, admin: As, worker: None) -> None:
        approval = await workflows.ask(given={"orderId": "ORD-9921", "amount": 750.0})
        run = (await workflows.client.get(f"/runs/{approval['runId']}")).json()
        assert (run["status"], run["waiting"][0]["ref"]) == ("approval", approval["approvalId"])
        comment = "Reviewed and approved. Order is within policy limits."
        answer = await decide(admin, approval["approvalId"], comment=comment)
        assert answer.status_code == 200
        assert list(answer.json()) == ["approvalId", "status", "approvedBy", "approvedAt"]
        assert answer.json()["approvalId"] == approval["approvalId"]
        assert (answer.json()["status"], answer.json()["approvedBy"]) == ("approved", admin.id)
        run = await workflows.ended(approval["runId"])
        assert (run["status"], run["output"]["decision"], run["output"]["comment"]) == (
            "completed",
            "approved",
            comment,
        )
        steps = (await workflows.client.get(f"/runs/{approval['runId']}/steps")).json()["items"]
        assert steps[1]["approvalId"] == approval["approvalId"]
