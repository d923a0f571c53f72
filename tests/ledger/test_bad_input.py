"""Whatever is sent: never a 500, never a 422, one error shape that names the path, and nothing of it stored."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.core import ids
from tests.conftest import Running, Tenant
from tests.ledger.generated import broken, interactions, mangled, misshapen, odd
from tests.ledger.test_interactions import SMALL

POSTS = ("/api/interactions", "/api/interactions/batch", "/platform/queue/messages", "/api/actions")
COUNTS = """
SELECT (SELECT count(*) FROM interactions WHERE workspace_id = $1),
       (SELECT count(*) FROM catalogue WHERE workspace_id = $1),
       (SELECT count(*) FROM interaction_keys WHERE workspace_id = $1),
       (SELECT count(*) FROM interaction_related WHERE workspace_id = $1)
"""
UNCHECKED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
generously = settings(max_examples=60, deadline=None, suppress_health_check=UNCHECKED)


async def counts(app: Running, workspace: Tenant) -> tuple[int, ...]:
    workspace_id = ids.decode("ws", workspace.id)
    async with app.ledger.db.housekeeping(workspace_id) as tx:
        return tuple((await tx.driver_sql(COUNTS, (workspace_id,))).one())


def well_refused(answer: httpx.Response) -> dict[str, Any]:
    """Assert the one error shape; return the problem."""
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.status_code != 422
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) == {"type", "title", "status", "code", "detail", "error", "details", "requestId"}
    assert (body["status"], body["error"]) == (answer.status_code, body["detail"])
    assert body["requestId"] == answer.headers["x-request-id"]
    assert len(answer.content) < 32_000
    for detail in body["details"]:
        assert set(detail) == {"path", "issue"}
        assert detail["path"]
    return body


async def send(client: httpx.AsyncClient, path: str, body: bytes, queue: dict[str, str]) -> httpx.Response:
    headers = queue if path.startswith("/platform") else {}
    return await client.post(path, content=body, headers={"content-type": "application/json", **headers})


@pytest.fixture
async def queue(client: httpx.AsyncClient) -> dict[str, str]:
    token = (await client.get("/platform/queue/config")).json()["queueToken"]
    return {"authorization": f"Bearer {token}"}


class TestHostileJson:
    @generously
    @given(text=broken(), path=st.sampled_from(POSTS))
    async def test_is_refused_with_its_place_and_leaves_nothing(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant, queue: dict[str, str], text: bytes, path: str
    ) -> None:
        before = await counts(app, workspace)
        body = b"[" + text + b"]" if path.endswith("batch") else text
        assert well_refused(await send(client, path, body, queue))["details"]
        assert await counts(app, workspace) == before

    @pytest.mark.parametrize("path", POSTS)
    @pytest.mark.parametrize(
        ("code", "place", "member"),
        [
            ("too_deep", "interaction", b'"interaction":{"a":' + b"[" * 64 + b"]" * 64 + b"}"),
            ("duplicate_key", "interaction.a", b'"interaction":{"a":1,"a":2}'),
            ("nul_character", "interaction.a", b'"interaction":{"a":"x\\u0000"}'),
            ("nul_character", "interaction", b'"interaction":{"x\\u0000":1}'),
            ("lone_surrogate", "interaction.a", b'"interaction":{"a":"\\ud83d"}'),
            ("number_out_of_range", "interaction.a[1]", b'"interaction":{"a":[0,1e400]}'),
            ("unsafe_integer", "interaction.a", b'"interaction":{"a":9007199254740992}'),
            ("invalid_utf8", "interaction.a", b'"interaction":{"a":"\xff"}'),
            ("invalid_json", "interaction.a", b'"interaction":{"a":tru}'),
        ],
    )
    async def test_each_kind_has_its_code(
        self, client: httpx.AsyncClient, queue: dict[str, str], path: str, code: str, place: str, member: bytes
    ) -> None:
        text = json.dumps(SMALL).encode()[:-1] + b"," + member + b"}"
        batch = path.endswith("batch")
        body = well_refused(await send(client, path, b"[" + text + b"]" if batch else text, queue))
        assert body["code"] == code or batch
        found = body["details"][0]["path"]
        assert found.startswith("[0]." + place if batch and found.startswith("[0].") else place if not batch else "")

    @pytest.mark.parametrize("path", POSTS)
    async def test_257_kib_are_413(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant, queue: dict[str, str], path: str
    ) -> None:
        before = await counts(app, workspace)
        item = {**SMALL, "interaction": {"a": "x" * 257 * 1024}}
        batch = path.endswith("batch")
        answer = await client.post(path, json=[item] if batch else item, headers=queue if "queue" in path else {})
        assert answer.status_code == (400 if batch else 413)
        well_refused(answer)
        assert await counts(app, workspace) == before


class TestMangledText:
    @generously
    @given(text=mangled(), path=st.sampled_from(POSTS))
    async def test_is_stored_whole_or_refused(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant, queue: dict[str, str], text: bytes, path: str
    ) -> None:
        before = await counts(app, workspace)
        answer = await send(client, path, b"[" + text + b"]" if path.endswith("batch") else text, queue)
        if answer.status_code in (200, 201):
            assert (await counts(app, workspace))[0] >= before[0]
        else:
            well_refused(answer)
            assert await counts(app, workspace) == before


class TestMisshapenMembers:
    @generously
    @given(item=misshapen, path=st.sampled_from(POSTS))
    async def test_is_stored_whole_or_refused(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant, queue: dict[str, str], item: Any, path: str
    ) -> None:
        before = await counts(app, workspace)
        body = json.dumps([item] if path.endswith("batch") else item).encode()
        answer = await send(client, path, body, queue)
        if answer.status_code not in (200, 201):
            assert well_refused(answer)["details"] or answer.status_code == 409
            assert await counts(app, workspace) == before

    @generously
    @given(items=st.lists(misshapen | odd | interactions, max_size=6))
    async def test_a_partial_batch_answers_item_by_item(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant, items: list[Any]
    ) -> None:
        before = (await counts(app, workspace))[0]
        text = json.dumps(items).encode()
        answer = await send(client, "/api/interactions/batch?mode=partial", text, {})
        assert answer.status_code in (200, 201), answer.text
        body = answer.json()
        assert [item["index"] for item in body["items"]] == list(range(len(items)))
        assert body["created"] + body["duplicates"] + body["failed"] == len(items)
        assert (await counts(app, workspace))[0] == before + body["created"]


class TestOddHeaders:
    @generously
    @given(
        name=st.sampled_from(
            [
                "x-uowid",
                "x-userid",
                "x-interaction-timestamp",
                "x-span-id",
                "x-parent-span-id",
                "traceparent",
                "idempotency-key",
                "content-type",
                "content-encoding",
                "x-api-key",
                "authorization",
                "user-agent",
            ]
        ),
        value=st.binary(min_size=1, max_size=60).map(
            lambda raw: bytes(byte for byte in raw if byte >= 0x20 and byte != 0x7F).strip()
        ),
        path=st.sampled_from(POSTS),
    )
    async def test_are_taken_or_refused(
        self, client: httpx.AsyncClient, queue: dict[str, str], name: str, value: bytes, path: str
    ) -> None:
        body = json.dumps([SMALL] if path.endswith("batch") else {**SMALL, "title": "T", "mnemonic": "A"}).encode()
        headers = {key.encode(): text.encode() for key, text in client.headers.items() if key != "accept-encoding"}
        if path.startswith("/platform"):
            headers[b"authorization"] = queue["authorization"].encode()
        headers |= {b"content-type": b"application/json", name.encode(): value}
        answer = await client.post(path, content=body, headers=list(headers.items()))
        if answer.status_code not in (200, 201):
            well_refused(answer)
