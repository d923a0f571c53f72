"""What a workspace used, counted from what was recorded."""

from datetime import UTC, datetime
from typing import Any

from provenance.core import ids
from provenance.core.actor import Role
from provenance.ledger.service import Fact, record
from tests.conftest import Running, Tenant
from tests.identity.people import As, MakeAs


async def happen(app: Running, workspace: Tenant, event: str, **data: Any) -> None:
    resource_type, action = event.upper().split(".")
    async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
        record(tx, Fact(resource_type=resource_type, action=action, resource_id="x", data=data))


class TestSummary:
    async def test_counts_what_was_recorded_this_month(self, app: Running, workspace: Tenant, admin: As) -> None:
        before = (await admin.get("/billing/summary")).json()["usage"]
        for event in ("run.started", "run.queued", "bus.message_published", "mcp.tool_called"):
            await happen(app, workspace, event)
        await happen(app, workspace, "run.step_completed", usage={"tokensIn": 7, "tokensOut": 2, "costUsd": 0.5})
        await happen(app, workspace, "run.step_failed")
        summary = (await admin.get("/billing/summary")).json()
        month = datetime.now(UTC).strftime("%Y-%m-01T00:00:00.000Z")
        assert summary.pop("usage") == {
            "runs": 2,
            "steps": 2,
            "tokensIn": 7,
            "tokensOut": 2,
            "modelCostUsd": 0.5,
            "storageBytes": 0,
            "busMessages": 1,
            "mcpCalls": 1,
            "auditEvents": before["auditEvents"] + 6,
        }
        assert summary.pop("currentPeriod")["start"] == month
        assert summary == {
            "plan": "self_hosted",
            "status": "self_hosted",
            "seats": {"used": 1, "limit": None},
            "limits": {},
            "overage": {},
            "invoices": [],
            "portalAvailable": False,
        }

    async def test_is_for_administrators(self, make_as: MakeAs) -> None:
        assert await (await make_as(Role.EDITOR)).say("GET", "/billing/summary") == (403, "missing_role")


class TestPortal:
    async def test_a_self_hosted_server_has_none(self, admin: As) -> None:
        said = await admin.say("POST", "/billing/portal", {"returnUrl": "https://example.com"})
        assert said == (409, "billing_not_configured")
