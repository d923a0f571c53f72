"""Idempotency-Key on creating posts: repeats, other bodies, twins, one-time values, failures, time."""

import asyncio
import json

import asyncpg
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.core.db import asyncpg_dsn
from provenance.core.idempotency import SHOWN_ONCE, forget_old, without_shown_once
from tests.conftest import MakeTenant, Running, Tenant

WORD = {"title": "Door", "mnemonic": "DOOR"}


async def make(
    client: httpx.AsyncClient, key: str, body: dict[str, str] = WORD, path: str = "resource-types"
) -> httpx.Response:
    return await client.post(f"/api/{path}", json=body, headers={"Idempotency-Key": key})


async def numbers(client: httpx.AsyncClient) -> int:
    total: int = (await client.get("/api/interactions")).json()["pagination"]["total"]
    return total


class TestRepeat:
    async def test_the_same_request_has_one_effect(self, client: httpx.AsyncClient) -> None:
        first, second = await make(client, "k1"), await make(client, "k1")
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        assert (first.headers.get("idempotency-replayed"), second.headers["idempotency-replayed"]) == (None, "true")
        assert await numbers(client) == 1

    async def test_another_body_is_a_conflict(self, client: httpx.AsyncClient) -> None:
        await make(client, "k1")
        other = await make(client, "k1", {"title": "Window", "mnemonic": "WINDOW"})
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")

    async def test_another_key_route_or_caller_is_another_request(
        self, app: Running, client: httpx.AsyncClient, workspace: Tenant, make_tenant: MakeTenant
    ) -> None:
        await make(client, "k1")
        assert (await make(client, "k2")).status_code == 409, "the word is there"
        assert (await make(client, "k1", path="actions")).status_code == 201
        second = await make_tenant(into=workspace.id)
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": second.key}) as other:
            assert (await make(other, "k1")).status_code == 409

    async def test_a_refused_request_may_be_mended(self, client: httpx.AsyncClient) -> None:
        assert (await make(client, "k1", {"title": "", "mnemonic": "DOOR"})).status_code == 400
        assert (await make(client, "k1")).status_code == 201

    async def test_twins_have_one_effect(self, client: httpx.AsyncClient) -> None:
        answers = await asyncio.gather(*(make(client, "k1") for _ in range(8)))
        assert {answer.status_code for answer in answers} <= {201, 409}
        assert (
            sum("idempotency-replayed" not in answer.headers and answer.status_code == 201 for answer in answers) == 1
        )
        assert all(answer.headers["retry-after"] == "1" for answer in answers if answer.status_code == 409)
        assert await numbers(client) == 1
        assert (await make(client, "k1")).status_code == 201

    async def test_an_answer_that_was_lost_is_not_waited_for(self, app: Running, client: httpx.AsyncClient) -> None:
        await make(client, "k1")
        connection = await asyncpg.connect(asyncpg_dsn(app.ledger.db.url))
        for earlier, waits in ((0, True), (301_000_000_000, False)):
            await connection.execute(
                "UPDATE idempotency_keys SET status = NULL, answer = NULL, at = at - $1::bigint", earlier
            )
            again = await make(client, "k1")
            assert (again.status_code, again.json()["code"]) == (409, "idempotency_conflict")
            assert ("retry-after" in again.headers, "lost" in again.json()["detail"]) == (waits, not waits)
        await connection.close()
        assert await numbers(client) == 1

    @pytest.mark.parametrize("key", ["", "x" * 256])
    async def test_a_key_of_no_use_is_refused(self, client: httpx.AsyncClient, key: str) -> None:
        answer = await make(client, key)
        assert answer.status_code == 400
        assert answer.json()["details"][0]["path"] == "Idempotency-Key"

    async def test_it_lasts_a_day(self, app: Running, client: httpx.AsyncClient) -> None:
        await make(client, "k1")
        connection = await asyncpg.connect(asyncpg_dsn(app.ledger.db.url))
        await connection.execute("UPDATE idempotency_keys SET at = at - 86400000000000")
        answer = await make(client, "k1", {"title": "Window", "mnemonic": "WINDOW"})
        assert answer.status_code == 201, "the key is free again"
        await connection.execute("UPDATE idempotency_keys SET at = at - 86400000000000")
        await forget_old(app.ledger.db)
        assert await connection.fetchval("SELECT count(*) FROM idempotency_keys") == 0
        await connection.close()


class TestShownOnce:
    @given(st.dictionaries(st.sampled_from([*sorted(SHOWN_ONCE), "name", "keyId"]), st.text(max_size=5), max_size=6))
    def test_no_one_time_value_is_kept(self, answer: dict[str, str]) -> None:
        kept = json.loads(without_shown_once(json.dumps(answer).encode()))
        assert not SHOWN_ONCE & kept.keys()
        assert kept.get("shownOnce", False) is bool(SHOWN_ONCE & answer.keys())
        assert {name: kept[name] for name in kept if name != "shownOnce"} == {
            name: value for name, value in answer.items() if name not in SHOWN_ONCE
        }

    def test_what_is_no_object_stays(self) -> None:
        assert without_shown_once(b"[1]") == b"[1]"
        assert without_shown_once(b"\xff") == b"\xff"
