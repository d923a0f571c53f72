"""Erasure over HTTP and a real worker's steps: content goes, proofs stay, holds stop it, retention follows."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from provenance.core import ids
from provenance.core.actor import Role
from provenance.core.db import asyncpg_dsn
from provenance.identity import queries as members
from provenance.identity import service as people
from provenance.identity.sessions import service as sessions
from provenance.identity.sessions.schemas import Method, Mode, Proof
from provenance.ledger.erasure import journal, reapplying, tasks, working
from provenance.ledger.erasure.retention import service as retention
from provenance.ledger.erasure.schemas import taken
from provenance.ledger.log.heads import Heads
from provenance.ledger.log.integrating import Integrator
from provenance.ledger.self_audit import service as self_audit
from provenance.proof.certificates import open_certificate
from provenance.proof.json_proof import verify_json_proof
from provenance.proof.notes import Note, VerifierKey
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.conftest import identity_of, new_email
from tests.ledger.test_completeness import Pair, verified
from tests.ledger.test_fields import discovered

BEFORE = 1
"""Rows that are there before a test records any: the admin's sign-in."""
EVERY_ROW = ("content", "salt", "resource_id", "user_id", "external_reference")


def row(number: int, user: str = "zoe-lind", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "ORDER",
        "action": "CREATE",
        "origin": "SHOP",
        "resourceId": f"order-{number}",
        "userId": user,
        "interaction": {"note": f"secret of {user}", "at": {"city": "Zürich"}},
        "externalReference": f"ref-{number}",
        "relatedResources": [{"resourceType": "USER", "resourceId": f"user-{user}", "role": "used"}],
        "idempotencyKey": f"{user}-{number}",
        **more,
    }


def id_of(workspace: Tenant) -> uuid.UUID:
    found = ids.decode("ws", workspace.id)
    assert found is not None
    return found


async def post(client: httpx.AsyncClient, *items: dict[str, Any]) -> list[str]:
    made: list[str] = []
    for at in range(0, len(items), 1000):
        answer = await client.post("/api/interactions/batch", json=items[at : at + 1000])
        assert answer.status_code == 201, answer.text
        made += [item["interactionId"] for item in answer.json()["items"]]
    return made


async def worked(app: Running) -> None:
    """Do what a worker's round does."""
    await tasks.work(app.ledger, asyncio.Event())


async def person_client(app: Running, workspace: Tenant, role: Role) -> httpx.AsyncClient:
    """Return a client of somebody who is signed in, without the second that a password costs."""
    identity = identity_of(app)
    async with app.ledger.db.housekeeping(id_of(workspace)) as tx:
        made = await people.add_person(tx, identity.keys, email=new_email())
        await members.insert_member(tx, made, role.name.lower())
        person = await people.person_by_id(tx, identity.keys, made)
    assert person is not None
    started = await sessions.start(identity, Proof(person, (Method.PASSKEY,), id_of(workspace)), Mode.TOKEN)
    headers = {"authorization": f"Bearer {started.access_token}"}
    return httpx.AsyncClient(base_url=app.url, headers=headers, timeout=60, verify=False)


@pytest.fixture
async def admin(app: Running, workspace: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """An admin of the test's workspace, signed in as a person."""
    client = await person_client(app, workspace, Role.ADMIN)
    yield client
    await client.aclose()


@pytest.fixture
async def sql(app: Running) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(asyncpg_dsn(app.ledger.db.url))
    yield connection
    await connection.close()


async def erased(app: Running, admin: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """Ask for an erasure, let the worker do it, and return it finished."""
    asked = await admin.post("/api/erasures", json={"reason": "asked for", **body})
    assert asked.status_code == 202, asked.text
    await worked(app)
    found: dict[str, Any] = (await admin.get(f"/api/erasures/{asked.json()['erasureId']}")).json()
    assert found["status"] == "finished", found
    return found


async def integrated(app: Running, workspace: Tenant, folder: Path) -> None:
    await Integrator(app.ledger, Heads(folder)).integrate([id_of(workspace)])


async def columns(sql: Any, workspace: Tenant) -> list[Any]:
    return list(
        await sql.fetch(
            f"SELECT number, {', '.join(EVERY_ROW)} FROM interactions WHERE workspace_id = $1 AND NOT platform "
            "ORDER BY number",
            id_of(workspace),
        )
    )


class TestErasing:
    async def test_a_person_goes_and_nothing_else(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant, sql: Any
    ) -> None:
        await post(client, *[row(n, "zoe-lind" if n % 2 else "bob") for n in range(1, 21)])
        found = await erased(app, admin, userId="zoe-lind")
        assert (found["erased"], found["expected"], found["selector"]["kind"]) == (10, 10, "userId")
        for n, each in enumerate(await columns(sql, workspace), 1):
            gone = [each[name] is None for name in EVERY_ROW]
            assert all(gone) if n % 2 else not any(gone)
        kept = await sql.fetchval("SELECT count(*) FROM interaction_keys WHERE workspace_id = $1", id_of(workspace))
        named = await sql.fetch("SELECT resource_id FROM interaction_related WHERE workspace_id = $1", id_of(workspace))
        assert (kept, {each[0] for each in named}, len(named)) == (10, {"user-bob"}, 10)
        left = await sql.fetchrow(
            "SELECT selector_sealed, certificate FROM erasures WHERE id = $1", uuid.UUID(found["erasureId"])
        )
        assert left["selector_sealed"] is None
        assert "zoe-lind" not in left["certificate"]

    async def test_an_erased_row_says_so_everywhere(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        uow = str(uuid.uuid4())
        made = await post(client, *[row(n, "zoe-lind", uowId=uow) for n in range(3)], row(7, "bob", uowId=uow))
        found = await erased(app, admin, userId="zoe-lind", reason="she asked")
        one = (await client.get(f"/api/interactions/{made[0]}")).json()
        assert one["resourceId"] is one["userId"] is one["interaction"] is one["externalReference"] is None
        assert one["erased"]["reason"] == "she asked"
        assert one["erased"]["certificate"] == f"/api/erasures/{found['erasureId']}/certificate"
        assert one["erased"]["by"].startswith("user_")
        assert "erased" not in (await client.get(f"/api/interactions/{made[3]}")).json()
        questions = ("", "?uowId=" + uow, "?action=CREATE", "?resourceType=ORDER", "?from=2020-01-01", "?order=asc")
        more = ("?where=interaction.note != ''", "?where=!has(interaction.note)", "?q=secret", "?platform=exclude")
        for question in (*questions, *more):
            answer = await client.get("/api/interactions" + question)
            assert answer.status_code == 200, (question, answer.text)
            for each in answer.json()["data"]:
                assert ("erased" in each) == (each["interactionId"] in made[:3])
        trace = (await client.get(f"/api/traces/{uow}")).json()
        assert [("erased" in each) for each in trace["interactions"]] == [True, True, True, False]
        for path in ("summary", "timeline"):
            assert (await client.get(f"/api/traces/{uow}/{path}")).status_code == 200
        assert (await client.get("/api/traces/order-7")).status_code == 200
        assert (await client.get("/api/traces/order-1")).status_code == 404
        assert (await client.get("/api/interactions?userId=zoe-lind")).json()["data"] == []

    async def test_what_counts_rows_lives_with_erased_ones(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        await post(client, *[row(n, "zoe-lind" if n % 2 else "bob") for n in range(6)])
        await discovered(app, workspace)
        await erased(app, admin, userId="zoe-lind")
        for question in ({"action": "CREATE"}, {"userId": "bob"}, {"resources": [{"resourceId": "order-2"}]}):
            answer = await client.post("/api/activity", json=question)
            assert answer.status_code == 200, answer.text
        for dimension in ("userId", "resourceType", "interaction.note", "day"):
            asked = {"metrics": ["count"], "dimensions": [dimension]}
            answer = await client.post("/api/analytics/query", json=asked)
            assert answer.status_code == 200, answer.text
        assert (await client.get("/api/analytics/discover")).status_code == 200
        fields = (await client.get("/api/interaction-fields?resourceType=ORDER")).json()["data"]
        assert {each["path"]: each["count"] for each in fields} == {"note": 3, "at": 3, "at.city": 3}
        await erased(app, admin, userId="bob")
        assert (await client.get("/api/interaction-fields?resourceType=ORDER")).json()["data"] == []

    async def test_exports_live_with_erased_rows(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant, tmp_path: Path
    ) -> None:
        await post(client, *[row(n, "zoe-lind" if n % 2 else "bob") for n in range(6)])
        await erased(app, admin, userId="zoe-lind")
        await integrated(app, workspace, tmp_path)
        for kind in ("ndjson", "csv"):
            answer = await client.get("/api/export", params={"format": kind, "resourceType": "ORDER"})
            assert answer.status_code == 200, answer.text
            assert ("secret of bob" in answer.text, "zoe-lind" in answer.text) == (True, False)
        asked = {"format": "ndjson", "resourceType": "ORDER", "proofs": "inline"}
        exported = await client.get("/api/export", params=asked)
        assert exported.status_code == 200, exported.text
        assert exported.text.count('"erased":{"at"') == 3

    async def test_evidence_and_kept_answers_forget_them_too(
        self,
        app: Running,
        client: httpx.AsyncClient,
        admin: httpx.AsyncClient,
        workspace: Tenant,
        sql: Any,
        tmp_path: Path,
    ) -> None:
        await post(client, row(1, "zoe-lind"), row(2, "bob"))
        await integrated(app, workspace, tmp_path)
        for name in ("zoe-lind", "bob"):
            body = {"filters": {"userId": name}, "completeness": False}
            answer = await client.post("/api/evidence", json=body, headers={"Idempotency-Key": name})
            assert answer.status_code == 201, answer.text
        await erased(app, admin, userId="zoe-lind")
        packs = [
            each["asked"]
            for each in await sql.fetch("SELECT asked FROM evidence_packs WHERE workspace_id = $1", id_of(workspace))
        ]
        assert len(packs) == 1
        assert "bob" in packs[0]
        kept = await sql.fetch("SELECT answer FROM idempotency_keys WHERE workspace_id = $1", id_of(workspace))
        assert [each["answer"] for each in kept] == [b"{}", b"{}"]

    async def test_fields_not_counted_yet_are_not_uncounted(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        await post(client, row(1, "bob"))
        await discovered(app, workspace)
        await post(client, row(2, "zoe-lind"))
        await erased(app, admin, userId="zoe-lind")
        await discovered(app, workspace)
        fields = (await client.get("/api/interaction-fields?resourceType=ORDER")).json()["data"]
        assert {each["path"]: each["count"] for each in fields} == {"note": 1, "at": 1, "at.city": 1}

    async def test_every_proof_still_verifies(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant, tmp_path: Path
    ) -> None:
        made = await post(client, *[row(n, "zoe-lind" if n % 3 else "bob") for n in range(300)])
        await integrated(app, workspace, tmp_path)
        found = await erased(app, admin, userId="zoe-lind")
        await integrated(app, workspace, tmp_path)
        key = VerifierKey.parse((await client.get("/api/log/key")).text.strip())
        for n in range(0, 300, 7):
            path = f"/api/interactions/{made[n]}/proof"
            document = await client.get(path, headers={"accept": "application/json"})
            assert verify_json_proof(document.content, [key]).proven
            assert (document.json()["content"] is None) == bool(n % 3)
        assert (await client.get("/api/log/tile/entries/000")).status_code == 200
        note = (await admin.get(found["certificate"])).text
        certificate = open_certificate(Note.parse(note), [key])
        expected = [n + BEFORE + 1 for n in range(300) if n % 3]
        assert [n for first, last in certificate.ranges for n in range(first, last + 1)] == expected
        assert certificate.selector_hash == found["selector"]["hash"]
        assert certificate.id == found["erasureId"]

    async def test_completeness_still_holds_and_the_audit_finds_nothing(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant, tmp_path: Path
    ) -> None:
        pair = Pair(app, tmp_path, workspace)
        await post(client, *[row(n, "zoe-lind" if n % 2 else "bob") for n in range(40)])
        await pair.catch_up()
        before = [await verified(client, userId=user) for user in ("zoe-lind", "bob", "eve")]
        await erased(app, admin, userId="zoe-lind")
        await pair.catch_up()
        after = [await verified(client, userId=user) for user in ("zoe-lind", "bob", "eve")]
        assert [each.count for each in after] == [each.count for each in before] == [20, 20, 0]
        heads = Heads(tmp_path)
        heads.load()
        assert await self_audit.whole_pass(app.ledger, heads, id_of(workspace)) == []

    async def test_it_is_recorded_with_counts_and_ranges(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        await post(client, *[row(n) for n in range(5)])
        await erased(app, admin, userId="zoe-lind")
        rows = (await client.get("/api/interactions?platform=only&resourceType=LEDGER&order=asc")).json()["data"]
        assert [each["actionMnemonic"] for each in rows] == ["ERASURE_REQUESTED", "ERASED"]
        data = rows[1]["interaction"]
        assert (data["rows"], data["numbers"], data["moreNumbers"]) == (5, [[BEFORE + 1, BEFORE + 5]], False)
        assert "zoe-lind" not in json.dumps(rows)

    async def test_by_resource_and_by_filter(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        made = await post(
            client, row(1), row(1, idempotencyKey="again"), row(2), row(3, outcome="failure"), row(4, "bob")
        )
        assert (await erased(app, admin, resourceId="order-1"))["erased"] == 2
        assert (await erased(app, admin, filter={"outcome": "failure"}))["erased"] == 1
        filter = {"relatedResourceId": "user-bob", "where": "interaction.at.city == 'Zürich'", "from": "2020-01-01"}
        assert (await erased(app, admin, filter=filter))["erased"] == 1
        rows = (await client.get("/api/interactions?platform=exclude")).json()["data"]
        assert [each["interactionId"] for each in rows if "erased" not in each] == [made[2]]

    async def test_a_prefix_is_no_resource_id(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        await post(client, row(1), row(2))
        for text in ("order-*", "*"):
            assert (await erased(app, admin, resourceId=text))["erased"] == 0

    async def test_twice_is_once(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        await post(client, row(1), row(2))
        body = {"userId": "zoe-lind", "reason": "asked for"}
        first, second = [(await admin.post("/api/erasures", json=body)).json() for _ in range(2)]
        assert first == second
        await worked(app)
        again = await erased(app, admin, userId="zoe-lind")
        assert (again["erasureId"] != first["erasureId"], again["erased"]) == (True, 0)
        note = (await admin.get(again["certificate"])).text
        assert "rows 0\n" in note

    async def test_rows_of_the_platform_stay(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant, sql: Any
    ) -> None:
        await post(client, row(1))
        await erased(app, admin, userId="zoe-lind")
        assert (await erased(app, admin, filter={"resourceType": "LEDGER"}))["erased"] == 0
        refused = await admin.post("/api/erasures", json={"filter": {"platform": "only"}, "reason": "no"})
        assert refused.status_code == 400
        empty = "SELECT count(*) FROM interactions WHERE workspace_id = $1 AND platform AND content IS NULL"
        assert await sql.fetchval(empty, id_of(workspace)) == 0

    async def test_a_repeat_after_an_erasure_is_a_new_row(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        first = (await post(client, row(1)))[0]
        await erased(app, admin, userId="zoe-lind")
        answer = await client.post("/api/interactions/batch", json=[row(1)])
        item = answer.json()["items"][0]
        assert (item["status"], item["interactionId"] != first) == ("created", True)

    async def test_an_interaction_is_still_never_deleted(self, client: httpx.AsyncClient) -> None:
        made = (await post(client, row(1)))[0]
        assert (await client.delete(f"/api/interactions/{made}")).json()["code"] == "append_only"

    async def test_ten_thousand_rows_and_a_worker_that_dies_in_the_middle(
        self,
        app: Running,
        client: httpx.AsyncClient,
        admin: httpx.AsyncClient,
        workspace: Tenant,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        await post(client, *[row(n, "zoe-lind" if n % 5 else "bob") for n in range(3_000)])
        monkeypatch.setattr(working, "ROWS_AT_ONCE", 100)
        asked = (await admin.post("/api/erasures", json={"userId": "zoe-lind", "reason": "asked"})).json()
        workspace_id, erasure_id = id_of(workspace), uuid.UUID(asked["erasureId"])
        for _ in range(5):
            assert await working._step(app.ledger, workspace_id, erasure_id)
        midway = (await admin.get(f"/api/erasures/{erasure_id}")).json()
        assert (midway["status"], midway["erased"]) == ("erasing", 500)
        assert (await admin.get(f"/api/erasures/{erasure_id}/certificate")).json()["code"] == "not_certified"
        await worked(app)
        done = (await admin.get(f"/api/erasures/{erasure_id}")).json()
        assert (done["status"], done["erased"]) == ("finished", 2_400)

    async def test_a_full_certificate_is_continued(
        self,
        app: Running,
        client: httpx.AsyncClient,
        admin: httpx.AsyncClient,
        workspace: Tenant,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        await post(client, *[row(n, "zoe-lind" if n % 2 else "bob") for n in range(100)])
        monkeypatch.setattr(working, "ROWS_AT_ONCE", 10)
        monkeypatch.setattr(working, "RANGES_KEPT", 15)
        await erased(app, admin, userId="zoe-lind")
        await worked(app)
        await worked(app)
        found = (await admin.get("/api/erasures")).json()["data"]
        assert [each["erased"] for each in found] == [10, 20, 20]
        assert [each["continues"] for each in found] == [found[1]["erasureId"], found[2]["erasureId"], None]
        assert (await client.get("/api/interactions?userId=zoe-lind")).json()["data"] == []


class TestAsking:
    async def test_a_preview_counts_and_erases_nothing(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        await post(client, *[row(n, "zoe-lind" if n < 7 else "bob") for n in range(10)])
        hold = {"filter": {"resourceId": "order-1"}, "reason": "court"}
        assert (await admin.post("/api/legal-holds", json=hold)).status_code == 201
        answer = await admin.post("/api/erasures", json={"userId": "zoe-lind", "reason": "asked", "preview": True})
        assert (answer.status_code, answer.json()) == (200, {"rows": 7, "held": 1, "capped": False})
        assert (await admin.get("/api/erasures")).json()["data"] == []

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({}, "$"),
            ({"userId": "a", "resourceId": "b"}, "$"),
            ({"filter": {}}, "filter"),
            ({"filter": {"usrId": "a"}}, "filter.usrId"),
            ({"filter": {"where": "1 +"}}, "filter.where"),
            ({"userId": ""}, "userId"),
            ({"user": "a"}, "user"),
            ({"userId": "a", "reason": ""}, "reason"),
        ],
    )
    async def test_what_is_not_meant_is_refused(
        self, admin: httpx.AsyncClient, body: dict[str, Any], path: str
    ) -> None:
        answer = await admin.post("/api/erasures", json={"reason": "asked", **body})
        assert answer.status_code == 400, answer.text
        assert answer.json()["details"][0]["path"] == path

    async def test_only_admins_who_are_people_may(
        self, app: Running, client: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        calls = [
            ("POST", "/api/erasures", {"userId": "a", "reason": "b"}),
            ("GET", "/api/erasures", None),
            ("GET", f"/api/erasures/{uuid.uuid4()}", None),
            ("POST", "/api/legal-holds", {"filter": {}, "reason": "b"}),
            ("GET", "/api/legal-holds", None),
            ("PUT", "/api/retention-policies", {"policies": []}),
            ("GET", "/api/retention-policies", None),
        ]
        editor = await person_client(app, workspace, Role.EDITOR)
        for method, path, body in calls:
            for caller, code in ((client, "people_only"), (editor, "missing_scope")):
                answer = await caller.request(method, path, json=body)
                assert answer.status_code == 403, (path, answer.text)
                assert code == "missing_scope" or answer.json()["code"] == code
        await editor.aclose()

    async def test_another_workspace_sees_and_loses_nothing(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, make_tenant: MakeTenant
    ) -> None:
        await post(client, row(1))
        other = await make_tenant()
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": other.key}) as theirs:
            kept = (await post(theirs, row(1)))[0]
            stranger = await person_client(app, other, Role.ADMIN)
            found = await erased(app, admin, userId="zoe-lind")
            for path in (f"/api/erasures/{found['erasureId']}", found["certificate"]):
                assert (await stranger.get(path)).status_code == 404
            assert (await stranger.get("/api/erasures")).json()["data"] == []
            assert (await theirs.get(f"/api/interactions/{kept}")).json()["userId"] == "zoe-lind"
            await stranger.aclose()


class TestHolds:
    async def test_a_hold_stops_an_erasure_until_it_is_lifted(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        await post(client, *[row(n) for n in range(5)])
        filter = {"resourceType": "ORDER", "where": "resourceId == 'order-3'"}
        hold = (await admin.post("/api/legal-holds", json={"filter": filter, "reason": "court"})).json()
        refused = await admin.post("/api/erasures", json={"userId": "zoe-lind", "reason": "asked"})
        assert (refused.status_code, refused.json()["code"]) == (409, "legal_hold")
        assert hold["holdId"] in refused.json()["error"]
        listed = (await admin.get("/api/legal-holds")).json()["data"]
        assert [(each["filter"], each["active"]) for each in listed] == [(filter, True)]
        assert (await admin.delete(f"/api/legal-holds/{hold['holdId']}")).status_code == 204
        assert (await admin.delete(f"/api/legal-holds/{hold['holdId']}")).status_code == 404
        assert (await erased(app, admin, userId="zoe-lind"))["erased"] == 5

    async def test_a_hold_set_meanwhile_stops_a_running_erasure(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        await post(client, *[row(n) for n in range(5)])
        asked = (await admin.post("/api/erasures", json={"userId": "zoe-lind", "reason": "asked"})).json()
        hold = (await admin.post("/api/legal-holds", json={"filter": {}, "reason": "court"})).json()
        await worked(app)
        path = f"/api/erasures/{asked['erasureId']}"
        found = (await admin.get(path)).json()
        assert (found["status"], found["erased"]) == ("held", 0)
        await admin.delete(f"/api/legal-holds/{hold['holdId']}")
        await worked(app)
        found = (await admin.get(path)).json()
        assert (found["status"], found["erased"]) == ("finished", 5)

    async def test_a_hold_ends_by_itself(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant, sql: Any
    ) -> None:
        await post(client, row(1))
        past = {"filter": {}, "reason": "court", "endsAt": "2020-01-01T00:00:00Z"}
        assert (await admin.post("/api/legal-holds", json=past)).json()["code"] == "hold_in_the_past"
        future = {**past, "endsAt": "2100-01-01T00:00:00Z"}
        assert (await admin.post("/api/legal-holds", json=future)).status_code == 201
        refused = await admin.post("/api/erasures", json={"userId": "zoe-lind", "reason": "asked"})
        assert refused.status_code == 409
        await sql.execute("UPDATE legal_holds SET ends_at = 1 WHERE workspace_id = $1", id_of(workspace))
        assert (await erased(app, admin, userId="zoe-lind"))["erased"] == 1
        assert [each["active"] for each in (await admin.get("/api/legal-holds")).json()["data"]] == [False]

    async def test_its_filter_is_not_stored_in_the_clear(
        self, admin: httpx.AsyncClient, workspace: Tenant, sql: Any
    ) -> None:
        await admin.post("/api/legal-holds", json={"filter": {"userId": "very-secret-name"}, "reason": "court"})
        stored = await sql.fetchval("SELECT filter_sealed FROM legal_holds WHERE workspace_id = $1", id_of(workspace))
        assert b"very-secret-name" not in stored


class TestRetention:
    async def aged(self, sql: Any, workspace: Tenant, days: dict[int, int]) -> None:
        """Make rows older by days: with the envelope untouched this is what a long life does."""
        for number, age in days.items():
            await sql.execute(
                "UPDATE interactions SET recorded_at = recorded_at - $3::bigint "
                "WHERE workspace_id = $1 AND number = $2",
                id_of(workspace),
                number + BEFORE,
                age * retention.DAY,
            )

    async def test_content_goes_after_its_policys_age(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant, sql: Any
    ) -> None:
        kinds = [("ORDER", "CREATE"), ("ORDER", "PAY"), ("USER", "CREATE"), ("DOOR", "OPEN"), ("ORDER", "CREATE")]
        await post(client, *[row(n, resourceType=kind, action=act) for n, (kind, act) in enumerate(kinds)])
        await self.aged(sql, workspace, {1: 50, 2: 50, 3: 50, 4: 50, 5: 20})
        policies = [
            {"resourceType": None, "action": None, "days": 40},
            {"resourceType": "ORDER", "action": None, "days": 30},
            {"resourceType": "ORDER", "action": "PAY", "days": 365},
            {"resourceType": "DOOR", "action": None, "days": None},
        ]
        put = await admin.put("/api/retention-policies", json={"policies": policies})
        assert (put.status_code, put.json()) == (200, {"policies": policies})
        assert (await admin.get("/api/retention-policies")).json() == {"policies": policies}
        await tasks.retain_all(app.ledger)
        await worked(app)
        assert [each["content"] is None for each in await columns(sql, workspace)] == [True, False, True, False, False]
        [found] = (await admin.get("/api/erasures")).json()["data"]
        assert (found["kind"], found["erased"], found["status"]) == ("retention", 2, "finished")
        assert "kind retention\n" in (await admin.get(found["certificate"])).text
        assert await working.retain(app.ledger, id_of(workspace)) is None

    async def test_what_is_held_stays_and_goes_when_it_is_free(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant, sql: Any
    ) -> None:
        await post(client, row(1, "zoe-lind"), row(2, "bob"))
        await self.aged(sql, workspace, {1: 50, 2: 50})
        hold = (await admin.post("/api/legal-holds", json={"filter": {"userId": "zoe-lind"}, "reason": "court"})).json()
        await admin.put("/api/retention-policies", json={"policies": [{"days": 30}]})
        await working.retain(app.ledger, id_of(workspace))
        await worked(app)
        assert [each["content"] is None for each in await columns(sql, workspace)] == [False, True]
        assert await working.retain(app.ledger, id_of(workspace)) is None
        await admin.delete(f"/api/legal-holds/{hold['holdId']}")
        await working.retain(app.ledger, id_of(workspace))
        await worked(app)
        assert [each["content"] is None for each in await columns(sql, workspace)] == [True, True]

    async def test_policies_are_checked(self, client: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
        await post(client, row(1))
        for policies, code in (
            ([{"resourceType": "NOWHERE", "days": 3}], "unknown_mnemonic"),
            ([{"resourceType": "ORDER", "days": 3}, {"resourceType": "order", "days": 4}], "policy_twice"),
            ([{"resourceType": "ORDER", "days": 0}], "invalid_request"),
            ([{"resourceType": "ORDER"}], "invalid_request"),
        ):
            answer = await admin.put("/api/retention-policies", json={"policies": policies})
            assert (answer.status_code, answer.json()["code"]) == (400, code)


class TestReapplying:
    async def test_rows_that_came_back_go_again(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant, sql: Any
    ) -> None:
        await post(client, *[row(n, "zoe-lind" if n % 2 else "bob") for n in range(8)])
        backup = await sql.fetch("SELECT * FROM interactions WHERE workspace_id = $1", id_of(workspace))
        found = await erased(app, admin, userId="zoe-lind")
        note = (await admin.get(found["certificate"])).text
        await self.restore(sql, workspace, backup)
        assert await reapplying.reapply(app.ledger.db, app.ledger.settings.data_dir) == 4
        assert await reapplying.reapply(app.ledger.db, app.ledger.settings.data_dir) == 0
        assert [each["content"] is None for each in await columns(sql, workspace)] == [False, True] * 4
        await worked(app)
        again = (await admin.get(f"/api/erasures/{found['erasureId']}")).json()
        assert (again["status"], again["reapplied"], again["erased"]) == ("finished", True, 4)
        assert (await admin.get(found["certificate"])).text == note

    async def test_a_number_that_names_another_row_is_left_alone(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant, sql: Any
    ) -> None:
        await post(client, row(1), row(2))
        backup = await sql.fetch("SELECT * FROM interactions WHERE workspace_id = $1", id_of(workspace))
        await erased(app, admin, userId="zoe-lind")
        await self.restore(sql, workspace, backup)
        await sql.execute(
            "UPDATE interactions SET leaf_hash = sha256('x') WHERE workspace_id = $1 AND number = $2",
            id_of(workspace),
            BEFORE + 2,
        )
        assert await reapplying.reapply(app.ledger.db, app.ledger.settings.data_dir) == 1
        assert [each["content"] is None for each in await columns(sql, workspace)] == [True, False]

    async def restore(self, sql: Any, workspace: Tenant, backup: list[Any]) -> None:
        """Bring the rows back as they were in a backup made before the erasure."""
        for table in ("erasures", "erasure_ranges"):
            await sql.execute(f"DELETE FROM {table} WHERE workspace_id = $1", id_of(workspace))
        for each in backup:
            await sql.execute(
                "UPDATE interactions SET content = $3, salt = $4, resource_id = $5, user_id = $6, "
                "external_reference = $7 WHERE workspace_id = $1 AND number = $2",
                *[each[name] for name in ("workspace_id", "number", *EVERY_ROW)],
            )

    async def test_a_torn_line_is_passed_over(self, tmp_path: Path) -> None:
        line = journal.Line(workspace=uuid.uuid4(), erasure=uuid.uuid4(), taken=taken([(1, b"x" * 32), (2, b"y" * 32)]))
        journal.keep(tmp_path, line)
        with (tmp_path / journal.JOURNAL_FILE).open("ab") as file:
            file.write(b'{"workspace":"to')
        journal.keep(tmp_path, line)
        assert journal.load(tmp_path) == {(line.workspace, line.erasure): [line, line]}


async def test_the_lists_are_empty_and_paged(admin: httpx.AsyncClient) -> None:
    for path in ("/api/erasures", "/api/legal-holds"):
        found = (await admin.get(path, params={"limit": 1})).json()
        assert (found["data"], found["pagination"]["total"]) == ([], 0)


async def test_the_loop_does_it_all(
    app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: Tenant
) -> None:
    await post(client, row(1))
    asked = (await admin.post("/api/erasures", json={"userId": "zoe-lind", "reason": "asked"})).json()
    stop = asyncio.Event()
    loop = asyncio.create_task(tasks.run(app.ledger, stop))
    try:
        async with asyncio.timeout(30):
            while (await admin.get(f"/api/erasures/{asked['erasureId']}")).json()["status"] != "finished":
                await asyncio.sleep(0.05)
    finally:
        stop.set()
        await loop
