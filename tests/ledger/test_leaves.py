"""What is stored is what is proved: each leaf is rebuilt from the columns that read back (spec/proof.md, 3)."""

import json
import uuid
from hashlib import sha256
from hmac import digest as hmac_digest
from typing import Any

import asyncpg
import httpx
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.core import ids
from provenance.core.clock import iso_millis, parse_iso
from provenance.core.db import asyncpg_dsn
from provenance.ledger.entry import INDEX_PURPOSE
from provenance.proof.leaf import Envelope, IndexKeys, leaf_hash
from tests.conftest import Running, Tenant
from tests.ledger.generated import interactions
from tests.ledger.test_interactions import SMALL, post

ROWS = """
SELECT i.*, t.mnemonic AS type_word, a.mnemonic AS action_word, o.mnemonic AS origin_word, s.workspace
  FROM interactions i
  JOIN ledger_settings s USING (workspace_id)
  JOIN catalogue t ON t.workspace_id = i.workspace_id AND t.id = i.resource_type_id
  JOIN catalogue a ON a.workspace_id = i.workspace_id AND a.id = i.action_id
  JOIN catalogue o ON o.workspace_id = i.workspace_id AND o.id = i.origin_id
 WHERE i.workspace_id = $1 ORDER BY i.number
"""
UNCHECKED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
SENT_CONTENT = (
    "resourceId", "userId", "onBehalfOf", "interaction", "externalReference", "externalResponse", "changes",
    "relatedResources",
)  # fmt: skip


async def stored(app: Running, workspace: Tenant) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(asyncpg_dsn(app.ledger.db.url))
    try:
        rows: list[asyncpg.Record] = await connection.fetch(ROWS, ids.decode("ws", workspace.id))
        return rows
    finally:
        await connection.close()


def text_of(value: uuid.UUID | None) -> str | None:
    return None if value is None else str(value)


def rebuilt(row: asyncpg.Record, index_key: bytes) -> dict[str, Any]:
    """Return the envelope that the specification asks for, from nothing but columns and the index key."""

    def keyed(kind: bytes, text: str | None) -> str | None:
        return None if text is None else hmac_digest(index_key, kind + b"\0" + text.encode(), "sha256")[:16].hex()

    return {
        "v": 1,
        "id": str(row["id"]),
        "workspace": row["workspace"],
        "recordedBy": row["recorded_by"],
        "actorKind": row["actor_kind"],
        "platform": row["platform"],
        "sequence": row["sequence_index"],
        "occurred": str(row["occurred_at"]),
        "recorded": str(row["recorded_at"]),
        "resourceType": row["type_word"],
        "action": row["action_word"],
        "origin": row["origin_word"],
        "uow": str(row["uow_id"]),
        "span": text_of(row["span_id"]),
        "parentSpan": text_of(row["parent_span_id"]),
        "outcome": row["outcome"],
        "risk": row["risk"],
        "domain": row["domain"],
        "corrects": text_of(row["corrects"]),
        "keys": {"r": keyed(b"r", row["resource_id"]), "u": keyed(b"u", row["user_id"])},
        "contentDigest": sha256(row["salt"] + row["content"].encode()).hexdigest(),
    }


def ours(envelope: dict[str, Any]) -> bytes:
    """Return the canonical envelope as the library writes it."""
    named = {
        "actor_kind": "actorKind", "content_digest": "contentDigest", "parent_span": "parentSpan",
        "recorded_by": "recordedBy", "resource_type": "resourceType",
    }  # fmt: skip
    fields = {name: envelope[named.get(name, name)] for name in Envelope.__struct_fields__}
    return Envelope(**{**fields, "keys": IndexKeys(**envelope["keys"])}).canonical()


async def check(app: Running, workspace: Tenant) -> list[asyncpg.Record]:
    """Rebuild every leaf of a workspace; return the rows."""
    workspace_id = ids.decode("ws", workspace.id)
    assert workspace_id is not None
    index_key = (await app.ledger.keyring.of(workspace_id)).derive(INDEX_PURPOSE)
    rows = await stored(app, workspace)
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    for row in rows:
        envelope = rebuilt(row, index_key)
        canonical = rfc8785.dumps(envelope)
        assert row["leaf_hash"] == sha256(b"\0" + canonical).digest()
        assert (ours(envelope), leaf_hash(canonical)) == (canonical, row["leaf_hash"])
        assert row["content_digest"].hex() == envelope["contentDigest"]
        assert (len(row["salt"]), row["resource_key"].hex()) == (16, envelope["keys"]["r"])
        assert (row["user_key"] and row["user_key"].hex()) == envelope["keys"]["u"]
        content = json.loads(row["content"])
        assert rfc8785.dumps(content).decode() == row["content"]
        assert content["resourceId"] == row["resource_id"]
        assert content.get("userId") == row["user_id"]
        assert content.get("externalReference") == row["external_reference"]
    assert len({row["salt"] for row in rows}) == len(rows)
    return rows


class TestLeaves:
    @settings(max_examples=20, deadline=None, suppress_health_check=UNCHECKED)
    @given(items=st.lists(interactions, min_size=1, max_size=8))
    async def test_of_whatever_is_sent(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant, items: list[dict[str, Any]]
    ) -> None:
        answer = await client.post("/api/interactions", json=items[0])
        if answer.status_code != 409:  # a span made up twice
            assert answer.status_code in (200, 201), answer.text
        answer = await client.post("/api/interactions/batch?mode=partial", json=items[1:])
        assert answer.status_code in (200, 201), answer.text
        rows = {str(row["id"]): row for row in await check(app, workspace)}
        for item, result in zip(items[1:], answer.json()["items"], strict=True):
            if result["status"] == "created":
                self.reads_back(item, rows[result["interactionId"]])

    async def test_of_texts_that_could_break_an_array_literal(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant
    ) -> None:
        texts = ("NULL", "null", '"', "\\", '\\"', "a\\", "{a,b}", "a,b", " a ", "\n", "\t\x01\x1f", "\u2028\U0001f600")
        items = [
            SMALL | {"resourceId": text, "userId": text, "externalReference": text, "interaction": {"text": text}}
            | {"relatedResources": [{"resourceType": "USER", "resourceId": text, "role": "used"}]}
            for text in texts
        ]  # fmt: skip
        answer = await client.post("/api/interactions/batch", json=items)
        assert answer.status_code == 201, answer.text
        rows = await check(app, workspace)
        for item, row in zip(items, rows, strict=True):
            self.reads_back(item, row)
            found = await client.get("/api/interactions", params={"relatedResourceId": item["resourceId"]})
            assert [each["resourceId"] for each in found.json()["data"]] == [item["resourceId"]]

    def reads_back(self, item: dict[str, Any], row: asyncpg.Record) -> None:
        content = json.loads(row["content"])
        for name in SENT_CONTENT:
            assert content.get(name) == item.get(name), name
        assert row["sequence_index"] == item.get("sequenceIndex")
        assert row["outcome"] == item.get("outcome")
        if "timestamp" in item:
            assert row["occurred_at"] == parse_iso(item["timestamp"])

    async def test_of_the_platforms_own_rows_and_the_queue(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant
    ) -> None:
        await client.post("/api/actions", json={"title": "T \u00fc\U0001f600", "mnemonic": "A"})
        await client.put("/api/actions/A", json={"title": "U\u2028"})
        config = (await client.post("/platform/queue/rotate")).json()
        bearer = {"authorization": f"Bearer {config['queueToken']}"}
        await client.post(config["queueUrl"], json=SMALL, headers=bearer)
        rows = await check(app, workspace)
        assert [row["platform"] for row in rows] == [True, True, True, False]
        assert [row["actor_kind"] for row in rows] == ["key", "key", "key", "queue"]
        assert {row["origin_word"] for row in rows[:3]} == {"PLATFORM"}

    async def test_the_instance_workspace_too(self, app: Running) -> None:
        async with app.ledger.db.housekeeping() as tx:
            instance = (await tx.driver_sql("SELECT id FROM workspaces WHERE instance")).scalar_one()
        rows = await check(app, Tenant(ids.encode("ws", instance), ""))
        assert {row["type_word"] for row in rows} >= {"WORKSPACE", "PERSON", "APIKEY"}

    async def test_times_are_kept_to_the_nanosecond(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant
    ) -> None:
        row = await post(client, {"x-interaction-timestamp": "2026-01-31T12:00:00.123456789Z"})
        assert row["occurredAt"] == "1769860800123456789"
        [kept] = await check(app, workspace)
        assert kept["occurred_at"] == 1769860800123456789
        assert row["recordedDate"] == iso_millis(kept["recorded_at"])

    async def test_the_same_content_twice_has_two_digests(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant
    ) -> None:
        await post(client)
        await post(client)
        one, two = await check(app, workspace)
        assert one["content"] == two["content"]
        assert one["content_digest"] != two["content_digest"]

    async def test_recorded_never_runs_back(self, client: httpx.AsyncClient, app: Running, workspace: Tenant) -> None:
        await client.post("/api/interactions/batch", json=[SMALL] * 200)
        moments = [row["recorded_at"] for row in await check(app, workspace)]
        assert moments == sorted(moments)
