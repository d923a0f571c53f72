"""Streams: which rows are in them, how they go on after a break, and what is recorded of them."""

import asyncio
import json
import random
from hashlib import sha256
from typing import Any

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.core.db import asyncpg_dsn
from provenance.ledger.export import streaming, walking
from provenance.ledger.export.formats import FORMATS
from tests.conftest import MakeTenant, Running, Tenant
from tests.ledger.export.conftest import IMAGE, ITEMS, OTHER_UOW, PLATFORM, UOW, Sign, erase, export, refused
from tests.ledger.rows import listed, pages, post
from tests.ledger.test_log import id_of

ALL = len(ITEMS) + len(PLATFORM)
MANY = 1200

FILTERS: dict[str, list[Any]] = {
    "resourceId": ["order-1", "order-*", "*", IMAGE, ["order-1", "-1"]],
    "resourceType": ["ORDER", "user", ["USER", "IMAGE"], "NOBODY"],
    "action": ["CREATE", ["READ", "DELETE", "LOGIN"]],
    "origin": ["SHOP", "PLATFORM"],
    "userId": ["@eve", "user_1"],
    "uowId": [UOW, OTHER_UOW],
    "outcome": ["success", "denied"],
    "externalReference": ["pay_1"],
    "relatedResourceId": ["user-1"],
    "platform": ["only", "exclude"],
    "startDate": ["2024-05-06", "2026-01-01"],
    "to": ["2024-05-06", "2100-01-01"],
    "q": ["grüße", "total"],
    "where": ["interaction.total > 9", "interactionNumber < 8 && outcome != 'denied'"],
}
combinations = st.dictionaries(st.sampled_from(sorted(FILTERS)), st.integers(0, 9), max_size=4).map(
    lambda chosen: {name: FILTERS[name][place % len(FILTERS[name])] for name, place in chosen.items()}
)


def records(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.content.splitlines()]


def numbers(answer: httpx.Response) -> list[int]:
    return [each["interactionNumber"] for each in records(answer)[:-1]]


def manifest(answer: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = records(answer)[-1]["manifest"]
    return found


@pytest.fixture
async def many(client: httpx.AsyncClient, workspace: Tenant, sign: Sign) -> httpx.AsyncClient:
    """Rows for several pages, half of them on one resource."""
    await post(client, [{"resourceId": f"order-{n % 2}", "interaction": {"n": n}, "uowId": UOW} for n in range(MANY)])
    await sign(workspace)
    return client


class TestWhichRows:
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(query=combinations)
    async def test_those_of_the_list(
        self, shop: httpx.AsyncClient, masked: httpx.AsyncClient, query: dict[str, Any]
    ) -> None:
        for client in (shop, masked):
            expected = [
                row["interactionNumber"]
                async for page in pages(client, order="asc", limit=100, **query)
                for row in page["data"]
                if row["interactionNumber"] <= ALL
            ]
            answer = await export(client, **query)
            assert numbers(answer) == expected
            found = manifest(answer)
            assert found["count"] == len(expected)
            assert found["filter"] == query
            assert found["order"] == ("createdDate" if {"startDate", "to"} & query.keys() else "number")

    @pytest.mark.parametrize(
        "query", [{}, {"resourceId": "order-1"}, {"where": "interaction.n % 3 == 0"}, {"from": "2020-01-01"}]
    )
    async def test_all_pages_of_many(self, many: httpx.AsyncClient, query: dict[str, str]) -> None:
        expected = [
            row["interactionNumber"]
            async for page in pages(many, order="asc", limit=500, **query)
            for row in page["data"]
            if row["interactionNumber"] <= MANY
        ]
        assert numbers(await export(many, **query)) == expected

    async def test_only_what_the_head_covers(self, client: httpx.AsyncClient, workspace: Tenant, sign: Sign) -> None:
        await post(client, [{}] * 3)
        await sign(workspace)
        await post(client, [{"timestamp": "2020-01-01T00:00:00Z"}])
        for query in ({}, {"startDate": "2000-01-01"}, {"where": "true"}, {"uowId": UOW}):
            found = manifest(await export(client, **query))
            assert found["log"]["treeSize"] == 3
            assert found["count"] == (0 if query == {"uowId": UOW} else 3)
        await sign(workspace)
        assert manifest(await export(client, platform="exclude"))["count"] == 4

    async def test_nothing_signed_nothing_exported(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/api/export", params={"format": "ndjson"})
        assert (answer.status_code, answer.headers["retry-after"]) == (404, "1")
        assert (await listed(client))["data"] == []


class TestGoingOn:
    async def test_at_any_byte_of_any_format(self, shop: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
        chance = random.Random(7)
        for name in FORMATS:
            whole = await export(shop, name, uowId=UOW)
            await post(shop, [{"uowId": UOW}])
            size = len(whole.content)
            for offset in {0, 1, size // 2, chance.randrange(size), size - 1, size}:
                monkeypatch.setattr(streaming, "_remembered", streaming.Remembered())
                rest = await export(shop, name, uowId=UOW, cursor=whole.headers["x-export-cursor"], offset=offset)
                assert rest.content == whole.content[offset:], (name, offset)

    @pytest.mark.parametrize("query", [{}, {"resourceId": "order-1", "proofs": "inline"}, {"from": "2020-01-01"}])
    async def test_across_pages_and_servers(
        self, many: httpx.AsyncClient, second: Running, query: dict[str, str]
    ) -> None:
        whole = await export(many, **query)
        going_on = {"cursor": whole.headers["x-export-cursor"], **query}
        async with httpx.AsyncClient(base_url=second.url, headers=many.headers) as elsewhere:
            for offset in (0, 1, len(whole.content) // 3, len(whole.content) - 5):
                for client in (many, elsewhere):
                    rest = await export(client, offset=offset, **going_on)
                    assert rest.content == whole.content[offset:], offset

    async def test_what_is_remembered_of_a_stream_spares_its_pages(
        self, many: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = await export(many)
        read: list[int] = []
        page = walking.Walk.page

        async def counting(self: walking.Walk, most: int | None = None) -> walking.Page:
            found = await page(self, most)
            read.extend(record.number for record in found.records)
            return found

        monkeypatch.setattr(walking.Walk, "page", counting)
        offset = len(whole.content) - 2000
        rest = await export(many, cursor=whole.headers["x-export-cursor"], offset=offset)
        assert rest.content == whole.content[offset:]
        assert len(read) < MANY / 2

    async def test_after_a_connection_that_broke(self, many: httpx.AsyncClient) -> None:
        arrived, cursor = bytearray(), ""
        while True:
            query: dict[str, Any] = {"format": "ndjson", "proofs": "inline"}
            query |= {"cursor": cursor, "offset": len(arrived)} if cursor else {}
            async with many.stream(
                "GET", "/api/export", params=query, headers={"accept-encoding": "identity"}
            ) as answer:
                cursor = cursor or answer.headers["x-export-cursor"]
                async for chunk in answer.aiter_raw():
                    arrived += chunk
                    if len(arrived) % 3 == 0:
                        break
                else:
                    break
        found = json.loads(bytes(arrived).splitlines()[-1])["manifest"]
        assert found["sha256"] == sha256(arrived[: found["bytes"]]).hexdigest()
        assert found["count"] == MANY
        whole = await export(many, proofs="inline", cursor=cursor)
        assert whole.content == arrived

    async def test_parts_by_a_limit(self, many: httpx.AsyncClient) -> None:
        found: list[int] = []
        cursor: str | None = None
        for _ in range(5):
            answer = await export(many, limit=300, **({"cursor": cursor} if cursor else {}))
            part = manifest(answer)
            found += numbers(answer)
            cursor = part["nextCursor"]
            assert part["sha256"] == sha256(answer.content[: part["bytes"]]).hexdigest()
            assert part["complete"] == (cursor is None)
            if cursor is None:
                break
        assert found == list(range(1, MANY + 1))

    async def test_a_limit_that_is_just_enough_is_complete(self, many: httpx.AsyncClient) -> None:
        assert manifest(await export(many, limit=MANY))["complete"] is True
        assert manifest(await export(many, limit=MANY - 1))["complete"] is False
        found = manifest(await export(many, limit=MANY // 2, resourceId="order-1"))
        assert (found["count"], found["complete"]) == (MANY // 2, True)

    async def test_a_cursor_is_good_for_its_own_export(
        self, shop: httpx.AsyncClient, masked: httpx.AsyncClient
    ) -> None:
        cursor = (await export(shop, uowId=UOW)).headers["x-export-cursor"]
        same: dict[str, Any] = {"format": "ndjson", "uowId": UOW, "cursor": cursor}
        for other in ({"format": "csv"}, {"uowId": OTHER_UOW}, {"proofs": "inline"}, {"outcome": "denied"}):
            assert (await refused(shop, **{**same, **other}))["code"] == "bad_cursor"
        assert (await refused(masked, **same))["code"] == "bad_cursor"
        moved = cursor.replace(f".{ALL}.", f".{ALL - 1}.", 1)
        for text in ("x", moved, cursor + "A", cursor.replace(".", ".9", 1)):
            assert (await refused(shop, **{**same, "cursor": text}))["code"] == "bad_cursor"
        assert (await refused(shop, **{**same, "offset": 10**9}))["code"] == "beyond_the_stream"
        problem = await refused(shop, format="in-toto", uowId=UOW, offset=10, proofs="inline")
        assert problem["details"][0]["path"] == "offset"


class TestRefusals:
    @pytest.mark.parametrize(
        ("query", "path"),
        [
            ({}, "format"),
            ({"format": "xml"}, "format"),
            ({"format": ["csv", "ndjson"]}, "format"),
            ({"format": "csv", "proofs": "some"}, "proofs"),
            ({"format": "csv", "limit": 0}, "limit"),
            ({"format": "csv", "limit": "all"}, "limit"),
            ({"format": "csv", "offset": -1}, "offset"),
            ({"format": "csv", "offset": 5}, "offset"),
            ({"format": "csv", "cursor": "x"}, "cursor"),
            ({"format": "csv", "uowId": "x"}, "uowId"),
            ({"format": "csv", "where": "nonsense ("}, "where"),
            ({"format": "csv", "userId": ["a", "b"]}, "userId"),
            ({"format": "in-toto"}, "uowId"),
            ({"format": "in-toto", "uowId": UOW, "proofs": "none"}, "proofs"),
        ],
        ids=str,
    )
    async def test_what_is_malformed_is_named(self, shop: httpx.AsyncClient, query: dict[str, Any], path: str) -> None:
        before = len((await listed(shop))["data"])
        assert (await refused(shop, **query))["details"][0]["path"] == path
        assert len((await listed(shop))["data"]) == before, "nothing is recorded of what did not begin"

    async def test_the_scope_is_asked_for(
        self, app: Running, shop: httpx.AsyncClient, workspace: Tenant, make_tenant: MakeTenant
    ) -> None:
        writer = await make_tenant(("interactions:write",), into=workspace.id)
        answer = await shop.get("/api/export", params={"format": "csv"}, headers={"x-api-key": writer.key})
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")

    async def test_a_document_is_bounded(self, many: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(streaming, "DOCUMENT_RECORDS", 100)
        assert (await refused(many, format="prov-json"))["code"] == "narrow_the_range"
        assert json.loads((await export(many, "prov-json", limit=100)).json()["entity"]["pv:manifest"]["pv:json"])[
            "nextCursor"
        ]
        monkeypatch.setattr(streaming, "DOCUMENT_RECORDS", 10_000)
        monkeypatch.setattr(streaming, "DOCUMENT_BYTES", 10_000)
        assert (await refused(many, format="in-toto", uowId=UOW))["code"] == "narrow_the_range"

    async def test_a_row_that_was_tampered_with_is_not_passed_on(
        self, app: Running, many: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        connection = await asyncpg.connect(asyncpg_dsn(app.ledger.db.url))
        await connection.execute(
            "UPDATE interactions SET content = replace(content, '\"n\":1100', '\"n\":7') "
            "WHERE workspace_id = $1 AND number = 1101",
            id_of(workspace),
        )
        await connection.close()
        arrived, cursor = b"", ""
        with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012 - the break is the point
            async with many.stream("GET", "/api/export", params={"format": "ndjson"}) as answer:
                cursor = answer.headers["x-export-cursor"]
                async for chunk in answer.aiter_bytes():
                    arrived += chunk
        assert 0 < arrived.count(b"\n") <= 1100
        problem = await refused(many, 409, format="ndjson", cursor=cursor, offset=len(arrived))
        assert problem["code"] == "row_differs"
        assert "1101" in problem["detail"]


class TestTheRecordOfAnExport:
    async def test_is_written_before_the_first_byte(self, shop: httpx.AsyncClient) -> None:
        await export(shop, "csv", uowId=UOW, userId="änne~ (x); 'y'", proofs="inline", limit=7)
        row = (await listed(shop))["data"][0]
        assert (row["resourceTypeMnemonic"], row["actionMnemonic"], row["platform"]) == ("LEDGER", "EXPORTED", True)
        assert row["interactionNumber"] == ALL + 1
        assert row["interaction"] == {
            "format": "csv",
            "proofs": "inline",
            "treeSize": ALL,
            "count": 1,
            "limit": 7,
            "filters": ["uowId", "userId"],
            "given": {"uowId": [UOW]},
            "resumed": False,
            "offset": 0,
        }
        assert "änne" not in json.dumps(row, ensure_ascii=False), "what may name a person is not repeated"

    async def test_going_on_is_recorded_too(self, shop: httpx.AsyncClient) -> None:
        cursor = (await export(shop)).headers["x-export-cursor"]
        await export(shop, cursor=cursor, offset=100)
        row = (await listed(shop))["data"][0]
        assert (row["interaction"]["resumed"], row["interaction"]["offset"]) == (True, 100)

    async def test_the_head_is_kept_for_as_long_as_it_takes(
        self, shop: httpx.AsyncClient, workspace: Tenant, sign: Sign
    ) -> None:
        whole = await export(shop)
        for _ in range(3):
            await post(shop, [{}])
            await sign(workspace)
        again = await export(shop, cursor=whole.headers["x-export-cursor"])
        assert again.content == whole.content


class TestBounds:
    async def test_a_reader_that_waits_holds_no_transaction_and_little_memory(
        self, app: Running, client: httpx.AsyncClient, workspace: Tenant, sign: Sign
    ) -> None:
        large = {"text": "x" * 200_000}
        for _ in range(3):
            await post(client, [{"interaction": large, "uowId": UOW}] * 40)
        await sign(workspace)
        connection = await asyncpg.connect(asyncpg_dsn(app.ledger.db.url))
        held = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
        plain = {"accept-encoding": "identity"}
        async with client.stream("GET", "/api/export", params={"format": "ndjson"}, headers=plain) as answer:
            async for _ in answer.aiter_raw():
                break
            for _ in range(100):
                if await connection.fetchval(held) == 0:
                    break
                await asyncio.sleep(0.02)
            assert await connection.fetchval(held) == 0
        await connection.close()

    async def test_pages_of_large_rows_are_short(
        self, client: httpx.AsyncClient, workspace: Tenant, sign: Sign, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(walking, "PAGE_BYTES", 100_000)
        sizes: list[int] = []
        page = walking.Walk.page

        async def counting(self: walking.Walk, most: int | None = None) -> walking.Page:
            found = await page(self, most)
            sizes.append(len(found.records))
            return found

        monkeypatch.setattr(walking.Walk, "page", counting)
        await post(client, [{"interaction": {"text": "x" * 2_000}} for _ in range(300)])
        await sign(workspace)
        assert len(numbers(await export(client))) == 300
        assert sizes[0] == walking.FIRST_PAGE
        assert max(sizes[1:]) <= 100_000 // 3_000

    async def test_a_row_erased_meanwhile_is_noticed_at_the_end(
        self, app: Running, many: httpx.AsyncClient, workspace: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = await export(many)
        await erase(app, workspace, 5)
        monkeypatch.setattr(streaming, "_remembered", streaming.Remembered())
        offset = len(whole.content) // 2
        rest = await export(many, cursor=whole.headers["x-export-cursor"], offset=offset)
        joined = whole.content[:offset] + rest.content
        found = json.loads(joined.splitlines()[-1])["manifest"]
        assert found["sha256"] != sha256(joined[: found["bytes"]]).hexdigest()
