"""The audit as its readers see it: filters, cursors, forms, single events and the checks of their integrity."""

import csv
import io
import json
import uuid
from collections.abc import AsyncIterator
from hmac import digest as hmac_digest
from typing import Any

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.core import ids
from provenance.core.actor import Role
from provenance.core.db import asyncpg_dsn
from provenance.ledger.log.heads import Heads
from provenance.ledger.log.integrating import Integrator
from provenance.ledger.service import Fact, record
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.people import as_person

UNCHECKED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def id_of(workspace: Tenant) -> uuid.UUID:
    found = ids.decode("ws", workspace.id)
    assert found is not None
    return found


async def happen(app: Running, workspace: Tenant, *events: str, **more: Any) -> None:
    """Let platform events happen, one a transaction."""
    for event in events:
        subject, verb = event.upper().split(".")
        fields = {"resource_id": "thing", "data": {"note": event}, "risk": "low", "domain": subject.lower(), **more}
        async with app.ledger.db.housekeeping(id_of(workspace)) as tx:
            record(tx, Fact(resource_type=subject, action=verb, **fields))


@pytest.fixture
async def some(app: Running, workspace: Tenant) -> None:
    await happen(app, workspace, "run.started", "run.failed", "secret.revealed")
    await happen(app, workspace, "run.started", resource_id="other", risk="high", outcome="denied", user_id="user_x")


async def listed(client: httpx.AsyncClient, **params: Any) -> list[dict[str, Any]]:
    answer = await client.get("/audit", params=params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


class TestList:
    @pytest.mark.usefixtures("some")
    async def test_an_event_has_the_contracts_members(self, client: httpx.AsyncClient, workspace: Tenant) -> None:
        event = (await listed(client))[0]
        assert event["eventId"].startswith("evt_")
        assert (event["eventType"], event["domain"], event["risk"]) == ("run.started", "run", "high")
        assert (event["objectKind"], event["objectId"], event["action"]) == ("run", "other", "started")
        assert (event["outcome"], event["personId"], event["workspaceId"]) == ("denied", "user_x", workspace.id)
        assert (event["actorKind"], event["credential"]["kind"], event["detail"]) == (
            "system",
            "internal",
            {"note": "run.started"},
        )
        assert event["seq"] == 4
        assert len(event["mac"]) == 64

    @pytest.mark.usefixtures("some")
    @pytest.mark.parametrize(
        ("filters", "seqs"),
        [
            ({}, [4, 3, 2, 1]),
            ({"eventType": "run.started"}, [4, 1]),
            ({"eventType": "nothing.happened"}, []),
            ({"domain": "secret"}, [3]),
            ({"risk": "high"}, [4]),
            ({"actorId": "system"}, [4, 3, 2, 1]),
            ({"actorKind": "user"}, []),
            ({"actorKind": "system"}, [4, 3, 2, 1]),
            ({"objectId": "thing"}, [3, 2, 1]),
            ({"objectId": "thing", "eventType": "run.started"}, [1]),
            ({"from": "2100-01-01T00:00:00Z"}, []),
            ({"to": "2100-01-01T00:00:00+02:00"}, [4, 3, 2, 1]),
        ],
    )
    async def test_filters(self, client: httpx.AsyncClient, filters: dict[str, str], seqs: list[int]) -> None:
        assert [event["seq"] for event in await listed(client, **filters)] == seqs

    async def test_what_services_post_is_not_in_it(self, client: httpx.AsyncClient) -> None:
        row = {"resourceType": "DOOR", "action": "OPEN", "origin": "TEST", "resourceId": "d"}
        assert (await client.post("/api/interactions", json=row)).status_code == 201
        assert await listed(client) == []

    async def test_a_request_leaves_its_address_program_and_id(self, client: httpx.AsyncClient) -> None:
        made = await client.post(
            "/api/actions", json={"title": "Open", "mnemonic": "OPEN"}, headers={"user-agent": "tests/1"}
        )
        [event] = await listed(client)
        assert (event["eventType"], event["ip"], event["userAgent"]) == ("action.created", "127.0.0.1", "tests/1")
        assert event["requestId"] == made.headers["x-request-id"]
        assert event["actorKind"] == "integration"
        assert event["credential"] == {"kind": "api_key", "keyId": event["actorId"]}

    @settings(max_examples=15, deadline=None, suppress_health_check=UNCHECKED)
    @given(limit=st.integers(1, 6), risk=st.sampled_from([None, "low", "high"]))
    async def test_pages_together_are_the_list(
        self, app: Running, make_tenant: MakeTenant, limit: int, risk: str | None
    ) -> None:
        workspace = await make_tenant()
        for number in range(7):
            await happen(app, workspace, "run.started", risk="high" if number % 3 else "low")
        params: dict[str, Any] = {"limit": limit} | ({"risk": risk} if risk else {})
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": workspace.key}) as client:
            whole = await listed(client, **{**params, "limit": 200})
            pages, cursor = [], None
            while True:
                body = (await client.get("/audit", params=params | ({"cursor": cursor} if cursor else {}))).json()
                pages += body["items"]
                cursor = body["nextCursor"]
                assert len(body["items"]) <= limit
                if cursor is None:
                    break
        assert pages == whole

    @pytest.mark.usefixtures("some")
    @pytest.mark.parametrize(
        ("query", "path"),
        [
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("cursor=abc", "cursor"),
            ("eventType=RUN", "eventType"),
            ("risk=huge", "risk"),
            ("from=yesterday", "from"),
            ("from=2026-01-01T00:00:00", "from"),
            ("format=xml", "format"),
            ("colour=red", "colour"),
        ],
    )
    async def test_a_bad_query_is_named(self, client: httpx.AsyncClient, query: str, path: str) -> None:
        answer = await client.get(f"/audit?{query}")
        assert answer.status_code == 400
        assert [each["path"] for each in answer.json()["details"]] == [path]

    @pytest.mark.usefixtures("some")
    async def test_a_cursor_is_good_for_its_filters_alone(self, client: httpx.AsyncClient) -> None:
        cursor = (await client.get("/audit?limit=1")).json()["nextCursor"]
        assert cursor.startswith("eyJ")
        assert (await client.get("/audit", params={"limit": 2, "cursor": cursor})).status_code == 200
        other = await client.get("/audit", params={"risk": "low", "cursor": cursor})
        assert other.json()["code"] == "bad_cursor"

    @pytest.mark.usefixtures("some")
    async def test_lines_and_tables(self, app: Running, client: httpx.AsyncClient, workspace: Tenant) -> None:
        await happen(app, workspace, "run.started", resource_id="=cmd|' /C calc'!A0")
        lines = await client.get("/audit", params={"format": "ndjson", "limit": 2})
        assert [json.loads(line)["seq"] for line in lines.text.splitlines()] == [5, 4]
        assert lines.headers["x-next-cursor"].startswith("eyJ")
        table = await client.get("/audit", params={"format": "csv"})
        rows = list(csv.DictReader(io.StringIO(table.text)))
        assert [row["seq"] for row in rows] == ["5", "4", "3", "2", "1"]
        assert rows[0]["objectId"].startswith("'=")


class TestAccess:
    @pytest.mark.usefixtures("some")
    async def test_it_needs_the_scope(self, app: Running, workspace: Tenant, make_tenant: MakeTenant) -> None:
        reader = await make_tenant(("interactions:read",), into=workspace.id)
        auditor = await make_tenant(("audit:read",), into=workspace.id)
        stranger = await make_tenant()
        async with httpx.AsyncClient(base_url=app.url) as client:
            statuses = [
                (await client.get("/audit", headers={"x-api-key": tenant.key})).status_code
                for tenant in (reader, auditor)
            ]
            assert statuses == [403, 200]
            found = (await client.get("/audit", headers={"x-api-key": auditor.key})).json()["items"][0]["eventId"]
            other = await client.get(f"/audit/{found}", headers={"x-api-key": stranger.key})
            assert (other.status_code, other.json()["code"]) == (404, "event_not_found")


class TestIntegrity:
    @pytest.fixture
    async def sql(self, app: Running) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        connection = await asyncpg.connect(asyncpg_dsn(app.ledger.db.url))
        yield connection
        await connection.close()

    @pytest.mark.usefixtures("some")
    async def test_the_mac_is_over_the_canonical_envelope(
        self, app: Running, client: httpx.AsyncClient, workspace: Tenant, tmp_path: Any
    ) -> None:
        [event] = await listed(client, risk="high")
        await Integrator(app.ledger, Heads(tmp_path)).integrate([id_of(workspace)])
        interaction_id = ids.decode("evt", event["eventId"])
        proof = await client.get(f"/api/interactions/{interaction_id}/proof", headers={"accept": "application/json"})
        key = (await app.ledger.keyring.of(id_of(workspace))).derive("audit.mac")
        assert event["mac"] == hmac_digest(key, proof.json()["envelope"].encode(), "sha256").hex()
        assert (await client.get(f"/audit/{event['eventId']}")).json() == event

    @pytest.mark.usefixtures("some")
    async def test_an_event_and_a_range_are_checked(
        self,
        app: Running,
        client: httpx.AsyncClient,
        workspace: Tenant,
        sql: "asyncpg.Connection[asyncpg.Record]",
        tmp_path: Any,
    ) -> None:
        event = (await listed(client))[0]["eventId"]
        await Integrator(app.ledger, Heads(tmp_path)).integrate([id_of(workspace)])
        await happen(app, workspace, "run.completed")
        found = (await client.get(f"/audit/{event}/verify")).json()
        assert (found["intact"], found["integrated"]) == (True, True)
        whole = {"fromSeq": 1, "toSeq": 100}
        found = (await client.post("/audit/verify-range", json=whole)).json()
        assert (found["intact"], found["checked"], found["firstBad"]) == (True, 5, None)
        await sql.execute(
            "UPDATE interactions SET risk = 'low' WHERE workspace_id = $1 AND number = 4", id_of(workspace)
        )
        assert (await client.get(f"/audit/{event}/verify")).json()["intact"] is False
        found = (await client.post("/audit/verify-range", json=whole)).json()
        assert (found["intact"], found["firstBad"]) == (False, 4)
        await sql.execute("DELETE FROM interactions WHERE workspace_id = $1 AND number = 2", id_of(workspace))
        assert (await client.post("/audit/verify-range", json=whole)).json()["firstBad"] == 2

    @pytest.mark.parametrize(("first", "last"), [(0, 5), (5, 4), (1, 10_001)])
    async def test_a_range_is_bounded(self, client: httpx.AsyncClient, first: int, last: int) -> None:
        answer = await client.post("/audit/verify-range", json={"fromSeq": first, "toSeq": last})
        assert (answer.status_code, answer.json()["code"]) == (400, "range_too_large")


class TestExport:
    @pytest.mark.usefixtures("some")
    async def test_everything_streams_and_the_export_is_recorded(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/audit/export", json={"format": "ndjson", "filters": {"eventType": "run.started"}})
        assert [json.loads(line)["seq"] for line in answer.text.splitlines()] == [4, 1]
        [event] = await listed(client, eventType="audit.exported")
        assert event["detail"] == {"format": "ndjson", "filters": {"eventType": "run.started"}}
        table = await client.post("/audit/export", json={"format": "csv"})
        assert len(list(csv.DictReader(io.StringIO(table.text)))) == 6
        assert table.headers["content-disposition"] == 'attachment; filename="audit.csv"'


class TestErasedPeople:
    async def test_their_id_reads_as_the_tombstone(self, app: Running, workspace: Tenant) -> None:
        admin = await as_person(app, workspace, Role.ADMIN)
        editor = await as_person(app, workspace, Role.EDITOR)
        async with admin, editor:
            made = await editor.post("/api/actions", json={"title": "Open", "mnemonic": "OPEN"})
            assert made.status_code == 201
            [event] = await listed(admin, eventType="action.created")
            assert event["personId"] == event["actorId"] == editor.id
            body = {"confirm": editor.id, "reason": "asked for"}
            erased = await admin.post(f"/workspace/members/{editor.id}/erase", json=body)
            assert erased.status_code == 200, erased.text
            [after] = await listed(admin, eventType="action.created")
            assert after["personId"] == erased.json()["tombstone"]
            assert {**after, "personId": editor.id} == event, "nothing else of the event has changed"
            assert (await admin.get(f"/audit/{event['eventId']}")).json() == after
