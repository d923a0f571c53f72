"""The self-audit finds every way of tampering and names the rows; it finds nothing in an honest ledger."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from demo.acts import ACTS, Act
from provenance.core.db import asyncpg_dsn
from provenance.core.settings import Settings
from provenance.ledger.log.heads import Heads
from provenance.ledger.log.integrating import Integrator
from provenance.ledger.self_audit import tasks
from provenance.ledger.self_audit.schemas import Finding, Kind, joined
from provenance.ledger.self_audit.service import step, whole_pass
from tests.conftest import Running, Tenant, fresh_database, make_tenant_of, running
from tests.ledger.test_log import id_of, post, status

Sql = asyncpg.Connection


@pytest.fixture
def heads(tmp_path: Path) -> Heads:
    return Heads(tmp_path)


@pytest.fixture
async def sql(app: Running) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(asyncpg_dsn(app.ledger.db.url))
    yield connection
    await connection.close()


@pytest.fixture
async def signed(app: Running, client: httpx.AsyncClient, workspace: Tenant, heads: Heads) -> uuid.UUID:
    """A workspace of 700 rows under a signed head."""
    await post(client, 700)
    await Integrator(app.ledger, heads).integrate([id_of(workspace)])
    return id_of(workspace)


async def tamper(sql: "asyncpg.Connection[asyncpg.Record]", tampering: Act, workspace_id: uuid.UUID) -> None:
    for statement in tampering.sql.split(";"):
        await sql.execute(statement, workspace_id)


class TestPass:
    async def test_an_honest_ledger_is_found_so(self, app: Running, heads: Heads, signed: uuid.UUID) -> None:
        assert await whole_pass(app.ledger, heads, signed) == []

    @pytest.mark.parametrize("tampering", ACTS, ids=lambda each: each.name)
    async def test_tampering_is_found_and_named(
        self,
        app: Running,
        client: httpx.AsyncClient,
        heads: Heads,
        signed: uuid.UUID,
        sql: "asyncpg.Connection[asyncpg.Record]",
        tampering: Act,
    ) -> None:
        await tamper(sql, tampering, signed)
        found = await whole_pass(app.ledger, heads, signed)
        assert {tuple(each) for each in found} >= set(tampering.found)
        incidents = (await client.get("/api/log/incidents")).json()["items"]
        assert {(each["kind"], each["firstNumber"], each["lastNumber"]) for each in incidents} == {
            (each.kind.value, each.first, each.last) for each in found
        }

    async def test_an_incident_is_recorded_once(
        self,
        app: Running,
        client: httpx.AsyncClient,
        heads: Heads,
        signed: uuid.UUID,
        sql: "asyncpg.Connection[asyncpg.Record]",
    ) -> None:
        await tamper(sql, ACTS[0], signed)
        for _ in range(3):
            await whole_pass(app.ledger, heads, signed)
        rows = (await client.get("/api/interactions", params={"resourceType": "LEDGER"})).json()["data"]
        assert [row["interaction"] for row in rows] == [
            {"kind": "content_changed", "first": 7, "last": 7, "found": rows[0]["interaction"]["found"]}
        ]
        found = await status(client)
        assert (found["incidents"], found["selfAuditedSize"]) == (1, 700)
        assert "provenance_ledger_incidents" in (await client.get("/metrics")).text

    async def test_a_roll_back_that_went_on_otherwise_is_a_fork(
        self,
        app: Running,
        client: httpx.AsyncClient,
        heads: Heads,
        signed: uuid.UUID,
        sql: "asyncpg.Connection[asyncpg.Record]",
        tmp_path: Path,
    ) -> None:
        """Rows after a head are replaced, and the log is signed anew by someone who holds the key."""
        await post(client, 10, first=700)
        await Integrator(app.ledger, heads).integrate([signed])
        state = await sql.fetchrow("SELECT size, root, edge FROM logs WHERE workspace_id = $1", signed)
        for statement in (
            "DELETE FROM interactions WHERE workspace_id = $1",
            "DELETE FROM log_tiles WHERE workspace_id = $1",
            "DELETE FROM log_checkpoints WHERE workspace_id = $1",
            "UPDATE logs SET size = 0, root = sha256(''), edge = ''::bytea WHERE workspace_id = $1",
        ):
            await sql.execute(statement, signed)
        await post(client, 800, first=5000)
        await Integrator(app.ledger, Heads(tmp_path / "elsewhere")).integrate([signed])
        assert state is not None
        found = await whole_pass(app.ledger, heads, signed)
        assert Finding(Kind.HEAD, 1, state["size"]) in found

    async def test_a_pass_goes_on_where_it_was(
        self, app: Running, client: httpx.AsyncClient, heads: Heads, signed: uuid.UUID
    ) -> None:
        await post(client, 2000, first=700)
        await Integrator(app.ledger, heads).integrate([signed])
        steps = [await step(app.ledger, heads, signed) for _ in range(3)]
        assert [(each.rows, each.done) for each in steps] == [(1024, False), (1024, False), (652, True)]
        assert (await status(client))["selfAuditedSize"] == 2700

    async def test_the_loop_goes_round(self, postgres_url: str, tmp_path: Path) -> None:
        """On a database of its own: the loop re-reads everybody's ledger, at a set pace."""
        async with (
            fresh_database(postgres_url) as url,
            running(Settings(database_url=url, data_dir=tmp_path, port=0, min_free_bytes=0)) as app,
            httpx.AsyncClient(base_url=app.url) as client,
        ):
            workspace = await make_tenant_of(app.ledger)
            client.headers["x-api-key"] = workspace.key
            await post(client, 700)
            await Integrator(app.ledger, Heads(tmp_path)).integrate([id_of(workspace)])
            stop = asyncio.Event()
            loop = asyncio.create_task(tasks.run(app.ledger, stop))
            try:
                async with asyncio.timeout(30):
                    while (await status(client))["selfAuditedSize"] != 700:
                        await asyncio.sleep(0.05)
            finally:
                stop.set()
                await loop


class TestSaying:
    def test_neighbours_are_one_finding(self) -> None:
        rows = [Finding(Kind.ENVELOPE, number, number) for number in (5, 4, 9, 6)]
        assert joined(rows) == [Finding(Kind.ENVELOPE, 4, 6), Finding(Kind.ENVELOPE, 9, 9)]

    @pytest.mark.parametrize("kind", list(Kind))
    def test_a_sentence_names_the_rows(self, kind: Kind) -> None:
        assert "row 7" in Finding(kind, 7, 7).sentence.lower()
        assert "rows 7 to 9" in Finding(kind, 7, 9).sentence.lower()


async def test_a_bad_cursor_is_refused(client: httpx.AsyncClient) -> None:
    for cursor in ("x", "1.2", "1.2.nothing", "9" * 30 + ".1.tree_changed"):
        body = (await client.get("/api/log/incidents", params={"cursor": cursor})).json()
        assert body["code"] == "bad_cursor"
