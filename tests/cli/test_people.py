"""`keys`, `members` and `workspace`: what an administrator does at a shell, against the run's server."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from provenance.core.actor import Role
from provenance.core.ids import random_letters
from tests.cli.process import Person, Shell
from tests.cli.zygote import Zygote
from tests.conftest import Running, Tenant
from tests.identity.conftest import new_email
from tests.identity.people import As, as_person


async def signed_in(app: Running, workspace: Tenant, home: Path, zygote: Zygote) -> tuple[Person, As]:
    """Return the shell of somebody who is signed in, as `provenance login` leaves it, and a client that is them."""
    found = await as_person(app, workspace, Role.ADMIN)
    url = f"{app.url}/api"
    shell = Shell(home, {"PROVENANCE_API_URL": url, "PROVENANCE_API_KEY": workspace.key}, zygote)
    session = {
        "accessToken": found.headers["authorization"].removeprefix("Bearer "),
        "refreshToken": "pvr_none",
        "user": {},
        "workspace": {},
        "expiresAt": 2**40,
    }
    path = home / "config" / "provenance" / "sessions.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({url: session}), "utf-8")
    return Person(shell), found


@pytest.fixture
async def admin(app: Running, workspace: Tenant, tmp_path: Path, zygote: Zygote) -> Any:
    person, found = await signed_in(app, workspace, tmp_path, zygote)
    async with found:
        yield person, found


class TestKeys:
    async def test_create_list_revoke(self, app: Running, admin: tuple[Person, As]) -> None:
        person, _ = admin
        done = await person.run("keys", "create", "ci", "--scope", "runs:read", "--expires", "2099-01-01T00:00:00Z")
        assert done.returncode == 0, done.stderr
        key = done.stdout.strip()
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": key}, verify=False) as keyed:
            assert (await keyed.get("/workspace")).status_code == 200
            shown = json.loads(await person.get("keys", "list", "--json"))
            [made] = [each for each in shown if each["name"] == "ci"]
            assert "2099-01-01" in await person.get("keys", "list")
            assert (await person.run("keys", "revoke", made["keyId"])).returncode == 0
            assert (await keyed.get("/workspace")).status_code == 401

    async def test_refusals_are_told(self, admin: tuple[Person, As]) -> None:
        person, _ = admin
        refused = await person.run("keys", "create", "ci", "--scope", "everything")
        assert (refused.returncode, "scopes[0]" in refused.stderr) == (1, True)
        assert (await person.run("keys", "revoke", "../members")).returncode == 1

    async def test_a_key_is_not_enough(self, person: Person) -> None:
        done = await person.run("keys", "list")
        assert (done.returncode, "provenance login" in done.stderr) == (1, True)


class TestMembers:
    async def test_invite_update_remove(self, admin: tuple[Person, As]) -> None:
        person, me = admin
        email = new_email()
        done = await person.run("members", "invite", email, "--role", "editor")
        assert (done.returncode, "#token=" in done.stdout) == (0, True), done.stderr
        [made] = [each for each in json.loads(await person.get("members", "list", "--json")) if each["email"] == email]
        assert (await person.run("members", "update", made["userId"], "--group", "approvers")).returncode == 0
        [after] = [each for each in (await me.get("/workspace/members")).json()["items"] if each["email"] == email]
        assert (after["role"], after["groups"]) == ("editor", ["approvers"])
        assert (await person.run("members", "remove", made["userId"])).returncode == 0
        assert email not in await person.get("members", "list")

    async def test_erase_asks_for_the_id_again(self, app: Running, workspace: Tenant, admin: tuple[Person, As]) -> None:
        person, _ = admin
        async with await as_person(app, workspace, Role.VIEWER) as someone:
            words = ("members", "erase", someone.id, "--reason", "asked for it")
            assert (await person.run(*words)).returncode == 2
            done = json.loads(await person.get(*words, "--confirm", someone.id, "--json"))
        assert done["status"] == "completed"


class TestWorkspace:
    async def test_show_and_update(self, admin: tuple[Person, As]) -> None:
        person, _ = admin
        await person.get("workspace", "update", "--retention-days", "10", "--self-approval")
        found = json.loads(await person.get("workspace", "show", "--json"))
        assert (found["name"], found["dataRetentionDays"], found["selfApproval"]) == ("Test", 10, True)
        assert "dataRetentionDays" in await person.get("workspace", "show")

    async def test_environments(self, admin: tuple[Person, As]) -> None:
        person, _ = admin
        await person.get("workspace", "environments", "add", "qa", "--protected")
        left = json.loads(await person.get("workspace", "environments", "remove", "staging", "--json"))
        assert [each["slug"] for each in left] == ["production", "development", "qa"]
        refused = await person.run("workspace", "environments", "remove", "production")
        assert (refused.returncode, "production_stays" in refused.stderr) == (1, True)

    async def test_create_and_switch(self, admin: tuple[Person, As]) -> None:
        person, _ = admin
        slug = "w" + random_letters(12).lower()
        made = json.loads(await person.get("workspace", "create", slug, "--json"))
        assert (await person.run("workspace", "switch", slug)).returncode == 0
        shown, listed = await asyncio.gather(
            person.get("workspace", "show", "--json"), person.get("workspace", "list", "--json")
        )
        assert json.loads(shown)["workspaceId"] == made["workspaceId"]
        assert len(json.loads(listed)) == 2
        nowhere = await person.run("workspace", "switch", "nowhere")
        assert nowhere.returncode == 1
