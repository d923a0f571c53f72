"""Members over HTTP: who may see and change them, the last administrator, invitations, removal."""

import asyncio
from typing import Any

import httpx
import pytest

from provenance.core import ids
from provenance.core.actor import Role
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.conftest import MailCatcher, new_email, token_in
from tests.identity.people import As, MakeAs, also_in, as_person, rows

MEMBERS = "/workspace/members"


def at(someone: As) -> str:
    return f"{MEMBERS}/{someone.id}"


async def listed(someone: As) -> dict[str, dict[str, Any]]:
    return {each["userId"]: each for each in (await someone.get(MEMBERS)).json()["items"]}


class TestList:
    async def test_shows_each_with_name_and_place(self, make_as: MakeAs) -> None:
        editor = await make_as(Role.EDITOR, groups=("approvers",))
        answer = await editor.get(MEMBERS)
        [shown] = answer.json()["items"]
        assert answer.json()["nextCursor"] is None
        assert shown.pop("joinedAt") <= shown.pop("lastSeenAt")
        assert shown == {
            "userId": editor.id,
            "email": editor.email,
            "name": editor.name,
            "role": "editor",
            "groups": ["approvers"],
            "status": "active",
            "mfa": False,
        }

    async def test_a_second_factor_shows(self, app: Running, admin: As) -> None:
        sql = "INSERT INTO totp_secrets (person_id, sealed, confirmed_at, last_step) VALUES ($1, ''::bytea, 1, 0)"
        async with app.ledger.db.housekeeping() as tx:
            await tx.driver_sql(sql, (ids.decode("user", admin.id),))
        assert (await listed(admin))[admin.id]["mfa"] is True

    async def test_pages_lose_nobody_and_repeat_nobody(self, admin: As, make_as: MakeAs) -> None:
        everyone = [admin.id, *[(await make_as(Role.VIEWER)).id for _ in range(4)]]
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await admin.get(MEMBERS, params={"limit": "2", **cursor})).json()
            seen += [each["userId"] for each in page["items"]]
            if page["nextCursor"] is None:
                break
            cursor = {"cursor": page["nextCursor"]}
        assert seen == sorted(everyone, reverse=True)

    async def test_a_cursor_of_another_list_or_workspace_is_refused(
        self, admin: As, make_as: MakeAs, make_tenant: MakeTenant
    ) -> None:
        await make_as(Role.VIEWER)
        cursor = (await admin.get(MEMBERS, params={"limit": 1})).json()["nextCursor"]
        stranger = await make_as(Role.ADMIN, await make_tenant())
        wrong = [
            await stranger.get(MEMBERS, params={"cursor": cursor}),
            await admin.get("/workspace/api-keys", params={"cursor": cursor}),
            await admin.get(MEMBERS, params={"cursor": "nonsense"}),
        ]
        assert [(each.status_code, each.json()["code"]) for each in wrong] == [(400, "bad_cursor")] * 3

    async def test_editors_may_viewers_and_keys_may_not(self, make_as: MakeAs, client: httpx.AsyncClient) -> None:
        assert (await (await make_as(Role.VIEWER)).say("GET", MEMBERS))[0] == 403
        assert (await client.get(MEMBERS)).json()["code"] == "people_only"


class TestInvite:
    async def test_without_a_mail_server_the_link_is_shown(
        self, app: Running, workspace: Tenant, admin: As, web: httpx.AsyncClient
    ) -> None:
        email = new_email()
        answer = await admin.post(
            MEMBERS, json={"email": email, "role": "editor", "groups": ["approvers", "approvers"]}
        )
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert (made["email"], made["role"], made["groups"]) == (email, "editor", ["approvers"])
        assert (made["status"], made["joinedAt"], made["name"]) == ("invited", None, None)
        assert await rows(app, workspace.id, "MEMBER") == [
            ("member.invited", made["userId"], {"role": "editor", "groups": ["approvers"]})
        ]
        accepted = {"token": token_in(made["acceptUrl"]), "password": "correct horse battery", "name": "Ada"}
        assert (await web.post("/auth/accept-invite", json=accepted)).status_code == 200
        shown = (await listed(admin))[made["userId"]]
        assert (shown["status"], shown["name"], shown["joinedAt"] is None) == ("active", "Ada", False)

    async def test_with_one_it_is_mailed(self, mailing: Running, workspace: Tenant, mails: MailCatcher) -> None:
        email = new_email()
        async with await as_person(mailing, workspace, Role.ADMIN) as admin:
            answer = await admin.post(MEMBERS, json={"email": email, "role": "viewer"})
        assert (answer.status_code, answer.json()["acceptUrl"]) == (201, None)
        assert token_in(await mails.to(email))

    async def test_whoever_is_a_member_already_is_not_invited(self, admin: As, make_as: MakeAs) -> None:
        there = await make_as(Role.VIEWER)
        body = {"email": there.email.upper(), "role": "admin"}
        assert await admin.say("POST", MEMBERS, body) == (409, "already_member")

    async def test_a_second_invitation_voids_the_first(self, admin: As, web: httpx.AsyncClient) -> None:
        body = {"email": new_email(), "role": "viewer"}
        first, second = [(await admin.post(MEMBERS, json=body)).json() for _ in range(2)]
        assert first["userId"] == second["userId"]
        answers = [
            await web.post("/auth/accept-invite", json={"token": token_in(each["acceptUrl"]), "password": "p" * 12})
            for each in (first,)
        ]
        assert [each.json()["code"] for each in answers] == ["ticket_spent"]

    async def test_two_workspaces_that_invite_a_stranger_at_once_make_one_person(
        self, admin: As, make_as: MakeAs, make_tenant: MakeTenant
    ) -> None:
        other = await make_as(Role.ADMIN, await make_tenant())
        body = {"email": new_email(), "role": "viewer"}
        answers = await asyncio.gather(*[each.post(MEMBERS, json=body) for each in (admin, other, admin, other)])
        assert [each.status_code for each in answers] == [201] * 4
        assert len({each.json()["userId"] for each in answers}) == 1

    @pytest.mark.parametrize(
        ("wrong", "path"),
        [
            ({"email": "nobody"}, "email"),
            ({"email": "a b@example.com"}, "email"),
            ({"email": "a@b@example.com"}, "email"),
            ({"role": "owner"}, "role"),
            ({"groups": ["Not A Group"]}, "groups[0]"),
        ],
    )
    async def test_what_is_not_valid_is_named(self, admin: As, wrong: dict[str, Any], path: str) -> None:
        answer = await admin.post(MEMBERS, json={"email": new_email(), "role": "viewer", **wrong})
        assert (answer.status_code, answer.json()["details"][0]["path"]) == (400, path)

    async def test_only_administrators_may(self, make_as: MakeAs, client: httpx.AsyncClient) -> None:
        body = {"email": new_email(), "role": "viewer"}
        for role in (Role.VIEWER, Role.EDITOR):
            assert (await (await make_as(role)).say("POST", MEMBERS, body))[0] == 403
        assert (await client.post(MEMBERS, json=body)).json()["code"] == "people_only"


class TestUpdate:
    async def test_counts_at_once_and_is_recorded(
        self, app: Running, workspace: Tenant, admin: As, make_as: MakeAs
    ) -> None:
        editor = await make_as(Role.EDITOR)
        assert (await editor.get(MEMBERS)).status_code == 200
        answer = await admin.put(at(editor), json={"role": "viewer", "groups": ["approvers"]})
        assert (answer.status_code, answer.json()["role"], answer.json()["groups"]) == (200, "viewer", ["approvers"])
        assert (await editor.get(MEMBERS)).status_code == 403
        changes = {"role": ["editor", "viewer"], "groups": [[], ["approvers"]]}
        assert await rows(app, workspace.id, "MEMBER") == [("member.role_changed", editor.id, {"changes": changes})]

    async def test_the_same_again_leaves_no_event(self, app: Running, workspace: Tenant, admin: As) -> None:
        assert (await admin.put(at(admin), json={"role": "admin", "groups": []})).status_code == 200
        assert await rows(app, workspace.id, "MEMBER") == []

    async def test_the_last_administrator_stays_one(self, admin: As, make_as: MakeAs) -> None:
        demotion = {"role": "editor", "groups": []}
        assert await admin.say("PUT", at(admin), demotion) == (409, "last_admin")
        second = await make_as(Role.ADMIN)
        assert await admin.say("PUT", at(admin), demotion) == (200, "")
        assert await second.say("PUT", at(second), demotion) == (409, "last_admin")

    async def test_one_who_was_only_invited_is_no_administrator_yet(self, admin: As) -> None:
        await admin.post(MEMBERS, json={"email": new_email(), "role": "admin"})
        assert await admin.say("PUT", at(admin), {"role": "viewer", "groups": []}) == (409, "last_admin")

    async def test_of_two_who_demote_one_another_one_stays(self, make_as: MakeAs) -> None:
        for _ in range(3):
            ada, bob = await make_as(Role.ADMIN), await make_as(Role.ADMIN)
            for each in (ada, bob):
                await each.get(MEMBERS)
            others = [each for each in (await listed(ada)).values() if each["userId"] not in (ada.id, bob.id)]
            for other in others:
                await ada.delete(f"{MEMBERS}/{other['userId']}")
            demotion = {"role": "viewer", "groups": []}
            said = await asyncio.gather(ada.say("PUT", at(bob), demotion), bob.say("PUT", at(ada), demotion))
            assert sorted(said) in ([(200, ""), (409, "last_admin")], [(200, ""), (403, "not_allowed")])
            winner = ada if said[0][0] == 200 else bob
            assert [each["role"] for each in (await listed(winner)).values()].count("admin") == 1

    async def test_who_lost_the_role_on_the_way_changes_nobody(self, make_as: MakeAs) -> None:
        ada, bob, eve = [await make_as(Role.ADMIN) for _ in range(3)]
        for each in (ada, bob):
            await each.get(MEMBERS)
        demotion = {"role": "viewer", "groups": []}
        said = await asyncio.gather(ada.say("PUT", at(bob), demotion), bob.say("PUT", at(ada), demotion))
        assert sorted(said) == [(200, ""), (403, "not_allowed")]
        assert [each["role"] for each in (await listed(eve)).values()].count("admin") == 2

    async def test_nobody_of_another_workspace(self, admin: As, make_as: MakeAs, make_tenant: MakeTenant) -> None:
        stranger = await make_as(Role.EDITOR, await make_tenant())
        for path in (at(stranger), f"{MEMBERS}/user_nonsense", f"{MEMBERS}/{ids.encode('user', ids.new_uuid())}"):
            assert await admin.say("PUT", path, {"role": "viewer", "groups": []}) == (404, "member_not_found")
            assert await admin.say("DELETE", path) == (404, "member_not_found")

    async def test_only_administrators_may(self, admin: As, make_as: MakeAs, client: httpx.AsyncClient) -> None:
        for role in (Role.VIEWER, Role.EDITOR):
            someone = await make_as(role)
            assert (await someone.say("PUT", at(someone), {"role": "admin", "groups": []}))[0] == 403
        keyed = await client.put(at(admin), json={"role": "viewer", "groups": []})
        assert keyed.json()["code"] == "people_only"


class TestRemove:
    async def test_ends_what_they_had_here_at_once(
        self, app: Running, workspace: Tenant, admin: As, make_as: MakeAs
    ) -> None:
        editor = await make_as(Role.EDITOR)
        assert (await editor.get(MEMBERS)).status_code == 200
        answer = await admin.delete(at(editor))
        assert (answer.status_code, answer.json()) == (200, {"userId": editor.id, "removed": True})
        assert (await editor.get("/workspace")).status_code == 401
        assert editor.id not in await listed(admin)
        [(event, subject, data)] = await rows(app, workspace.id, "MEMBER")
        assert (event, subject, data) == (
            "member.removed",
            editor.id,
            {"role": "editor", "status": "active", "sessions": 1},
        )
        assert await admin.say("DELETE", at(editor)) == (404, "member_not_found")

    async def test_leaves_their_other_workspaces_alone(
        self, app: Running, admin: As, make_as: MakeAs, make_tenant: MakeTenant
    ) -> None:
        elsewhere = await make_tenant()
        visitor = await make_as(Role.EDITOR, elsewhere)
        await also_in(app, visitor, admin.workspace, Role.VIEWER)
        await admin.delete(at(visitor))
        assert (await visitor.get("/workspace")).json()["workspaceId"] == elsewhere.id

    async def test_an_invitation_is_withdrawn_and_the_address_forgotten(
        self, app: Running, admin: As, web: httpx.AsyncClient
    ) -> None:
        made = (await admin.post(MEMBERS, json={"email": new_email(), "role": "viewer"})).json()
        assert (await admin.delete(f"{MEMBERS}/{made['userId']}")).status_code == 200
        body = {"token": token_in(made["acceptUrl"]), "password": "correct horse battery"}
        assert (await web.post("/auth/accept-invite", json=body)).json()["code"] == "ticket_spent"
        async with app.ledger.db.housekeeping() as tx:
            sql = "SELECT email_sealed, email_digest FROM people WHERE id = $1"
            assert (await tx.driver_sql(sql, (ids.decode("user", made["userId"]),))).one() == (None, None)

    async def test_the_last_administrator_stays(self, admin: As, make_as: MakeAs) -> None:
        assert await admin.say("DELETE", at(admin)) == (409, "last_admin")
        await make_as(Role.ADMIN)
        assert await admin.say("DELETE", at(admin)) == (200, "")
        assert (await admin.get("/workspace")).status_code == 401

    async def test_only_administrators_may(self, admin: As, make_as: MakeAs, client: httpx.AsyncClient) -> None:
        for role in (Role.VIEWER, Role.EDITOR):
            assert (await (await make_as(role)).say("DELETE", at(admin)))[0] == 403
        assert (await client.delete(at(admin))).json()["code"] == "people_only"
