"""Erasing a member: nothing in the whole database names them, and every row of theirs still proves."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from provenance.core import ids
from provenance.core.actor import Role
from provenance.core.db import asyncpg_dsn
from provenance.core.disk import DiskFull
from provenance.identity.members import erasing, journal
from provenance.identity.members.journal import Line
from provenance.identity.members.reapplying import erase_again
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.conftest import new_email, token_in
from tests.identity.people import As, MakeAs, also_in, rows

MEMBERS = "/workspace/members"


def body(someone: As, reason: str = "asked for it") -> dict[str, str]:
    return {"confirm": someone.id, "reason": reason}


def at(someone: As) -> str:
    return f"{MEMBERS}/{someone.id}/erase"


async def found_anywhere(url: str, words: list[str]) -> list[tuple[str, str]]:
    """Return where in the database a word stands: any column of any table, whatever its type, bytes read as text."""
    connection = await asyncpg.connect(asyncpg_dsn(url))
    columns = await connection.fetch(
        "SELECT c.relname, a.attname, t.typname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "JOIN pg_type t ON t.oid = a.atttypid WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped "
        "AND c.relnamespace = 'public'::regnamespace "
        "AND t.typname IN ('text', '_text', 'bytea', 'jsonb', 'json', 'varchar')"
    )
    found = []
    for table, column, kind in columns:
        shown = f"encode(\"{column}\", 'escape')" if kind == "bytea" else f'"{column}"::text'
        for word in words:
            sql = f'SELECT 1 FROM "{table}" WHERE {shown} ILIKE $1 LIMIT 1'
            if await connection.fetchval(sql, f"%{word}%"):
                found.append((table, column))
    await connection.close()
    return found


class TestErase:
    async def test_nothing_names_them_and_their_rows_still_prove(
        self, app: Running, workspace: Tenant, admin: As, make_as: MakeAs, database_url: str
    ) -> None:
        editor = await make_as(Role.EDITOR)
        await admin.put(f"{MEMBERS}/{editor.id}", json={"role": "editor", "groups": ["approvers"]})
        sent = {"resourceType": "ORDER", "resourceId": "o-1", "action": "CREATE", "origin": "TEST"}
        assert (await editor.post("/api/interactions", json=sent)).status_code == 201
        before = await audited(admin)
        answer = await admin.post(at(editor), json=body(editor))
        assert answer.status_code == 200, answer.text
        done = answer.json()
        assert (done["status"], done["erasureId"][:4], done["tombstone"][:7]) == ("completed", "ers_", "erased_")
        assert done["eventsTombstoned"] == sum(editor.id in (each["actorId"], each["objectId"]) for each in before)
        assert await found_anywhere(database_url, [editor.email, editor.name]) == []
        assert ("interactions", "recorded_by") in await found_anywhere(database_url, [editor.id]), "the search works"
        assert (await editor.get("/workspace")).status_code == 401
        [shown] = [each for each in (await admin.get(MEMBERS)).json()["items"] if each["userId"] == editor.id]
        assert (shown["status"], shown["email"], shown["name"], shown["groups"]) == ("erased", None, None, [])
        after = await audited(admin)
        assert [each["mac"] for each in after if each["eventType"] != "member.erased"] == [e["mac"] for e in before]
        seqs = [each["seq"] for each in after]
        checked = await admin.post("/audit/verify-range", json={"fromSeq": 1, "toSeq": max(seqs)})
        assert checked.status_code == 200, checked.text
        assert checked.json()["firstBad"] is None

    async def test_answers_kept_for_repeats_forget_them_too(self, admin: As, database_url: str) -> None:
        sent = {"email": new_email(), "role": "viewer"}
        headers = {"idempotency-key": "once"}
        made = (await admin.post(MEMBERS, json=sent, headers=headers)).json()
        again = (await admin.post(MEMBERS, json=sent, headers=headers)).json()
        assert again == {**{name: value for name, value in made.items() if name != "acceptUrl"}, "shownOnce": True}
        assert await found_anywhere(database_url, [token_in(made["acceptUrl"])]) == []
        assert await found_anywhere(database_url, [sent["email"]]) == [("idempotency_keys", "answer")]
        words = {"confirm": made["userId"], "reason": "asked for it"}
        assert (await admin.post(f"{MEMBERS}/{made['userId']}/erase", json=words)).status_code == 200
        assert await found_anywhere(database_url, [sent["email"]]) == []

    async def test_is_recorded_once_as_critical_and_a_second_time_answers_the_same(
        self, app: Running, workspace: Tenant, admin: As, make_as: MakeAs
    ) -> None:
        viewer = await make_as(Role.VIEWER)
        first = await admin.post(at(viewer), json=body(viewer))
        assert (await admin.post(at(viewer), json=body(viewer, "again"))).json() == first.json()
        [event] = [each for each in await audited(admin) if each["eventType"] == "member.erased"]
        assert (event["risk"], event["objectId"], event["actorId"]) == ("critical", viewer.id, admin.id)
        [(_, _, data)] = await rows(app, workspace.id, "MEMBER")
        assert data == {
            "erasureId": first.json()["erasureId"],
            "tombstone": first.json()["tombstone"],
            "eventsTombstoned": first.json()["eventsTombstoned"],
            "keysRevoked": [],
            "reason": "asked for it",
        }
        async with app.ledger.db.housekeeping() as tx:
            found = await erasing.tombstones(tx, [viewer.id, admin.id, "system", "key_x"])
        assert found == {viewer.id: first.json()["tombstone"]}

    async def test_at_once_it_happens_once(self, app: Running, workspace: Tenant, admin: As, make_as: MakeAs) -> None:
        viewer = await make_as(Role.VIEWER)
        answers = await asyncio.gather(*[admin.post(at(viewer), json=body(viewer)) for _ in range(4)])
        assert len({answer.text for answer in answers}) == 1
        assert answers[0].status_code == 200
        assert len(await rows(app, workspace.id, "MEMBER")) == 1

    async def test_the_keys_they_made_end(self, app: Running, admin: As, make_as: MakeAs) -> None:
        other = await make_as(Role.ADMIN)
        made = (await other.post("/workspace/api-keys", json={"name": "x", "scopes": ["runs:read"]})).json()
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": made["key"]}, verify=False) as keyed:
            assert (await keyed.get("/workspace")).status_code == 200
            await admin.post(at(other), json=body(other))
            assert (await keyed.get("/workspace")).status_code == 401
        [(_, _, data)] = await rows(app, admin.workspace.id, "MEMBER")
        assert data["keysRevoked"] == [made["keyId"]]

    async def test_an_erased_member_is_not_changed_any_more(self, admin: As, make_as: MakeAs) -> None:
        viewer = await make_as(Role.VIEWER)
        await admin.post(at(viewer), json=body(viewer))
        change = {"role": "editor", "groups": []}
        assert await admin.say("PUT", f"{MEMBERS}/{viewer.id}", change) == (409, "member_erased")
        assert await admin.say("DELETE", f"{MEMBERS}/{viewer.id}") == (409, "member_erased")

    async def test_the_address_is_free_for_somebody_new(self, admin: As, make_as: MakeAs) -> None:
        viewer = await make_as(Role.VIEWER)
        await admin.post(at(viewer), json=body(viewer))
        made = await admin.post(MEMBERS, json={"email": viewer.email, "role": "viewer"})
        assert (made.status_code, made.json()["userId"] != viewer.id) == (201, True)


class TestRefusals:
    async def test_confirm_must_repeat_the_id_and_a_reason_be_given(self, admin: As, make_as: MakeAs) -> None:
        viewer = await make_as(Role.VIEWER)
        for wrong, path in (
            ({"reason": "x"}, "confirm"),
            ({"confirm": admin.id, "reason": "x"}, "confirm"),
            ({"confirm": viewer.id}, "reason"),
            ({"confirm": viewer.id, "reason": " "}, "reason"),
            ({"confirm": viewer.id, "reason": f"{viewer.name.upper()} left"}, "reason"),
            ({"confirm": viewer.id, "reason": f"mail to {viewer.email}"}, "reason"),
        ):
            answer = await admin.post(at(viewer), json=wrong)
            assert (answer.status_code, answer.json()["details"][0]["path"]) == (400, path), wrong

    async def test_the_last_administrator_stays(self, admin: As, make_as: MakeAs) -> None:
        assert await admin.say("POST", at(admin), body(admin)) == (409, "last_admin")
        await make_as(Role.ADMIN)
        assert await admin.say("POST", at(admin), body(admin)) == (200, "")
        assert (await admin.get("/workspace")).status_code == 401

    async def test_of_two_who_erase_one_another_one_stays(self, make_as: MakeAs) -> None:
        ada, bob = await make_as(Role.ADMIN), await make_as(Role.ADMIN)
        said = await asyncio.gather(ada.say("POST", at(bob), body(bob)), bob.say("POST", at(ada), body(ada)))
        assert sorted(said)[0] == (200, "")
        assert sorted(said)[1][0] in (401, 403, 409)
        assert (await (ada if said[0][0] == 200 else bob).get("/workspace")).status_code == 200

    async def test_a_member_of_workspaces_of_others_needs_their_word(
        self, app: Running, admin: As, make_as: MakeAs, make_tenant: MakeTenant
    ) -> None:
        elsewhere = await make_tenant()
        owner, visitor = await make_as(Role.ADMIN, elsewhere), await make_as(Role.EDITOR)
        await also_in(app, visitor, elsewhere, Role.EDITOR)
        assert await admin.say("POST", at(visitor), body(visitor)) == (409, "member_elsewhere")
        await also_in(app, admin, elsewhere, Role.ADMIN)
        assert await admin.say("POST", at(visitor), body(visitor)) == (200, "")
        for workspace in (admin.workspace, elsewhere):
            [(event, subject, data)] = await rows(app, workspace.id, "MEMBER")
            assert (event, subject, "reason" in data) == ("member.erased", visitor.id, workspace is admin.workspace)
        [shown] = [each for each in (await owner.get(MEMBERS)).json()["items"] if each["userId"] == visitor.id]
        assert shown["status"] == "erased"

    async def test_the_last_administrator_of_another_workspace_stays_too(
        self, app: Running, admin: As, make_as: MakeAs, make_tenant: MakeTenant
    ) -> None:
        owner = await make_as(Role.ADMIN, await make_tenant())
        await also_in(app, owner, admin.workspace, Role.VIEWER)
        assert await admin.say("POST", at(owner), body(owner)) == (409, "last_admin")

    async def test_nobody_of_another_workspace(self, admin: As, make_as: MakeAs, make_tenant: MakeTenant) -> None:
        stranger = await make_as(Role.EDITOR, await make_tenant())
        assert await admin.say("POST", at(stranger), body(stranger)) == (404, "member_not_found")

    async def test_only_administrators_may(self, admin: As, make_as: MakeAs, client: httpx.AsyncClient) -> None:
        for role in (Role.VIEWER, Role.EDITOR):
            assert (await (await make_as(role)).say("POST", at(admin), body(admin)))[0] == 403
        assert (await client.post(at(admin), json=body(admin))).json()["code"] == "people_only"


class TestRestored:
    async def test_who_was_erased_since_the_backup_is_erased_again(
        self, app: Running, workspace: Tenant, admin: As, make_as: MakeAs, database_url: str, tmp_path: Path
    ) -> None:
        viewer = await make_as(Role.VIEWER)
        person_id = ids.decode("user", viewer.id)
        assert person_id is not None
        line = Line(person_id, ids.new_uuid(), 7, 1, admin.id)
        assert await erase_again(app.ledger.db, tmp_path) == 0
        journal.keep(tmp_path, line)
        with (tmp_path / journal.JOURNAL_FILE).open("ab") as file:
            file.write(b'{"person": "cut o')
        journal.keep(tmp_path, Line(ids.new_uuid(), ids.new_uuid(), 0, 1, "user_gone"))
        assert await erase_again(app.ledger.db, tmp_path) == 1
        assert await erase_again(app.ledger.db, tmp_path) == 0
        assert await found_anywhere(database_url, [viewer.email, viewer.name]) == []
        again = await admin.post(at(viewer), json=body(viewer))
        assert (again.json()["erasureId"], again.json()["eventsTombstoned"]) == (ids.encode("ers", line.erasure), 7)
        [(event, subject, data)] = await rows(app, workspace.id, "MEMBER")
        assert (event, subject, data["again"]) == ("member.erased", viewer.id, True)

    async def test_each_erasure_is_written_down(self, app: Running, admin: As, make_as: MakeAs) -> None:
        viewer = await make_as(Role.VIEWER)
        done = (await admin.post(at(viewer), json=body(viewer))).json()
        folder = app.ledger.settings.data_dir
        [line] = [each for each in journal.load(folder) if each.person == ids.decode("user", viewer.id)]
        assert (ids.encode("ers", line.erasure), line.events, line.by) == (
            done["erasureId"],
            done["eventsTombstoned"],
            admin.id,
        )
        assert viewer.email not in (folder / journal.JOURNAL_FILE).read_text("utf-8")

    def test_a_disk_without_room_is_told(self, tmp_path: Path) -> None:
        (tmp_path / journal.JOURNAL_FILE).mkdir()
        with pytest.raises(DiskFull):
            journal.keep(tmp_path, Line(ids.new_uuid(), ids.new_uuid(), 0, 1, "system"))


async def audited(someone: As) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await someone.get("/audit", params={"limit": 200})).json()["items"]
    return found
