"""The log on a real database: heads, tiles, proofs, and every way in which it refuses to sign."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from provenance.core import ids
from provenance.core.actor import Role
from provenance.core.db import asyncpg_dsn
from provenance.ledger.log import tasks
from provenance.ledger.log.errors import LogNotHalted
from provenance.ledger.log.heads import Heads
from provenance.ledger.log.integrating import Integrator
from provenance.ledger.log.reopening import reopen
from provenance.proof.checkpoints import Checkpoint, open_checkpoint
from provenance.proof.frontier import Frontier
from provenance.proof.json_proof import verify_json_proof
from provenance.proof.leaf import leaf_hash
from provenance.proof.merkle import tree_root, verify_consistency
from provenance.proof.notes import Note, VerifierKey, verify
from provenance.proof.proof_file import ProofFile
from provenance.proof.tiles import Bundle, Tile, completed, unpack_entries
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.people import as_person

ROW = {"resourceType": "DOOR", "action": "OPEN", "origin": "TEST", "resourceId": "door-1", "interaction": {"by": "key"}}


async def post(client: httpx.AsyncClient, count: int, *, first: int = 0) -> None:
    """Record rows in batches."""
    for start in range(0, count, 1000):
        items = [{**ROW, "resourceId": f"door-{first + n}"} for n in range(start, min(count, start + 1000))]
        answer = await client.post("/api/interactions/batch", json=items)
        assert answer.status_code == 201, answer.text


def id_of(workspace: Tenant) -> uuid.UUID:
    found = ids.decode("ws", workspace.id)
    assert found is not None
    return found


@pytest.fixture
def heads(tmp_path: Path) -> Heads:
    return Heads(tmp_path)


@pytest.fixture
def integrator(app: Running, heads: Heads) -> Integrator:
    return Integrator(app.ledger, heads)


@pytest.fixture
async def sql(app: Running) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(asyncpg_dsn(app.ledger.db.url))
    yield connection
    await connection.close()


async def status(client: httpx.AsyncClient) -> dict[str, object]:
    found: dict[str, object] = (await client.get("/api/log/status")).json()
    return found


class TestReading:
    async def test_nothing_is_signed_before_the_first_row(self, client: httpx.AsyncClient) -> None:
        for path in ("checkpoint", "key", "tile/0/000", "consistency?from=0"):
            answer = await client.get(f"/api/log/{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_integrated")
            assert answer.headers["retry-after"] == "1"
        found = await status(client)
        assert (found["size"], found["integratedSize"], found["origin"]) == (0, 0, None)

    async def test_a_row_is_proven_by_the_newest_head(
        self, client: httpx.AsyncClient, integrator: Integrator, workspace: Tenant
    ) -> None:
        made = (await client.post("/api/interactions", json=ROW)).json()
        path = f"/api/interactions/{made['interactionId']}/proof"
        assert made["proof"] == {"leafIndex": 0, "integrated": False}
        assert (await client.get(path)).json()["code"] == "not_integrated"
        await integrator.integrate([id_of(workspace)])
        key = VerifierKey.parse((await client.get("/api/log/key")).text.strip())
        file = await client.get(path)
        document = await client.get(path, headers={"accept": "application/json"})
        findings = verify_json_proof(document.content, [key])
        assert findings.proven, findings.summary
        leaf = leaf_hash(document.json()["envelope"].encode())
        checkpoint = ProofFile.parse(file.text).verify(leaf, [key])
        assert checkpoint == open_checkpoint(Note.parse((await client.get("/api/log/checkpoint")).text), [key])
        assert file.headers["content-type"].startswith("text/plain")
        read = (await client.get(f"/api/interactions/{made['interactionId']}")).json()
        assert read["proof"] == {"leafIndex": 0, "integrated": True}

    async def test_tiles_entries_and_root_agree_at_every_size(
        self, client: httpx.AsyncClient, integrator: Integrator, workspace: Tenant
    ) -> None:
        size = 0
        for more in (3, 250, 10, 500):
            await post(client, more, first=size)
            size += more
            await integrator.integrate([id_of(workspace)])
        leaves = []
        for index in range(-(-size // 256)):
            bundle = Bundle(index, min(256, size - index * 256))
            hashes = (await client.get(f"/api/log/{Tile(0, index, bundle.width).path}")).content
            entries = unpack_entries(bundle, (await client.get(f"/api/log/{bundle.path}")).content)
            assert [leaf_hash(entry) for entry in entries] == [hashes[at : at + 32] for at in range(0, len(hashes), 32)]
            leaves += [leaf_hash(entry) for entry in entries]
        newest = Checkpoint.parse(Note.parse((await client.get("/api/log/checkpoint")).text).text)
        assert (newest.size, newest.root) == (size, tree_root(leaves))
        assert newest.origin.startswith("provenance.local/")
        rebuilt = dict(Frontier(0, lambda _: b"").append(leaves))
        for tile in completed(0, size):
            assert (await client.get(f"/api/log/{tile.path}")).content == rebuilt[tile]
        for old in (0, 3, 253, 256, 263, size):
            proof = (await client.get("/api/log/consistency", params={"from": old})).json()
            path = [bytes.fromhex(each) for each in proof["path"]]
            verify_consistency(old, tree_root(leaves[:old]), size, newest.root, path)

    @pytest.mark.parametrize(
        "path", ["0/001", "0/000.p/4", "1/000", "9/000", "0/0", "entries/000.p/9", "x", "0/000.p/0"]
    )
    async def test_a_tile_beyond_the_signed_log_is_not_found(
        self, client: httpx.AsyncClient, integrator: Integrator, workspace: Tenant, path: str
    ) -> None:
        await post(client, 3)
        await integrator.integrate([id_of(workspace)])
        await post(client, 2)
        answer = await client.get(f"/api/log/tile/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_tile")

    async def test_sizes_beyond_the_log_are_refused(
        self, client: httpx.AsyncClient, integrator: Integrator, workspace: Tenant
    ) -> None:
        await post(client, 3)
        await integrator.integrate([id_of(workspace)])
        for query, at in (("from=0&to=4", "to"), ("from=3&to=2", "from"), ("from=9", "from")):
            body = (await client.get(f"/api/log/consistency?{query}")).json()
            assert (body["code"], body["details"][0]["path"]) == ("beyond_the_log", at)

    async def test_another_workspace_sees_nothing_of_it(
        self,
        app: Running,
        client: httpx.AsyncClient,
        integrator: Integrator,
        workspace: Tenant,
        make_tenant: MakeTenant,
    ) -> None:
        made = (await client.post("/api/interactions", json=ROW)).json()
        await integrator.integrate([id_of(workspace)])
        stranger = {"x-api-key": (await make_tenant()).key}
        async with httpx.AsyncClient(base_url=app.url, headers=stranger) as other:
            assert (await other.get(f"/api/interactions/{made['interactionId']}/proof")).status_code == 404
            assert (await other.get("/api/log/checkpoint")).status_code == 404

    async def test_outsiders_see_what_is_published(
        self,
        app: Running,
        client: httpx.AsyncClient,
        integrator: Integrator,
        workspace: Tenant,
        sql: "asyncpg.Connection[asyncpg.Record]",
    ) -> None:
        await post(client, 3)
        await integrator.integrate([id_of(workspace)])
        origin = (await status(client))["origin"]
        paths = ("checkpoint", "key", "tile/0/000.p/3", "tile/entries/000.p/3")
        async with httpx.AsyncClient(base_url=f"{app.url}/log/{origin}") as outsider:
            for public, seen in (("off", 0), ("checkpoints", 2), ("all", 4)):
                await sql.execute("UPDATE logs SET public = $2 WHERE workspace_id = $1", id_of(workspace), public)
                answers = [(await outsider.get(f"/{path}")).status_code for path in paths]
                assert answers == [200] * seen + [404] * (4 - seen)
            mine = await client.get("/api/log/checkpoint")
            assert (await outsider.get("/checkpoint")).text == mine.text
            assert (await outsider.get("/anything")).json()["code"] == "no_such_log"


class TestRefusing:
    """Each way in which a database can differ from what was signed; the log halts and says why."""

    async def halted(self, client: httpx.AsyncClient, integrator: Integrator, workspace: Tenant) -> str:
        before = (await client.get("/api/log/checkpoint")).text
        await integrator.integrate([id_of(workspace)])
        assert (await client.get("/api/log/checkpoint")).text == before
        incidents = (
            await client.get("/api/interactions", params={"resourceType": "LEDGER", "action": "INCIDENT"})
        ).json()
        assert len(incidents["data"]) == 1
        await integrator.integrate([id_of(workspace)])
        return str((await status(client))["halted"])

    @pytest.fixture
    async def signed(self, client: httpx.AsyncClient, integrator: Integrator, workspace: Tenant) -> uuid.UUID:
        await post(client, 300)
        await integrator.integrate([id_of(workspace)])
        return id_of(workspace)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (
                "UPDATE interactions SET leaf_hash = sha256('x') WHERE workspace_id = $1 AND number = 300",
                "not what was",
            ),
            ("DELETE FROM interactions WHERE workspace_id = $1 AND number = 290", "some are missing"),
            ("DELETE FROM interactions WHERE workspace_id = $1 AND number > 280", "only 280 rows"),
            ("UPDATE logs SET root = sha256('x') WHERE workspace_id = $1", "Another head of 300"),
            ("UPDATE logs SET edge = sha256('x') WHERE workspace_id = $1", "not what was signed"),
            ("UPDATE logs SET size = 299 WHERE workspace_id = $1", "it is older"),
        ],
    )
    async def test_a_changed_database(
        self,
        client: httpx.AsyncClient,
        integrator: Integrator,
        workspace: Tenant,
        signed: uuid.UUID,
        sql: "asyncpg.Connection[asyncpg.Record]",
        change: str,
        reason: str,
    ) -> None:
        await sql.execute(change, signed)
        assert reason in await self.halted(client, integrator, workspace)

    async def test_a_tile_that_was_signed_otherwise(
        self,
        client: httpx.AsyncClient,
        integrator: Integrator,
        workspace: Tenant,
        signed: uuid.UUID,
        sql: "asyncpg.Connection[asyncpg.Record]",
    ) -> None:
        await sql.execute("INSERT INTO log_tiles VALUES ($1, 0, 0, 1, sha256('x'))", signed)
        await post(client, 300, first=300)
        assert "tile" in await self.halted(client, integrator, workspace)

    async def test_a_halted_log_does_not_hold_up_others(
        self,
        app: Running,
        client: httpx.AsyncClient,
        integrator: Integrator,
        workspace: Tenant,
        signed: uuid.UUID,
        make_tenant: MakeTenant,
        sql: "asyncpg.Connection[asyncpg.Record]",
    ) -> None:
        other = await make_tenant()
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": other.key}) as second:
            await second.post("/api/interactions", json=ROW)
            await sql.execute("UPDATE logs SET root = sha256('x') WHERE workspace_id = $1", signed)
            await integrator.integrate([signed, id_of(other)])
            assert (await status(second))["integratedSize"] == 1
        assert (await status(client))["halted"]

    async def test_a_row_that_is_not_what_was_recorded_gets_no_proof(
        self, client: httpx.AsyncClient, signed: uuid.UUID, sql: "asyncpg.Connection[asyncpg.Record]"
    ) -> None:
        found = await sql.fetchval(
            "UPDATE interactions SET recorded_by = 'someone else' WHERE workspace_id = $1 AND number = 7 RETURNING id",
            signed,
        )
        body = (await client.get(f"/api/interactions/{found}/proof")).json()
        assert body["code"] == "row_differs"
        assert "number 7" in body["error"]


class TestHeads:
    async def test_a_torn_last_line_is_passed_over(
        self, client: httpx.AsyncClient, integrator: Integrator, workspace: Tenant, heads: Heads, tmp_path: Path
    ) -> None:
        await post(client, 3)
        await integrator.integrate([id_of(workspace)])
        kept = heads.of(id_of(workspace))
        with (tmp_path / "heads.ndjson").open("ab") as file:
            file.write(json.dumps({"workspace": str(id_of(workspace)), "size": 9}).encode()[:30])
        again = Heads(tmp_path)
        again.load()
        assert again.of(id_of(workspace)) == kept
        assert kept is not None
        assert kept.size == 3

    async def test_one_head_a_minute_is_kept_and_the_newest(
        self,
        client: httpx.AsyncClient,
        integrator: Integrator,
        workspace: Tenant,
        sql: "asyncpg.Connection[asyncpg.Record]",
    ) -> None:
        for number in range(5):
            await post(client, 1, first=number)
            await integrator.integrate([id_of(workspace)])
        rows = await sql.fetch(
            "SELECT size, kept FROM log_checkpoints WHERE workspace_id = $1 ORDER BY size", id_of(workspace)
        )
        assert rows[0]["size"] == 1
        assert rows[0]["kept"]
        assert rows[-1]["size"] == 5
        assert len(rows) <= 3  # a minute may have turned meanwhile


class TestTogether:
    async def test_two_integrators_never_sign_two_heads(
        self,
        app: Running,
        client: httpx.AsyncClient,
        workspace: Tenant,
        tmp_path: Path,
        sql: "asyncpg.Connection[asyncpg.Record]",
    ) -> None:
        both = [Integrator(app.ledger, Heads(tmp_path / name)) for name in "ab"]
        for number in range(20):
            await post(client, 7, first=number * 7)
            await asyncio.gather(*(each.integrate([id_of(workspace)]) for each in both))
        sizes = await sql.fetch("SELECT size FROM log_checkpoints WHERE workspace_id = $1", id_of(workspace))
        found = await status(client)
        assert (found["integratedSize"], found["halted"]) == (140, None)
        assert len({row["size"] for row in sizes}) == len(sizes)

    async def test_the_loop_follows_what_is_recorded(
        self, app: Running, client: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        stop = asyncio.Event()
        loop = asyncio.create_task(tasks.run(app.ledger, stop))
        try:
            await post(client, 5)
            async with asyncio.timeout(20):
                while (await status(client))["integratedSize"] != 5:
                    await asyncio.sleep(0.02)
        finally:
            stop.set()
            await loop


class TestReopening:
    async def test_after_a_restore_a_new_log_begins_and_names_the_last_head(
        self,
        app: Running,
        client: httpx.AsyncClient,
        integrator: Integrator,
        heads: Heads,
        workspace: Tenant,
        sql: "asyncpg.Connection[asyncpg.Record]",
    ) -> None:
        workspace_id = id_of(workspace)
        await post(client, 300)
        await integrator.integrate([workspace_id])
        backup = await sql.fetchrow("SELECT size, root, edge FROM logs WHERE workspace_id = $1", workspace_id)
        await post(client, 100, first=300)
        await integrator.integrate([workspace_id])
        last = (await client.get("/api/log/checkpoint")).text
        assert backup is not None
        await sql.execute("DELETE FROM interactions WHERE workspace_id = $1 AND number > 300", workspace_id)
        await sql.execute(
            "UPDATE logs SET size = $2, root = $3, edge = $4 WHERE workspace_id = $1", workspace_id, *backup
        )
        await integrator.integrate([workspace_id])
        assert "provenance log reopen" in str((await status(client))["halted"])
        origin = await reopen(app.ledger, workspace_id, "the disk died", heads.of(workspace_id))
        assert origin.endswith("/e1")
        await integrator.integrate([workspace_id])
        found = await status(client)
        assert (found["origin"], found["epoch"], found["lag"], found["halted"]) == (origin, 1, 0, None)
        rows = (await client.get("/api/interactions?resourceType=LEDGER&action=REOPENED")).json()["data"]
        assert [row["interaction"]["lastHead"] for row in rows] == [last]
        proof = await client.get(f"/api/interactions/{rows[0]['interactionId']}/proof")
        key = VerifierKey.parse((await client.get("/api/log/key")).text.strip())
        assert key.name == origin
        assert ProofFile.parse(proof.text).note.signatures[0].is_by(key)
        with pytest.raises(LogNotHalted):
            await reopen(app.ledger, workspace_id, "again", heads.of(workspace_id))

    async def test_a_new_key_is_named_by_the_old_one(
        self, app: Running, client: httpx.AsyncClient, integrator: Integrator, workspace: Tenant
    ) -> None:
        workspace_id = id_of(workspace)
        await post(client, 10)
        await integrator.integrate([workspace_id])
        old = VerifierKey.parse((await client.get("/api/log/key")).text.strip())
        async with await as_person(app, workspace, Role.ADMIN) as admin:
            answer = await admin.post("/api/log/rotate-key")
            assert (answer.status_code, len(answer.json()["keys"])) == (200, 2), answer.text
        await post(client, 10, first=10)
        await integrator.integrate([workspace_id])
        known = (await client.get("/api/log/keys")).json()["keys"]
        note = Note.parse(known[1]["successorNote"])
        assert verify(note, [old]) == (old,)
        assert note.text.splitlines() == [old.name, "successor", "10", known[1]["verifierKey"]]
        new = VerifierKey.parse(known[1]["verifierKey"])
        checkpoint = open_checkpoint(Note.parse((await client.get("/api/log/checkpoint")).text), [new])
        assert (checkpoint.size, known[1]["fromSize"]) == (22, 10)  # with the sign-in and the rotation
