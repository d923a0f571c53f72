"""Another workspace: entering one that one belongs to, and making one more."""

import asyncio

import httpx
import pytest

from provenance.core.actor import Role
from provenance.core.ids import random_letters
from tests.conftest import MakeTenant, Running
from tests.identity.people import As, MakeAs, also_in, rows


def slug() -> str:
    return "w" + random_letters(14).lower()


class TestSwitch:
    async def test_answers_a_token_for_the_other_workspace(
        self, app: Running, make_as: MakeAs, make_tenant: MakeTenant
    ) -> None:
        someone, other = await make_as(Role.EDITOR), await make_tenant()
        await also_in(app, someone, other, Role.VIEWER)
        answer = await someone.post("/workspace/switch", json={"workspaceId": other.id})
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert set(found) == {"workspaceId", "role", "accessToken", "expiresIn"}
        assert (found["workspaceId"], found["role"], found["expiresIn"]) == (other.id, "viewer", 3600)
        assert answer.headers["cache-control"] == "no-store"
        headers = {"authorization": f"Bearer {found['accessToken']}"}
        assert (await someone.get("/workspace", headers=headers)).json()["workspaceId"] == other.id
        [(event, subject, data)] = await rows(app, other.id, "WORKSPACE")
        assert (event, subject, set(data)) == ("workspace.switched", other.id, {"session"})

    async def test_nobody_enters_where_they_do_not_belong(self, someone_of: As, make_tenant: MakeTenant) -> None:
        other = await make_tenant()
        for wanted in (other.id, "ws_nonsense", ""):
            body = {"workspaceId": wanted}
            assert await someone_of.say("POST", "/workspace/switch", body) == (403, "no_membership")

    async def test_no_key_switches(self, client: httpx.AsyncClient, make_tenant: MakeTenant) -> None:
        answer = await client.post("/workspace/switch", json={"workspaceId": (await make_tenant()).id})
        assert (answer.status_code, answer.json()["code"]) == (403, "people_only")


class TestCreate:
    async def test_whoever_makes_one_administers_it(self, app: Running, admin: As) -> None:
        body = {"name": "Second", "slug": slug(), "defaultRegion": "eu"}
        answer = await admin.post("/workspaces", json=body)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert {name: made[name] for name in body} == body
        assert made["createdBy"] == admin.id
        entered = (await admin.post("/workspace/switch", json={"workspaceId": made["workspaceId"]})).json()
        assert entered["role"] == "admin"
        headers = {"authorization": f"Bearer {entered['accessToken']}"}
        environments = await admin.get("/workspace/environments", headers=headers)
        assert len(environments.json()["items"]) == 3
        told = [row for row in await rows(app, None, "WORKSPACE") if row[1] == made["workspaceId"]]
        assert told == [("workspace.created", made["workspaceId"], {"slug": body["slug"], "admin": admin.id})]
        assert await rows(app, admin.workspace.id, "WORKSPACE") == []
        assert [row[0] for row in await rows(app, made["workspaceId"], "WORKSPACE", "MEMBER")] == ["workspace.switched"]

    async def test_a_slug_is_used_once_also_at_once(self, admin: As) -> None:
        bodies = [{"name": "X", "slug": slug()}] * 3
        said = await asyncio.gather(*[admin.say("POST", "/workspaces", body) for body in bodies])
        assert sorted(said) == [(201, ""), (409, "slug_taken"), (409, "slug_taken")]
        assert await admin.say("POST", "/workspaces", {"name": "X", "slug": "instance"}) == (409, "slug_taken")

    @pytest.mark.parametrize("wrong", ["", "x", "Has Spaces", "1st", "a" * 64])
    async def test_a_slug_has_a_form(self, admin: As, wrong: str) -> None:
        assert (await admin.say("POST", "/workspaces", {"name": "X", "slug": wrong}))[0] == 400

    async def test_only_administrators_of_one_may(self, make_as: MakeAs, client: httpx.AsyncClient) -> None:
        body = {"name": "X", "slug": slug()}
        for role in (Role.VIEWER, Role.EDITOR):
            assert (await (await make_as(role)).say("POST", "/workspaces", body))[0] == 403
        assert (await client.post("/workspaces", json=body)).json()["code"] == "people_only"


@pytest.fixture
async def someone_of(make_as: MakeAs) -> As:
    return await make_as(Role.VIEWER)
