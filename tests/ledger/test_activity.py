from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from provenance.ledger.service import Fact
from tests.conftest import MakeTenant, Running, Tenant
from tests.ledger.rows import Row, post, record_platform_row

UOW, OTHER = "5fbc4a96-ad4b-4a7d-9e97-b6d5fca8ca05", "6acd5ba7-be5c-4b8e-8fa8-c7e6adb9db06"


async def search(client: httpx.AsyncClient, **body: Any) -> Row:
    answer = await client.post("/api/activity/search", json=body)
    assert answer.status_code == 200, answer.text
    assert (await client.post("/api/activity", json=body)).json() == answer.json()
    found: Row = answer.json()
    return found


async def found_numbers(client: httpx.AsyncClient, **body: Any) -> list[int]:
    found = await search(client, **body)
    rows = [row for user in found["data"] for unit in user["units"] for row in unit["interactions"]]
    assert found["pagination"]["total"] == len(rows)
    return sorted(row["interactionNumber"] for row in rows)


@pytest.fixture
async def shop(client: httpx.AsyncClient) -> httpx.AsyncClient:
    await post(
        client,
        [
            {
                "resourceId": "order-1",
                "userId": "ann",
                "uowId": UOW,
                "timestamp": "2026-01-01T10:00:00Z",
                "interaction": {"total": 10, "customer": {"name": "Wien AG", "tags": ["new", "vip"]}, "note": None},
            },
            {
                "resourceId": "user-1",
                "resourceType": "USER",
                "userId": "bob",
                "uowId": OTHER,
                "timestamp": "2026-01-02T10:00:00Z",
                "interaction": {"total": 10.5, "customer": {"name": "Graz"}},
            },
            {
                "resourceId": "order-1",
                "action": "UPDATE",
                "userId": "ann",
                "uowId": UOW,
                "timestamp": "2026-01-03T10:00:00Z",
                "interaction": {"total": "10", "lines": [{"sku": "A-1"}, {"sku": "B-2"}]},
            },
            {"resourceId": "order-1", "uowId": OTHER, "timestamp": "2026-01-04T10:00:00Z"},
        ],
    )
    return client


class TestSearch:
    async def test_it_is_grouped_by_user_then_unit_of_work(self, shop: httpx.AsyncClient) -> None:
        found = await search(shop, resources=[{"resourceId": "*"}])
        assert [
            (user["userId"], [(unit["uowId"], unit["count"], unit["from"], unit["to"]) for unit in user["units"]])
            for user in found["data"]
        ] == [
            (None, [(OTHER, 1, "2026-01-04T10:00:00.000Z", "2026-01-04T10:00:00.000Z")]),
            ("ann", [(UOW, 2, "2026-01-01T10:00:00.000Z", "2026-01-03T10:00:00.000Z")]),
            ("bob", [(OTHER, 1, "2026-01-02T10:00:00.000Z", "2026-01-02T10:00:00.000Z")]),
        ]
        [newest, oldest] = found["data"][1]["units"][0]["interactions"]
        assert (newest["interactionNumber"], oldest["interactionNumber"]) == (3, 1)
        assert newest == (await shop.get(f"/api/interactions/{newest['interactionId']}")).json()

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"userId": "ann"}, [1, 3]),
            ({"uowId": OTHER}, [2, 4]),
            ({"action": "UPDATE"}, [3]),
            ({"action": ["UPDATE", "CREATE"], "userId": "ann"}, [1, 3]),
            ({"resourceType": "USER"}, [2]),
            ({"resources": [{"resourceId": "user-1", "resourceType": "USER"}, {"resourceId": "ord*"}]}, [1, 2, 3, 4]),
            ({"resources": [{"resourceId": "order-1", "resourceType": "USER"}]}, []),
            ({"resources": [{"resourceId": "*", "resourceType": "USER"}]}, [2]),
            ({"resources": [{"resourceType": "USER"}, {"resourceType": "NEVER"}]}, [2]),
            ({"resources": [{"resourceType": "NEVER"}]}, []),
            ({"from": "2026-01-02", "to": "2026-01-03"}, [2, 3]),
            ({"filters": {"userId": "bob"}}, [2]),
            ({"filters": {"action": "UPDATE", "where": "resourceId == 'order-1'"}}, [3]),
            ({"filters": {"q": "wien"}, "userId": "ann"}, [1]),
            ({"json": [{"path": "total", "op": "equals", "value": 10}]}, [1]),
            ({"json": [{"path": "total", "op": "equals", "value": 10.0}]}, [1]),
            ({"json": [{"path": "total", "op": "equals", "value": "10"}]}, [3]),
            ({"json": [{"path": "note", "op": "equals", "value": None}]}, [1]),
            ({"json": [{"path": "customer", "op": "equals", "value": {"name": "Graz"}}]}, [2]),
            ({"json": [{"path": "customer.name", "op": "startsWith", "value": "Wien"}]}, [1]),
            ({"json": [{"path": "customer.name", "op": "startsWith", "value": "ien"}]}, []),
            ({"json": [{"path": "customer.name", "op": "contains", "value": "ra"}]}, [2]),
            ({"json": [{"path": "customer.tags", "op": "contains", "value": "vip"}]}, [1]),
            ({"json": [{"path": "customer.tags", "op": "contains", "value": "vi"}]}, []),
            ({"json": [{"path": "customer", "op": "contains", "value": {"name": "Wien AG"}}]}, [1]),
            ({"json": [{"path": "lines.1.sku", "op": "equals", "value": "B-2"}]}, [3]),
            ({"json": [{"path": "note", "op": "exists"}]}, [1]),
            ({"json": [{"path": "customer.name", "op": "exists", "value": True}]}, [1, 2]),
            ({"json": [{"path": "customer", "op": "exists", "value": False}]}, [3, 4]),
            (
                {
                    "json": [
                        {"path": "total", "op": "equals", "value": 10.5},
                        {"path": "lines", "op": "exists"},
                        {"path": "%' OR 1", "op": "contains", "value": "%"},
                    ]
                },
                [2, 3],
            ),
            ({"userId": "ann", "json": [{"path": "lines", "op": "exists"}]}, [3]),
        ],
        ids=str,
    )
    async def test_what_is_asked(self, shop: httpx.AsyncClient, body: dict[str, Any], expected: list[int]) -> None:
        assert await found_numbers(shop, **body) == expected

    @pytest.mark.parametrize(
        ("body", "code", "path"),
        [
            ({}, "filter_required", None),
            ({"page": 2}, "filter_required", None),
            ({"filters": {}, "resources": [], "json": []}, "filter_required", None),
            ({"nonsense": 1}, "invalid_request", "nonsense"),
            ({"userId": 7}, "invalid_request", "userId"),
            ({"uowId": "x"}, "invalid_request", "uowId"),
            ({"from": "soon"}, "invalid_request", "from"),
            ({"filters": {"user": "ann"}}, "invalid_request", "filters.user"),
            ({"filters": {"uowId": "x"}}, "invalid_request", "filters.uowId"),
            ({"filters": {"where": "1 +"}}, "invalid_expression", "filters.where"),
            ({"userId": "ann", "filters": {"userId": "bob"}}, "invalid_request", "filters.userId"),
            ({"from": "2026-01-01", "filters": {"startDate": "2026-01-01"}}, "invalid_request", "filters.startDate"),
            ({"resources": [{}]}, "invalid_request", "resources[0]"),
            ({"resources": [{"resourceId": ""}]}, "invalid_request", "resources[0].resourceId"),
            ({"json": [{"path": "a..b", "op": "exists"}]}, "invalid_request", "json[0].path"),
            ({"json": [{"path": "a", "op": "like", "value": 1}]}, "invalid_request", "json[0].op"),
            ({"json": [{"path": "a", "op": "equals"}]}, "invalid_request", "json[0]"),
            ({"json": [{"path": "a", "op": "startsWith", "value": 1}]}, "invalid_request", "json[0]"),
            ({"json": [{"path": "a", "op": "exists", "value": 1}]}, "invalid_request", "json[0]"),
            ({"userId": "ann", "limit": 501}, "invalid_request", "limit"),
            ({"userId": "ann", "page": 0}, "invalid_request", "page"),
            ({"userId": "ann", "page": 1000}, "use_cursor", "page"),
            ({"userId": "ann", "cursor": "x"}, "bad_cursor", "cursor"),
        ],
        ids=str,
    )
    async def test_what_is_malformed_is_named(
        self, client: httpx.AsyncClient, body: dict[str, Any], code: str, path: str | None
    ) -> None:
        answer = await client.post("/api/activity", json=body)
        assert answer.status_code == 400, answer.text
        problem = answer.json()
        assert (problem["code"], [detail["path"] for detail in problem["details"]][:1]) == (
            code,
            [path] if path else [],
        )

    async def test_pages_are_pages_of_interactions(self, shop: httpx.AsyncClient) -> None:
        first = await search(shop, uowId=UOW, limit=1)
        assert first["pagination"]["total"] == 2
        assert first["data"][0]["units"][0]["count"] == 1
        for following in ({"page": 2}, {"cursor": first["pagination"]["nextCursor"]}):
            second = await search(shop, uowId=UOW, limit=1, **following)
            [row] = second["data"][0]["units"][0]["interactions"]
            assert row["interactionNumber"] == 1
            assert second["pagination"]["hasNext"] is False


class TestMaskedRows:
    @pytest.fixture
    async def masked(
        self, app: Running, workspace: Tenant, client: httpx.AsyncClient, make_tenant: MakeTenant
    ) -> AsyncIterator[httpx.AsyncClient]:
        fact = Fact(
            resource_type="RUN",
            action="STARTED",
            resource_id="run_1",
            user_id="user_1",
            uow_id=UOW,
            data={"hidden": "value"},
        )
        await record_platform_row(app, workspace, fact)
        await post(client, [{"uowId": UOW, "userId": "ann", "interaction": {"hidden": "value"}}])
        reader = await make_tenant(("interactions:read",), into=workspace.id)
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": reader.key}) as found:
            yield found

    async def test_they_show_no_user_and_match_nothing_hidden(
        self, masked: httpx.AsyncClient, client: httpx.AsyncClient
    ) -> None:
        found = await search(masked, uowId=UOW)
        assert [user["userId"] for user in found["data"]] == ["ann", None]
        for body in (
            {"json": [{"path": "hidden", "op": "equals", "value": "value"}]},
            {"json": [{"path": "nothing", "op": "exists", "value": False}]},
        ):
            assert await found_numbers(masked, **body) == [2]
            assert await found_numbers(client, **body) == [1, 2]
        assert await found_numbers(masked, userId="user_1") == []
        assert await found_numbers(masked, resources=[{"resourceId": "run_1"}]) == []
        assert await found_numbers(masked, resources=[{"resourceType": "RUN"}]) == [1], "its type shows"
