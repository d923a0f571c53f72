"""What is counted ahead is what would be counted now; what a plan does not allow is refused."""

import uuid

from sqlalchemy import select, text

from provenance.billing import service, tasks
from provenance.billing.tables import usage_months
from provenance.core import ids
from provenance.core.actor import Role
from tests.billing.test_routes import happen
from tests.conftest import Running, Tenant
from tests.identity.people import As, as_person


def id_of(workspace: Tenant) -> uuid.UUID:
    found = ids.decode("ws", workspace.id)
    assert found is not None
    return found


class TestCounting:
    async def test_ahead_and_now_come_to_the_same(self, app: Running, workspace: Tenant, admin: As) -> None:
        for number in range(5):
            await happen(app, workspace, "run.step_completed", usage={"tokensIn": number, "costUsd": 0.25})
            if number == 2:
                await service.count(app.ledger.db, id_of(workspace))
        seen = [(await admin.get("/billing/summary")).json()["usage"]]
        for _ in range(2):
            await service.count(app.ledger.db, id_of(workspace))
            seen.append((await admin.get("/billing/summary")).json()["usage"])
        assert (seen[0]["steps"], seen[0]["tokensIn"], seen[0]["modelCostUsd"]) == (5, 10, 1.25)
        assert seen[1:] == [seen[0]] * 2

    async def test_each_month_has_its_own_count(self, app: Running, workspace: Tenant, admin: As) -> None:
        await happen(app, workspace, "run.started")
        async with app.ledger.db.housekeeping(id_of(workspace)) as tx:
            year = text("UPDATE interactions SET occurred_at = occurred_at - 31536000000000000 WHERE workspace_id = :w")
            await tx.execute(year, {"w": tx.workspace_id})
        await tasks.count_all(app.ledger.db)
        await happen(app, workspace, "run.started")
        assert (await admin.get("/billing/summary")).json()["usage"]["runs"] == 1
        async with app.ledger.db.housekeeping(id_of(workspace)) as tx:
            months = select(usage_months.c.month).where(usage_months.c.workspace_id == tx.workspace_id).distinct()
            assert len((await tx.execute(months)).all()) == 1

    async def test_what_says_its_use_wrongly_is_counted_without_it(
        self, app: Running, workspace: Tenant, admin: As
    ) -> None:
        for usage in ("much", {"tokensIn": "7"}, {"tokensIn": 3.0, "tokensOut": None}, [1]):
            await happen(app, workspace, "run.step_failed", usage=usage)
        await service.count(app.ledger.db, id_of(workspace))
        used = (await admin.get("/billing/summary")).json()["usage"]
        assert (used["steps"], used["tokensIn"], used["tokensOut"]) == (4, 3, 0)


class TestLimits:
    async def test_members_with_those_invited(self, payer: As) -> None:
        invited = {"email": "one.more@example.com", "role": "viewer"}
        assert (await payer.say("POST", "/workspace/members", invited))[0] == 201
        invited = {"email": "too.many@example.com", "role": "viewer"}
        answer = await payer.post("/workspace/members", json=invited)
        assert (answer.status_code, answer.json()["code"]) == (409, "plan_limit_reached")
        assert answer.json()["detail"].startswith(
            "The workspace's plan allows 2 members, with those invited; 0 are left. Remove some, or have the limit"
        )
        summary = (await payer.get("/billing/summary")).json()
        assert (summary["seats"], summary["overage"]) == ({"used": 1, "limit": 2}, {})

    async def test_members_over_a_limit_that_was_lowered(self, app: Running, payer: As) -> None:
        async with await as_person(app, payer.workspace, Role.ADMIN) as without_limits:
            for name in ("a", "b"):
                invited = {"email": f"{name}@example.com", "role": "viewer"}
                assert (await without_limits.say("POST", "/workspace/members", invited))[0] == 201
        summary = (await payer.get("/billing/summary")).json()
        assert (summary["seats"]["used"], summary["overage"]) == (2, {"members": 2})
