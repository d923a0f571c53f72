"""Environments over HTTP: one list, replaced as a whole; production stays, and so does what is in use."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from provenance.core import ids
from provenance.core.actor import Role
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.people import As, MakeAs, rows

PRODUCTION = {"name": "Production", "slug": "production"}
STAGING = {"name": "Staging", "slug": "staging"}


async def slugs(someone: As) -> list[str]:
    return [each["slug"] for each in (await someone.get("/workspace/environments")).json()["items"]]


class TestList:
    async def test_a_new_workspace_has_three(self, make_as: MakeAs) -> None:
        viewer = await make_as(Role.VIEWER)
        [production, *others] = (await viewer.get("/workspace/environments")).json()["items"]
        assert production.pop("createdAt")
        assert production == {"name": "Production", "slug": "production", "protected": True, "description": ""}
        assert [(each["slug"], each["protected"]) for each in others] == [("staging", False), ("development", False)]

    async def test_no_key_reads_them(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/workspace/environments")).json()["code"] == "people_only"


class TestUpdate:
    async def test_replaces_the_list_and_records_what_changed(self, app: Running, workspace: Tenant, admin: As) -> None:
        made = {"name": "Quality", "slug": "qa", "protected": True, "description": "before staging"}
        answer = await admin.put("/workspace/environments", json={"items": [PRODUCTION, made, STAGING]})
        assert answer.status_code == 200, answer.text
        assert [each["slug"] for each in answer.json()["items"]] == ["production", "qa", "staging"]
        assert {name: answer.json()["items"][1][name] for name in made} == made
        [(event, subject, data)] = await rows(app, workspace.id, "ENVIRONMENT")
        assert (event, subject, set(data["changes"])) == ("environment.updated", workspace.id, {"qa", "development"})
        assert data["changes"]["qa"][0] is data["changes"]["development"][1] is None

    async def test_the_same_list_is_no_change_its_order_is(self, app: Running, workspace: Tenant, admin: As) -> None:
        items = (await admin.get("/workspace/environments")).json()["items"]
        assert (await admin.put("/workspace/environments", json={"items": items})).json()["items"] == items
        assert await rows(app, workspace.id, "ENVIRONMENT") == []
        await admin.put("/workspace/environments", json=[*items[1:], items[0]])
        assert (await slugs(admin))[-1] == "production"
        assert len(await rows(app, workspace.id, "ENVIRONMENT")) == 1

    async def test_protection_is_kept_unless_sent(self, admin: As) -> None:
        await admin.put("/workspace/environments", json=[PRODUCTION, {**STAGING, "protected": True}])
        kept = (await admin.put("/workspace/environments", json=[PRODUCTION, STAGING])).json()["items"]
        assert [each["protected"] for each in kept] == [True, True]

    @pytest.mark.parametrize("items", [[], [STAGING], [{**PRODUCTION, "protected": False}]])
    async def test_production_stays_and_is_protected(self, admin: As, items: list[Any]) -> None:
        answer = await admin.put("/workspace/environments", json={"items": items})
        assert (answer.status_code, answer.json()["code"]) == (409, "production_stays")

    async def test_one_that_is_in_use_stays(self, app: Running, workspace: Tenant, admin: As) -> None:
        refer = (
            "CREATE TABLE IF NOT EXISTS lives_there (workspace_id uuid, environment text, "
            "FOREIGN KEY (workspace_id, environment) REFERENCES environments (workspace_id, slug))"
        )
        async with app.ledger.db.housekeeping() as tx:
            await tx.execute(text(refer))
            await tx.driver_sql("INSERT INTO lives_there VALUES ($1, 'staging')", (ids.decode("ws", workspace.id),))
        try:
            answer = await admin.put("/workspace/environments", json=[PRODUCTION])
            assert (answer.status_code, answer.json()["code"]) == (409, "environment_in_use")
            assert await slugs(admin) == ["production", "staging", "development"]
            renamed = await admin.put("/workspace/environments", json=[PRODUCTION, {**STAGING, "name": "Rehearsal"}])
            assert renamed.status_code == 200
        finally:
            async with app.ledger.db.housekeeping() as tx:
                await tx.execute(text("DROP TABLE lives_there"))
        assert len(await rows(app, workspace.id, "ENVIRONMENT")) == 1

    @pytest.mark.parametrize(
        ("items", "path"),
        [
            ([PRODUCTION, STAGING, STAGING], "items[2].slug"),
            ([PRODUCTION, {"name": "X", "slug": "Not A Slug"}], "items[1].slug"),
            ([PRODUCTION, {"name": "", "slug": "x"}], "items[1].name"),
            ("production", "$"),
        ],
    )
    async def test_what_is_not_valid_is_named(self, admin: As, items: Any, path: str) -> None:
        answer = await admin.put("/workspace/environments", json=items)
        assert (answer.status_code, answer.json()["details"][0]["path"]) == (400, path)

    async def test_two_at_once_leave_one_of_the_lists(self, admin: As) -> None:
        lists = [[PRODUCTION, {"name": each, "slug": each}] for each in ("alpha", "beta")]
        answers = await asyncio.gather(*[admin.put("/workspace/environments", json=each) for each in lists])
        assert [answer.status_code for answer in answers] == [200, 200]
        assert await slugs(admin) in (["production", "alpha"], ["production", "beta"])

    @pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
    async def test_only_administrators_may(self, make_as: MakeAs, role: Role, client: httpx.AsyncClient) -> None:
        assert (await (await make_as(role)).put("/workspace/environments", json=[PRODUCTION])).status_code == 403
        assert (await client.put("/workspace/environments", json=[PRODUCTION])).json()["code"] == "people_only"

    async def test_each_workspace_has_its_own(self, admin: As, make_as: MakeAs, make_tenant: MakeTenant) -> None:
        await admin.put("/workspace/environments", json=[PRODUCTION])
        stranger = await make_as(Role.ADMIN, await make_tenant())
        assert await slugs(stranger) == ["production", "staging", "development"]
