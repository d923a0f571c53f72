"""What runs ask beyond their gates: items of a list, effects of which nobody knows whether they happened."""

from typing import Any

import pytest

from provenance.runs.asking import People
from tests.approvals.conftest import decide, gate
from tests.identity.people import As
from tests.runs.conftest import World
from tests.runs.published import definition, transform
from tests.runs.target import Target

ONCE = {"maxAttempts": 1}


async def asked(world: World, admin: As, run_id: str) -> dict[str, Any]:
    """Return the one thing that a run asks."""
    await world.until(run_id, "approval")
    [shown] = (await admin.get("/approvals", params={"runId": run_id, "status": "pending"})).json()["items"]
    found: dict[str, Any] = shown
    return found


class TestAnEffectOfUnknownOutcome:
    @pytest.mark.parametrize("verb", ["approve", "reject"])
    async def test_people_say_whether_it_is_repeated(self, world: World, admin: As, target: Target, verb: str) -> None:
        config = {"target": "http", "url": target.url, "riskLevel": "low"}
        pay = {"key": "pay", "kind": "action", "name": "Pay", "config": config, "onUnknown": "ask", "retry": ONCE}
        target.failures.append(500)
        async with world.working(gate=People(world.app.ledger)):
            run_id = await world.start(world.published.publish(definition(pay)), {})
            approval = await asked(world, admin, run_id)
            assert (approval["title"], approval["stepId"]) == ("Repeat Pay?", "0002_st_action")
            assert (await world.get(run_id)).waiting[0].ref == approval["approvalId"]
            assert (await decide(admin, approval["approvalId"], verb)).status_code == 200
            run = await world.until(run_id)
        if verb == "approve":
            assert (run.status, len(target.calls)) == ("completed", 2)
        else:
            assert (run.error.code, len(target.calls)) == ("not_repeated", 1)

    async def test_it_is_asked_again_when_it_is_not_known_again(self, world: World, admin: As, target: Target) -> None:
        """Each question is about one attempt: an answer to the first is none to the second."""
        config = {"target": "http", "url": target.url}
        pay = {"key": "pay", "kind": "action", "config": config, "onUnknown": "ask", "retry": ONCE}
        target.failures.extend([500, 500])
        async with world.working(gate=People(world.app.ledger)):
            run_id = await world.start(world.published.publish(definition(pay)), {})
            seen = []
            for _ in range(2):
                approval = await asked(world, admin, run_id)
                seen.append((await admin.get(f"/approvals/{approval['approvalId']}")).json())
                await decide(admin, approval["approvalId"])
            run = await world.until(run_id)
        assert (run.status, len(target.calls)) == ("completed", 3)
        assert len({each["approvalId"] for each in seen}) == 2
        assert ['"attempt":1' in each["statement"] for each in seen] == [True, False]


class TestItems:
    async def test_each_is_asked_for_itself_and_a_no_takes_the_others_back(self, world: World, admin: As) -> None:
        each = {**gate("each", payload="{{ item }}"), "forEach": {"items": "{{ input }}", "as": "item"}}
        document = definition(each, transform("sum", "{{ approval.each.payload }}"))
        async with world.working(gate=People(world.app.ledger)):
            run_id = await world.start(world.published.publish(document), ["a", "b"])
            await world.until(run_id, "approval")
            items = (await admin.get("/approvals", params={"runId": run_id})).json()["items"]
            first = items[-1]["approvalId"]
            await decide(admin, first, "reject")
            run = await world.until(run_id)
        assert run.status == "failed"
        items = (await admin.get("/approvals", params={"runId": run_id})).json()["items"]
        assert {each["status"] for each in items} <= {"rejected", "cancelled"}
