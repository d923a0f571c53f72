"""The workspace's settings over HTTP: read by all, changed by administrators, one event for each change."""

from typing import Any

import httpx
import pytest

from provenance.core import ids
from provenance.core.actor import Role
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.people import As, MakeAs, rows

BODY = {"name": "Acme", "defaultRegion": "eu-central", "dataRetentionDays": 30}


class TestGet:
    async def test_shows_the_settings_of_the_callers_workspace(
        self, client: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        found = (await client.get("/workspace")).json()
        made_at = found.pop("createdAt")
        assert found.pop("slug")
        assert found == {
            "workspaceId": workspace.id,
            "name": "Test",
            "defaultRegion": "local",
            "dataRetentionDays": 90,
            "plan": "self_hosted",
            "features": {"mail": False, "singleSignOn": False},
            "selfApproval": False,
            "requireFreshLoginMinutes": 15,
            "defaultApprovers": [{"kind": "group", "id": "approvers"}],
            "requirePasskeyFrom": None,
            "createdBy": "system",
            "updatedAt": made_at,
            "updatedBy": "system",
        }

    async def test_any_key_reads_it_and_every_role(
        self, app: Running, workspace: Tenant, make_tenant: MakeTenant, make_as: MakeAs
    ) -> None:
        key = (await make_tenant((), into=workspace.id)).key
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": key}, verify=False) as keyed:
            assert (await keyed.get("/workspace")).json()["workspaceId"] == workspace.id
        for role in Role:
            assert (await (await make_as(role)).get("/workspace")).status_code == 200

    async def test_each_sees_their_own(self, workspace: Tenant, make_as: MakeAs, make_tenant: MakeTenant) -> None:
        other = await make_tenant()
        found = await (await make_as(Role.VIEWER, other)).get("/workspace")
        assert found.json()["workspaceId"] == other.id


class TestUpdate:
    async def test_changes_and_records_once(self, app: Running, workspace: Tenant, admin: As) -> None:
        body = {
            **BODY,
            "selfApproval": True,
            "requireFreshLoginMinutes": 5,
            "defaultApprovers": [{"kind": "user", "id": admin.id}, {"kind": "role", "id": "admin"}],
        }
        answer = await admin.put("/workspace", json=body)
        assert answer.status_code == 200, answer.text
        assert {name: answer.json()[name] for name in body} == body
        assert (answer.json()["updatedBy"], (await admin.get("/workspace")).json()) == (admin.id, answer.json())
        [(event, subject, data)] = await rows(app, workspace.id, "WORKSPACE")
        assert (event, subject) == ("workspace.updated", workspace.id)
        assert data["changes"]["dataRetentionDays"] == [90, 30]
        assert set(data["changes"]) == set(body)

    async def test_the_same_again_leaves_no_event(self, app: Running, workspace: Tenant, admin: As) -> None:
        read = (await admin.get("/workspace")).json()
        assert (await admin.put("/workspace", json=read)).json()["name"] == read["name"]
        first = (await admin.put("/workspace", json=BODY)).json()
        assert (await admin.put("/workspace", json=BODY)).json() == first
        changes = [data["changes"] for _, _, data in await rows(app, workspace.id, "WORKSPACE")]
        assert len(changes) == 2, "reading the server's own minutes and sending them back makes them the workspace's"

    async def test_our_additions_stay_when_left_out(self, admin: As) -> None:
        await admin.put("/workspace", json={**BODY, "selfApproval": True, "requireFreshLoginMinutes": 3})
        kept = (await admin.put("/workspace", json=BODY)).json()
        assert (kept["selfApproval"], kept["requireFreshLoginMinutes"]) == (True, 3)
        undone = (await admin.put("/workspace", json={**BODY, "requireFreshLoginMinutes": None})).json()
        assert undone["requireFreshLoginMinutes"] == 15

    async def test_the_slug_stays(self, admin: As) -> None:
        slug = (await admin.get("/workspace")).json()["slug"]
        assert (await admin.put("/workspace", json={**BODY, "slug": slug})).status_code == 200
        answer = await admin.put("/workspace", json={**BODY, "slug": "another"})
        assert (answer.status_code, answer.json()["code"]) == (409, "slug_immutable")

    @pytest.mark.parametrize(
        ("wrong", "path"),
        [
            ({"dataRetentionDays": 6}, "dataRetentionDays"),
            ({"dataRetentionDays": "long"}, "dataRetentionDays"),
            ({"name": "  "}, "name"),
            ({"defaultRegion": None}, "defaultRegion"),
            ({"requireFreshLoginMinutes": 0}, "requireFreshLoginMinutes"),
            ({"defaultApprovers": [{"kind": "planet", "id": "x"}]}, "defaultApprovers[0].kind"),
        ],
    )
    async def test_what_is_not_valid_is_named(self, admin: As, wrong: dict[str, Any], path: str) -> None:
        answer = await admin.put("/workspace", json={**BODY, **wrong})
        assert (answer.status_code, answer.json()["details"][0]["path"]) == (400, path)

    @pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
    async def test_only_administrators_may(self, make_as: MakeAs, role: Role, client: httpx.AsyncClient) -> None:
        assert (await (await make_as(role)).put("/workspace", json=BODY)).status_code == 403
        keyed = await client.put("/workspace", json=BODY)
        assert (keyed.status_code, keyed.json()["code"]) == (403, "people_only")

    async def test_how_fresh_a_sign_in_must_be_counts_at_once(self, app: Running, admin: As) -> None:
        ago = "UPDATE sessions SET signed_in_at = signed_in_at - $1 WHERE person_id = $2"
        async with app.ledger.db.housekeeping() as tx:
            await tx.driver_sql(ago, (10 * 60 * 10**9, ids.decode("user", admin.id)))
        assert (await admin.post("/auth/totp/enrol", json={})).status_code == 200
        await admin.put("/workspace", json={**BODY, "requireFreshLoginMinutes": 5})
        assert (await admin.post("/auth/totp/enrol", json={})).json()["code"] == "fresh_login_required"
