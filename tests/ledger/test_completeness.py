"""Completeness against a real database: answers verify, the follower stops anywhere and goes on to the same root."""

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
from provenance.core.clock import now_ns
from provenance.core.db import asyncpg_dsn
from provenance.ledger.completeness import following, tasks
from provenance.ledger.completeness.following import Follower, Progress
from provenance.ledger.log.heads import Heads
from provenance.ledger.log.integrating import Integrator
from provenance.ledger.log.reopening import rotate_key
from provenance.ledger.log.tasks import run as run_integrator
from provenance.proof.completeness import Findings, verify
from provenance.proof.completeness_map import MapHead, map_root, rebuild
from provenance.proof.notes import Note, VerifierKey
from provenance.proof.tiles import Bundle, unpack_entries
from tests.conftest import MakeTenant, Running, Tenant

ROW = {"resourceType": "DOOR", "action": "OPEN", "origin": "TEST", "resourceId": "door-1", "userId": "ann"}
UOW = "018f3c1e-0000-7000-8000-00000000000a"

Sql = "asyncpg.Connection[asyncpg.Record]"


def id_of(workspace: Tenant) -> uuid.UUID:
    found = ids.decode("ws", workspace.id)
    assert found is not None
    return found


async def post(client: httpx.AsyncClient, count: int, *, first: int = 0, **members: Any) -> None:
    for start in range(0, count, 1000):
        names = [f"door-{first + n}" for n in range(start, min(count, start + 1000))]
        answer = await client.post(
            "/api/interactions/batch", json=[{**ROW, "resourceId": name, **members} for name in names]
        )
        assert answer.status_code == 201, answer.text


async def status(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/api/log/completeness/status")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def verified(client: httpx.AsyncClient, **asked: Any) -> Findings:
    """Ask, and check the answer with the keys that the server publishes."""
    answer = await client.get("/api/log/completeness", params=asked)
    assert answer.status_code == 200, answer.text
    log_key = (await client.get("/api/log/key")).text.strip()
    keys = [VerifierKey.parse(text) for text in (log_key, (await status(client))["verifierKey"])]
    findings = verify(answer.content, keys)
    assert findings.proven, findings.summary
    return findings


async def rebuilt_root(client: httpx.AsyncClient, size: int) -> bytes:
    """The root of the map, made from the log's public entry bundles."""
    entries: list[bytes] = []
    for index in range(-(-size // 256)):
        bundle = Bundle(index, min(256, size - index * 256))
        entries += unpack_entries(bundle, (await client.get(f"/api/log/{bundle.path}")).content)
    return map_root(rebuild(entries))


class Pair:
    """What a worker does for one workspace, a step at a time."""

    def __init__(self, app: Running, folder: Path, workspace: Tenant, *, step_rows: int = following.STEP_ROWS) -> None:
        self.workspace_id = id_of(workspace)
        self.integrator = Integrator(app.ledger, Heads(folder))
        self.follower = Follower(app.ledger, step_rows=step_rows)

    async def sign(self) -> None:
        await self.integrator.integrate([self.workspace_id])

    async def catch_up(self) -> None:
        await self.sign()
        while await self.follower.follow(self.workspace_id) is Progress.MORE:
            pass


@pytest.fixture
def pair(app: Running, tmp_path: Path, workspace: Tenant) -> Pair:
    return Pair(app, tmp_path, workspace)


@pytest.fixture
async def sql(app: Running) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(asyncpg_dsn(app.ledger.db.url))
    yield connection
    await connection.close()


class TestGet:
    async def test_an_id_is_counted_and_its_rows_are_listed(self, client: httpx.AsyncClient, pair: Pair) -> None:
        await post(client, 300, userId="ann")
        await post(client, 20, first=5, userId=None, uowId=UOW)
        await pair.catch_up()
        for asked, indices in (
            ({"resourceId": "door-7"}, (7, 302)),
            ({"resourceId": "door-299"}, (299,)),
            ({"userId": "ann"}, tuple(range(300))),
            ({"uowId": UOW}, tuple(range(300, 320))),
            ({"uowId": UOW.upper()}, tuple(range(300, 320))),
        ):
            findings = await verified(client, **asked)
            assert findings.indices == indices
            assert findings.checkpoint is not None
            assert findings.checkpoint.size == 320

    async def test_an_id_that_no_row_names_is_absent(self, client: httpx.AsyncClient, pair: Pair) -> None:
        await post(client, 300)
        await pair.catch_up()
        for asked in ({"resourceId": "ann"}, {"resourceId": "door-7*"}, {"userId": "door-7"}, {"uowId": UOW}):
            findings = await verified(client, **asked)
            assert (findings.count, findings.indices) == (0, ())

    async def test_only_the_resource_itself_is_counted(self, client: httpx.AsyncClient, pair: Pair) -> None:
        await post(client, 2, relatedResources=[{"resourceType": "ROOM", "resourceId": "room-1"}])
        await pair.catch_up()
        assert (await verified(client, resourceId="room-1")).count == 0

    async def test_the_index_key_is_disclosed_for_ids_that_are_hashed(
        self, client: httpx.AsyncClient, pair: Pair
    ) -> None:
        await post(client, 3)
        await pair.catch_up()
        answers = [
            (await client.get("/api/log/completeness", params=asked)).json()["indexKey"]
            for asked in ({"resourceId": "x"}, {"userId": "x"}, {"uowId": UOW})
        ]
        assert answers[0] == answers[1] != answers[2] is None
        assert len(answers[0]) == 64

    async def test_an_erased_row_stays_counted(self, client: httpx.AsyncClient, pair: Pair, sql: Any) -> None:
        await post(client, 20, userId="ann")
        await pair.catch_up()
        before = [await verified(client, resourceId="door-7"), await verified(client, userId="ann")]
        await sql.execute(
            "UPDATE interactions SET resource_id = NULL, user_id = NULL, content = NULL, salt = NULL "
            "WHERE workspace_id = $1 AND number IN (8, 11)",
            pair.workspace_id,
        )
        assert [await verified(client, resourceId="door-7"), await verified(client, userId="ann")] == before
        await post(client, 1, first=7)
        await pair.catch_up()
        assert (await verified(client, resourceId="door-7")).indices == (7, 20)

    async def test_an_answer_waits_for_what_it_is_to_cover(self, client: httpx.AsyncClient, pair: Pair) -> None:
        async def refused(**asked: Any) -> bool:
            answer = await client.get("/api/log/completeness", params={"resourceId": "door-1", **asked})
            if answer.status_code == 200:
                return False
            assert (answer.status_code, answer.json()["code"]) == (404, "map_behind")
            assert answer.headers["retry-after"] == "1"
            return True

        assert await refused()
        await post(client, 3)
        await pair.sign()
        assert await refused()
        await pair.catch_up()
        await post(client, 1)
        assert not await refused()
        assert not await refused(covers=3)
        assert await refused(covers=4)
        await pair.catch_up()
        assert not await refused(covers=4)

    async def test_more_rows_than_an_answer_lists(
        self, client: httpx.AsyncClient, pair: Pair, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("provenance.ledger.completeness.service.INDICES_LISTED", 10)
        await post(client, 11)
        await pair.catch_up()
        answer = await client.get("/api/log/completeness", params={"userId": "ann"})
        assert (answer.status_code, answer.json()["code"]) == (400, "too_many_indices")
        findings = await verified(client, userId="ann", indices=False)
        assert (findings.count, findings.indices) == (11, None)
        rows = (await client.get("/api/interactions", params={"userId": "ann", "order": "asc"})).json()["data"]
        assert findings.indices_fit([row["interactionNumber"] - 1 for row in rows])

    @pytest.mark.parametrize(
        "query",
        ["", "resourceId=a&userId=b", "resourceId=a&resourceId=b", "resourceId=", "uowId=x", "resourceId=a&covers=x"],
    )
    async def test_exactly_one_id_is_asked_for(self, client: httpx.AsyncClient, query: str) -> None:
        answer = await client.get(f"/api/log/completeness?{query}")
        assert answer.status_code == 400, answer.text

    async def test_who_may_ask(
        self, app: Running, client: httpx.AsyncClient, pair: Pair, workspace: Tenant, make_tenant: MakeTenant
    ) -> None:
        await post(client, 3)
        await pair.catch_up()
        for scopes, status_code in ((("interactions:read",), 403), (("audit:read",), 200)):
            key = (await make_tenant(scopes, into=workspace.id)).key
            async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": key}) as other:
                answer = await other.get("/api/log/completeness", params={"resourceId": "door-1"})
                assert answer.status_code == status_code

    async def test_another_workspace_sees_nothing_of_it(
        self, app: Running, client: httpx.AsyncClient, pair: Pair, make_tenant: MakeTenant, tmp_path: Path
    ) -> None:
        await post(client, 3)
        await pair.catch_up()
        stranger = await make_tenant()
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": stranger.key}) as other:
            assert (await other.get("/api/log/completeness?resourceId=door-1")).json()["code"] == "map_behind"
            await post(other, 2, first=50)
            await Pair(app, tmp_path / "other", stranger).catch_up()
            assert (await verified(other, resourceId="door-1")).count == 0
            assert (await status(other))["mapSize"] == 2

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE interactions SET resource_id = 'door-2' WHERE workspace_id = $1 AND number = 2",
            "DELETE FROM interactions WHERE workspace_id = $1 AND number = 2",
            "UPDATE interactions SET resource_id = 'door-1' WHERE workspace_id = $1 AND number = 3",
            "UPDATE completeness_buckets SET entries = substr(entries, 58) WHERE workspace_id = $1",
            "UPDATE completeness_buckets SET depth = depth + 1 WHERE workspace_id = $1",
            "UPDATE completeness_tiles SET nodes = sha256(nodes) WHERE workspace_id = $1",
            "DELETE FROM completeness_tiles WHERE workspace_id = $1",
            "DELETE FROM completeness_buckets WHERE workspace_id = $1",
            "UPDATE completeness_maps SET root = sha256('x') WHERE workspace_id = $1",
        ],
    )
    async def test_what_is_not_stored_as_it_was_signed_gets_no_answer(
        self, client: httpx.AsyncClient, pair: Pair, sql: Any, change: str
    ) -> None:
        await post(client, 40)
        await pair.catch_up()
        await sql.execute(change, pair.workspace_id)
        answer = await client.get("/api/log/completeness?resourceId=door-1")
        assert (answer.status_code, answer.json()["code"]) == (409, "map_differs")


class TestList:
    async def test_a_list_carries_the_answer(self, client: httpx.AsyncClient, pair: Pair) -> None:
        await post(client, 30)
        await post(client, 2, first=7, uowId=UOW)
        await pair.catch_up()
        for asked in ({"resourceId": "door-7"}, {"userId": "ann"}, {"uowId": UOW}, {"userId": "nobody"}):
            found = (await client.get("/api/interactions", params={**asked, "proof": "complete", "limit": 100})).json()
            alone = (await client.get("/api/log/completeness", params=asked)).json()
            assert found["completeness"] == alone
            assert found["completeness"]["count"] == found["pagination"]["total"]
            numbers = sorted(row["interactionNumber"] for row in found["data"])
            assert [number - 1 for number in numbers] == found["completeness"]["indices"]
            plain = (await client.get("/api/interactions", params={**asked, "limit": 100})).json()
            assert {**plain, "completeness": alone} == found

    @pytest.mark.parametrize(
        "query",
        ["", "resourceId=a*", "resourceId=a&resourceId=b", "resourceId=a&userId=b", "userId=b&q=x", "action=OPEN"],
    )
    async def test_only_one_id_may_narrow_it(self, client: httpx.AsyncClient, pair: Pair, query: str) -> None:
        await post(client, 1)
        await pair.catch_up()
        answer = await client.get(f"/api/interactions?{query}&proof=complete")
        assert (answer.status_code, answer.json()["details"][0]["path"]) == (400, "proof")
        assert (await client.get("/api/interactions?resourceId=a&proof=x")).status_code == 400

    async def test_it_needs_audit_read(
        self, app: Running, client: httpx.AsyncClient, pair: Pair, workspace: Tenant, make_tenant: MakeTenant
    ) -> None:
        await post(client, 1)
        await pair.catch_up()
        key = (await make_tenant(("interactions:read",), into=workspace.id)).key
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": key}) as other:
            assert (await other.get("/api/interactions?resourceId=door-0")).status_code == 200
            answer = await other.get("/api/interactions?resourceId=door-0&proof=complete")
            assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


class TestStatus:
    async def test_the_lag_is_shown(self, client: httpx.AsyncClient, pair: Pair) -> None:
        found = await status(client)
        assert (found["size"], found["mapSize"], found["lag"], found["note"]) == (0, 0, 0, None)
        await post(client, 30)
        assert (await status(client))["lag"] == 30
        await pair.sign()
        found = await status(client)
        assert (found["integratedSize"], found["mapSize"], found["lag"]) == (30, 0, 30)
        await pair.catch_up()
        found = await status(client)
        assert (found["mapSize"], found["lag"]) == (30, 0)
        head = MapHead.parse(Note.parse(found["note"]).text)
        assert (head.origin, head.size, head.map_root.hex()) == (found["origin"], 30, found["mapRoot"])
        assert found["verifierKey"].startswith(found["origin"] + "/map+")


class TestFollowing:
    async def test_the_map_is_the_one_that_is_rebuilt_from_the_entries(
        self,
        client: httpx.AsyncClient,
        app: Running,
        workspace: Tenant,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(following, "PLACES_AT_ONCE", 150)
        pair, size = Pair(app, tmp_path, workspace, step_rows=400), 0
        for more in (3, 700, 1, 1_300):
            await post(client, more, first=size)
            size += more
            await pair.catch_up()
            found = await status(client)
            assert found["mapSize"] == size
            assert bytes.fromhex(found["mapRoot"]) == await rebuilt_root(client, size)
        for name in ("door-0", "door-1500", "door-2003", "door-2004"):
            assert (await verified(client, resourceId=name)).count == (name != "door-2004")

    async def test_nothing_is_taken_in_that_is_not_signed(
        self, client: httpx.AsyncClient, pair: Pair, workspace: Tenant
    ) -> None:
        await post(client, 3)
        assert await pair.follower.follow(pair.workspace_id) is Progress.MORE  # begins
        assert await pair.follower.follow(pair.workspace_id) is Progress.WAITING
        await pair.catch_up()
        await post(client, 3)
        assert await pair.follower.follow(pair.workspace_id) is Progress.WAITING
        assert (await status(client))["mapSize"] == 3

    async def test_between_two_heads_there_is_no_answer(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant, tmp_path: Path
    ) -> None:
        pair = Pair(app, tmp_path, workspace, step_rows=10)
        await post(client, 25)
        await pair.sign()
        for _ in range(3):  # begins, and takes twice ten rows in
            assert await pair.follower.follow(pair.workspace_id) is Progress.MORE
        assert (await client.get("/api/log/completeness?resourceId=door-1")).json()["code"] == "map_behind"
        assert await pair.follower.follow(pair.workspace_id) is Progress.DONE
        assert (await verified(client, resourceId="door-1")).count == 1

    async def test_killed_at_any_moment_it_resumes_to_the_same_root(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant, tmp_path: Path
    ) -> None:
        """Each step is cut off a little later than the last cut, anywhere in its transaction, until one survives."""
        pair = Pair(app, tmp_path, workspace, step_rows=150)
        await post(client, 700)
        await pair.sign()
        cuts, delay = 0, 0.0
        while True:
            step = asyncio.ensure_future(pair.follower.follow(pair.workspace_id))
            done, _ = await asyncio.wait([step], timeout=delay)
            if not done:
                step.cancel()
                await asyncio.wait([step])
                cuts, delay = cuts + 1, delay + 0.004
            elif await step is not Progress.MORE:
                break
            else:
                delay = 0.0
        assert cuts > 5
        found = await status(client)
        assert (found["mapSize"], found["mapRoot"]) == (700, (await rebuilt_root(client, 700)).hex())

    async def test_two_followers_never_stand_in_each_others_way(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant, tmp_path: Path
    ) -> None:
        pair = Pair(app, tmp_path, workspace, step_rows=60)
        both = [pair.follower, Follower(app.ledger, step_rows=45)]
        for number in range(6):
            await post(client, 100, first=number * 100)
            await pair.sign()
            await asyncio.gather(*(each.follow(pair.workspace_id) for each in both for _ in range(2)))
        await pair.catch_up()
        assert (await status(client))["mapRoot"] == (await rebuilt_root(client, 600)).hex()

    async def test_a_reopened_log_begins_a_map_of_its_own(
        self, client: httpx.AsyncClient, pair: Pair, sql: Any
    ) -> None:
        await post(client, 100)
        await pair.catch_up()
        old = await status(client)
        await sql.execute(
            "UPDATE logs SET epoch = 1, size = 0, root = sha256(''), edge = '', origin = NULL WHERE workspace_id = $1",
            pair.workspace_id,
        )
        assert (await client.get("/api/log/completeness?resourceId=door-1")).json()["code"] == "map_behind"
        assert (await status(client))["mapSize"] == 0
        assert await pair.follower.follow(pair.workspace_id) is Progress.MORE
        assert await pair.follower.follow(pair.workspace_id) is Progress.WAITING
        await pair.catch_up()
        found = await status(client)
        assert (found["epoch"], found["origin"]) == (1, old["origin"] + "/e1")
        assert found["mapRoot"] == old["mapRoot"]
        assert (await verified(client, resourceId="door-1")).count == 1

    async def test_the_key_may_be_rotated_by_another_process(
        self, client: httpx.AsyncClient, second: Running, pair: Pair
    ) -> None:
        await post(client, 3)
        await pair.catch_up()
        before = (await status(client))["verifierKey"]
        generation = await second.ledger.keyring.rotate(pair.workspace_id)
        keys = await second.ledger.keyring.of(pair.workspace_id)
        async with second.ledger.db.housekeeping(pair.workspace_id) as tx:
            await rotate_key(tx, keys, generation)
        await pair.sign()
        await pair.catch_up()
        after = (await status(client))["verifierKey"]
        assert after.split("+")[0] == before.split("+")[0]
        assert after != before
        findings = await verified(client, resourceId="log")
        assert (findings.count, findings.indices) == (1, (3,))

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE completeness_buckets SET entries = substr(entries, 58) WHERE workspace_id = $1",
            "DELETE FROM completeness_tiles WHERE workspace_id = $1",
            "UPDATE completeness_maps SET root = sha256('x') WHERE workspace_id = $1",
        ],
    )
    async def test_a_damaged_map_is_told_of_and_made_again(
        self, client: httpx.AsyncClient, pair: Pair, sql: Any, change: str
    ) -> None:
        await post(client, 200)
        await pair.catch_up()
        await sql.execute(change, pair.workspace_id)
        await post(client, 100)
        await pair.catch_up()
        asked = {"resourceType": "LEDGER", "action": "INCIDENT"}
        [row] = (await client.get("/api/interactions", params=asked)).json()["data"]
        assert row["interaction"]["kind"] == "map_damaged"
        await pair.catch_up()
        assert (await status(client))["mapRoot"] == (await rebuilt_root(client, 301)).hex()

    async def test_rows_that_are_missing_stop_the_map(self, client: httpx.AsyncClient, pair: Pair, sql: Any) -> None:
        await post(client, 30)
        await pair.sign()
        await sql.execute("DELETE FROM interactions WHERE workspace_id = $1 AND number = 7", pair.workspace_id)
        assert await pair.follower.follow(pair.workspace_id) is Progress.MORE
        with pytest.raises(following.RowsMissing, match="only 29"):
            await pair.follower.follow(pair.workspace_id)


class TestLogging:
    async def test_the_root_is_logged_each_hour_if_something_came_in(
        self, client: httpx.AsyncClient, pair: Pair, sql: Any
    ) -> None:
        async def rows() -> list[dict[str, Any]]:
            asked = {"resourceType": "LEDGER", "action": "MAP_SIGNED"}
            found: list[dict[str, Any]] = (await client.get("/api/interactions", params=asked)).json()["data"]
            return found

        async def an_hour_later() -> None:
            await sql.execute(
                "UPDATE completeness_maps SET logged_at = $2 WHERE workspace_id = $1",
                pair.workspace_id,
                now_ns() - following.HOUR,
            )
            await pair.catch_up()
            await pair.catch_up()

        await post(client, 3)
        await pair.catch_up()
        assert await rows() == []
        await an_hour_later()
        [row] = await rows()
        root = (await rebuilt_root(client, 3)).hex()
        assert (row["interaction"]["size"], row["interaction"]["root"]) == (3, root)
        assert MapHead.parse(Note.parse(row["interaction"]["note"]).text).map_root.hex() == root
        await post(client, 1)
        await pair.catch_up()
        assert len(await rows()) == 1
        await an_hour_later()
        assert len(await rows()) == 2
        await an_hour_later()
        assert len(await rows()) == 2


class TestLoop:
    async def test_it_follows_what_is_recorded(
        self, app: Running, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tasks, "TICK_SECONDS", 0.05)
        stop = asyncio.Event()
        loops = [asyncio.create_task(run(app.ledger, stop)) for run in (run_integrator, tasks.run, tasks.run)]
        try:
            for size in (5, 9):
                await post(client, 4 if size == 9 else 5)
                async with asyncio.timeout(20):
                    while (await status(client))["mapSize"] < size:
                        await asyncio.sleep(0.02)
        finally:
            stop.set()
            await asyncio.gather(*loops)
        assert json.loads((await client.get("/api/log/completeness?userId=ann")).content)["count"] == 9
