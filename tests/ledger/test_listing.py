import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from provenance.ledger.interactions import scanning
from provenance.ledger.interactions.filters import Filters
from provenance.ledger.interactions.where import FIELDS
from provenance.ledger.service import Fact
from tests.conftest import MakeTenant, Running, Tenant
from tests.ledger.rows import Row, listed, numbers, pages, post, record_platform_row, refused

UOW = "1b7e0c52-6f0d-4c39-9a53-d2f1b8c4e601"
OTHER_UOW = "2c8f1d63-7a1e-4d4a-8b64-e3a2c9d5f702"
SPAN = "3d9a2e74-8b2f-4e5b-9c75-f4b3dae6a803"


@pytest.fixture
async def shop(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """Six rows that differ in one thing each."""
    await post(
        client,
        [
            {"resourceId": "order-1", "uowId": UOW, "interaction": {"total": 10, "note": "Grüße, Wien"}},
            {"resourceId": "order-2", "action": "UPDATE", "userId": "ann", "spanId": SPAN, "uowId": UOW},
            {"resourceId": "order-10", "action": "DELETE", "userId": "bob", "outcome": "denied"},
            {"resourceId": "user-1", "resourceType": "USER", "userId": "ann", "externalReference": "pay_1"},
            {
                "resourceId": "user-1",
                "origin": "CLI",
                "interaction": {"total": 750.5, "tags": ["blue", "Big"]},
            },
            {
                "resourceId": "order-3",
                "uowId": OTHER_UOW,
                "interaction": {"total": "many"},
                "relatedResources": [
                    {"resourceType": "USER", "resourceId": "user-1", "role": "affected"},
                    {"resourceType": "USER", "resourceId": "user-1", "role": "used"},
                ],
            },
        ],
    )
    return client


class TestList:
    async def test_an_empty_workspace(self, client: httpx.AsyncClient) -> None:
        assert await listed(client) == {
            "data": [],
            "pagination": {
                "page": 1,
                "limit": 50,
                "total": 0,
                "totalPages": 0,
                "hasNext": False,
                "hasPrev": False,
                "nextCursor": None,
                "totalCapped": False,
                "scanComplete": True,
            },
        }

    async def test_the_seed_queries_its_row_back(self, shop: httpx.AsyncClient) -> None:
        found = await listed(shop, resourceId="order-1")
        assert found["pagination"]["total"] == 1
        [row] = found["data"]
        assert row["interaction"] == {"total": 10, "note": "Grüße, Wien"}
        assert row["resourceTypeMnemonic"] == "ORDER"
        assert row == (await shop.get(f"/api/interactions/{row['interactionId']}")).json()

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, [6, 5, 4, 3, 2, 1]),
            ({"order": "asc"}, [1, 2, 3, 4, 5, 6]),
            ({"resourceId": "user-1"}, [5, 4]),
            ({"resourceId": "order-1*"}, [3, 1]),
            ({"resourceId": "*"}, [6, 5, 4, 3, 2, 1]),
            ({"resourceId": ["order-1", "order-2"]}, [2, 1]),
            ({"resourceId": ["order-1*", "order-10"]}, [3, 1]),
            ({"resourceId": "user-1", "resourceType": "USER"}, [4]),
            ({"resourceId": "nothing"}, []),
            ({"resourceType": "USER"}, [4]),
            ({"resourceType": "user"}, [4]),
            ({"resourceType": ["USER", "ORDER"], "order": "asc"}, [1, 2, 3, 4, 5, 6]),
            ({"action": ["UPDATE", "DELETE"]}, [3, 2]),
            ({"action": "NEVER_SEEN"}, []),
            ({"actionId": "4eab3f85-9c3a-4f6c-8d86-a5c4ebf7b904"}, []),
            ({"origin": "CLI"}, [5]),
            ({"userId": "ann"}, [4, 2]),
            ({"userId": "ann", "action": "UPDATE"}, [2]),
            ({"uowId": UOW}, [2, 1]),
            ({"uowId": UOW.upper()}, [2, 1]),
            ({"spanId": SPAN}, [2]),
            ({"externalReference": "pay_1"}, [4]),
            ({"outcome": "denied"}, [3]),
            ({"relatedResourceId": "user-1"}, [6]),
            ({"relatedResourceId": "user-1", "resourceId": "user-1"}, []),
            ({"platform": "exclude"}, [6, 5, 4, 3, 2, 1]),
            ({"platform": "only"}, []),
            ({"q": "WIEN grüße"}, [1]),
            ({"q": "GRÜSSE"}, []),
            ({"q": "GRÜße"}, [1]),
            ({"q": "big 750"}, [5]),
            ({"q": "ann"}, []),
            ({"q": '"note":"'}, []),
            ({"q": " "}, [6, 5, 4, 3, 2, 1]),
            ({"where": "interaction.total > 9"}, [5, 1]),
            ({"where": "interaction.total > 9 && actionMnemonic == 'CREATE'", "uowId": UOW}, [1]),
            ({"where": "interactionNumber < 3 || userId == 'bob'"}, [3, 2, 1]),
            ({"where": "outcome == null", "userId": "ann"}, [4, 2]),
            ({"nonsense": "ignored"}, [6, 5, 4, 3, 2, 1]),
        ],
        ids=str,
    )
    async def test_a_filter(self, shop: httpx.AsyncClient, query: dict[str, Any], expected: list[int]) -> None:
        found = await listed(shop, **query)
        assert [row["interactionNumber"] for row in found["data"]] == expected
        assert found["pagination"]["total"] == len(expected)
        assert found["pagination"]["totalCapped"] is False
        assert found["pagination"]["scanComplete"] is True

    async def test_words_by_id(self, shop: httpx.AsyncClient) -> None:
        [row] = (await listed(shop, resourceType="USER"))["data"]
        assert await numbers(shop, resourceTypeId=row["resourceTypeId"]) == [4]
        assert await numbers(shop, resourceType=row["resourceTypeId"]) == [4]
        assert await numbers(shop, actionId=row["resourceTypeId"]) == [], "an id of another kind"
        assert await numbers(shop, resourceTypeId=row["resourceTypeId"], resourceType="ORDER") == []
        assert await numbers(shop, interactionId=row["interactionId"]) == [4]

    @pytest.mark.parametrize(
        ("query", "path"),
        [
            ({"uowId": "x"}, "uowId"),
            ({"uowId": "0" * 32}, "uowId"),
            ({"actionId": "CREATE"}, "actionId[0]"),
            ({"startDate": "yesterday"}, "startDate"),
            ({"to": "2026-02-30"}, "to"),
            ({"outcome": "maybe"}, "outcome"),
            ({"platform": "yes"}, "platform"),
            ({"order": "down"}, "order"),
            ({"userId": ""}, "userId"),
            ({"userId": "a\0b"}, "userId"),
            ({"userId": ["ann", "bob"]}, "userId"),
            ({"limit": "501"}, "limit"),
            ({"pageSize": "501"}, "pageSize"),
            ({"limit": "0"}, "limit"),
            ({"page": "0"}, "page"),
            ({"page": "x"}, "page"),
            ({"q": "a " * 17}, "q"),
            ({"where": "interaction.total >"}, "where"),
        ],
        ids=str,
    )
    async def test_what_is_malformed_is_named(
        self, client: httpx.AsyncClient, query: dict[str, Any], path: str
    ) -> None:
        assert (await refused(client, **query))["details"][0]["path"] == path

    async def test_a_condition_that_does_not_compile(self, client: httpx.AsyncClient) -> None:
        problem = await refused(client, where="interaction.total > 1 && nowhere == 2")
        assert problem["code"] == "invalid_expression"
        assert "character 26" in problem["details"][0]["issue"]
        assert (await refused(client, where="[1, 2].exists(x, x == 1)"))["code"] == "invalid_expression"

    async def test_pages_by_number(self, shop: httpx.AsyncClient) -> None:
        first, second = [await listed(shop, limit=4, page=page) for page in (1, 2)]
        assert [row["interactionNumber"] for row in first["data"]] == [6, 5, 4, 3]
        assert first["pagination"] | {"nextCursor": None} == {
            "page": 1,
            "limit": 4,
            "total": 6,
            "totalPages": 2,
            "hasNext": True,
            "hasPrev": False,
            "nextCursor": None,
            "totalCapped": False,
            "scanComplete": True,
        }
        assert [row["interactionNumber"] for row in second["data"]] == [2, 1]
        assert (second["pagination"]["hasNext"], second["pagination"]["hasPrev"]) == (False, True)
        assert await numbers(shop, pageSize=2, page=3, resourceId="*") == [2, 1]
        assert await numbers(shop, limit=1, page=2, resourceId=["order-1", "user-1"]) == [4]
        assert await numbers(shop, limit=1, page=2, where="interactionNumber > 4") == [5]
        assert await numbers(shop, page=9) == []

    async def test_pages_of_what_names_a_resource(self, client: httpx.AsyncClient) -> None:
        related = [{"resourceType": "USER", "resourceId": "user-1"}]
        await post(client, [{"relatedResources": related}] * 7)
        found = [await numbers(client, relatedResourceId="user-1", limit=3, page=page) for page in (1, 2, 3)]
        assert found == [[7, 6, 5], [4, 3, 2], [1]]

    async def test_deep_pages_need_the_cursor(self, client: httpx.AsyncClient) -> None:
        assert (await refused(client, page=202))["code"] == "use_cursor"
        assert await numbers(client, page=201) == []

    async def test_what_leaves_all_rows_counts_as_no_filter(
        self, shop: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scanning, "COUNTED_AT_MOST", 3)
        everything: list[dict[str, str]] = [{}, {"q": " "}, {"resourceId": "*"}]
        for query in everything:
            state = (await listed(shop, **query))["pagination"]
            assert (state["total"], state["totalCapped"]) == (6, False)
        state = (await listed(shop, origin=["SHOP", "CLI"], limit=2))["pagination"]
        assert (state["total"], state["totalCapped"], state["hasNext"]) == (3, True, True)
        following = (await listed(shop, origin=["SHOP", "CLI"], limit=2, cursor=state["nextCursor"]))["pagination"]
        assert (following["total"], following["totalCapped"], following["page"]) == (3, True, 2)

    async def test_what_is_known_to_be_plenty_reads_the_same_without_counting(
        self, shop: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scanning, "COUNTED_AT_MOST", 1)
        asked: list[dict[str, str]] = [{"userId": "ann"}, {"origin": "SHOP", "outcome": "denied"}, {"origin": "SHOP"}]
        first = [await listed(shop, limit="1", **query) for query in asked]
        assert [page["pagination"]["totalCapped"] for page in first] == [True, False, True]
        assert [await listed(shop, limit="1", **query) for query in asked] == first


class TestDates:
    @pytest.fixture
    async def days(self, client: httpx.AsyncClient) -> httpx.AsyncClient:
        """Rows whose times run against their numbers, two of them in one millisecond."""
        times = [
            "2026-01-03T00:00:00Z",
            "2026-01-02T23:59:59.999999Z",
            "2026-01-02T12:00:00.000400Z",
            "2026-01-02T12:00:00.000100Z",
            "2026-01-01T00:00:00Z",
        ]
        await post(client, [{"timestamp": time, "userId": "ann"} for time in times])
        return client

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"startDate": "2026-01-01"}, [1, 2, 3, 4, 5]),
            ({"startDate": "2026-01-01", "order": "asc"}, [5, 4, 3, 2, 1]),
            ({"startDate": "2026-01-02", "endDate": "2026-01-02"}, [2, 3, 4]),
            ({"from": "2026-01-02T12:00:00Z", "to": "2026-01-02T12:00:00Z"}, [3, 4]),
            ({"from": "2026-01-02T12:00:00.0002Z", "to": "2026-01-02T12:00:00.0004Z"}, [3]),
            ({"from": "2026-01-02T13:00:00+01:00", "to": "2026-01-02T12:00:00.000Z"}, [3, 4]),
            ({"endDate": "2026-01-01T00:00:00.000Z"}, [5]),
            ({"startDate": "2026-01-04"}, []),
            ({"startDate": "2026-01-03", "endDate": "2026-01-01"}, []),
            ({"startDate": "2026-01-02", "userId": "ann"}, [1, 2, 3, 4]),
            ({"startDate": "2026-01-02", "userId": "bob"}, []),
        ],
        ids=str,
    )
    async def test_a_stretch_of_time(self, days: httpx.AsyncClient, query: dict[str, str], expected: list[int]) -> None:
        found = await listed(days, **query)
        assert [row["interactionNumber"] for row in found["data"]] == expected
        assert found["pagination"]["total"] == len(expected)


class TestCursor:
    async def test_it_is_bound_to_the_list(self, shop: httpx.AsyncClient) -> None:
        cursor = (await listed(shop, limit=2))["pagination"]["nextCursor"]
        assert await numbers(shop, limit=1, cursor=cursor) == [4], "the size may change"
        for change in ({"order": "asc"}, {"userId": "ann"}, {"cursor": cursor[:-1] + "!"}):
            assert (await refused(shop, **{"cursor": cursor, **change}))["code"] == "bad_cursor"

    async def test_it_is_bound_to_the_workspace(
        self, shop: httpx.AsyncClient, app: Running, make_tenant: MakeTenant
    ) -> None:
        cursor = (await listed(shop, limit=2))["pagination"]["nextCursor"]
        stranger = await make_tenant()
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": stranger.key}) as other:
            assert (await refused(other, cursor=cursor))["code"] == "bad_cursor"

    async def test_pages_stay_put_while_rows_are_appended(self, client: httpx.AsyncClient) -> None:
        await post(client, [{"userId": "ann"}] * 40)
        seen: list[int] = []
        async for page in pages(client, userId="ann", limit=7):
            seen += [row["interactionNumber"] for row in page["data"]]
            assert page["pagination"]["total"] == 40
            await post(client, [{"userId": "ann"}] * 3)
        assert seen == list(range(40, 0, -1))

    async def test_upwards_it_reaches_what_was_appended(self, client: httpx.AsyncClient) -> None:
        await post(client, [{}] * 10)
        seen: list[int] = []
        async for page in pages(client, limit=4, order="asc"):
            seen += [row["interactionNumber"] for row in page["data"]]
            if len(seen) == 4:
                await post(client, [{}] * 5)
        assert seen == list(range(1, 16))


class TestGet:
    async def test_unknown_ids_and_what_is_no_id(self, client: httpx.AsyncClient) -> None:
        for name in (str(uuid.uuid4()), "17", "%20", "a" * 600):
            answer = await client.get(f"/api/interactions/{name}")
            assert answer.status_code == 404
            assert answer.json()["code"] == "interaction_not_found"

    async def test_another_workspace_sees_nothing(
        self, shop: httpx.AsyncClient, app: Running, make_tenant: MakeTenant
    ) -> None:
        [row] = (await listed(shop, resourceId="order-1"))["data"]
        stranger = await make_tenant()
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": stranger.key}) as other:
            await post(other, [{"resourceId": "elsewhere"}])
            assert (await other.get(f"/api/interactions/{row['interactionId']}")).status_code == 404
            queries: list[dict[str, str]] = [
                {},
                {"order": "asc"},
                {"uowId": UOW},
                {"spanId": SPAN},
                {"interactionId": row["interactionId"]},
                {"resourceId": "o*"},
                {"actionId": row["actionId"]},
                {"relatedResourceId": "user-1"},
                {"startDate": "2020-01-01"},
                {"where": "interaction.total > 0"},
            ]
            for query in queries:
                found = await listed(other, **query)
                assert [each["resourceId"] for each in found["data"]] in ([], ["elsewhere"])
                assert found["pagination"]["total"] == len(found["data"])


class TestMaskedRows:
    """What a caller without ``audit:read`` sees of the platform's rows, and can't find out."""

    @pytest.fixture
    async def masked(
        self, app: Running, workspace: Tenant, client: httpx.AsyncClient, make_tenant: MakeTenant
    ) -> AsyncIterator[httpx.AsyncClient]:
        await post(client, [{"resourceId": "apr_1", "userId": "user_1", "interaction": {"risk": "plain"}}])
        fact = Fact(
            resource_type="APPROVAL",
            action="APPROVED",
            resource_id="apr_1",
            user_id="user_1",
            data={"risk": "secret"},
        )
        await record_platform_row(app, workspace, fact)
        reader = await make_tenant(("interactions:read",), into=workspace.id)
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": reader.key}) as found:
            yield found

    async def test_it_shows_that_it_happened_and_nothing_else(self, masked: httpx.AsyncClient) -> None:
        row: Row = (await listed(masked, platform="only"))["data"][0]
        assert row["actionMnemonic"] == "APPROVED"
        assert row["outcome"] == "success"
        hidden = ("resourceId", "userId", "interaction", "recordedBy", "externalReference", "ip", "links")
        assert {row[name] for name in hidden} == {None}
        assert row == (await masked.get(f"/api/interactions/{row['interactionId']}")).json()

    async def test_hidden_fields_do_not_match(self, masked: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
        for query in (
            {"resourceId": "apr_1"},
            {"resourceId": "apr*"},
            {"userId": "user_1"},
            {"q": "risk"},
            {"where": "has(interaction.risk)"},
            {"where": "resourceId == 'apr_1'"},
        ):
            assert await numbers(masked, **query) == [1], query
            assert await numbers(client, **query) == [2, 1], query
        assert await numbers(masked, where="resourceId == null") == [2]
        assert await numbers(masked, action="APPROVED") == [2]
        assert await numbers(masked, platform="exclude") == [1]


async def test_lists_do_not_wait_for_each_other(shop: httpx.AsyncClient) -> None:
    """More readers at once than the pool has connections: each holds one at a time."""
    found = await asyncio.gather(*[numbers(shop, where="interactionNumber > 3") for _ in range(40)])
    assert found == [[6, 5, 4]] * 40


class TestWhere:
    async def test_common_fields_read_as_they_are_shown(
        self, app: Running, workspace: Tenant, shop: httpx.AsyncClient, make_tenant: MakeTenant
    ) -> None:
        fact = Fact(resource_type="RUN", action="STARTED", resource_id="run_1", data={"a": 1})
        await record_platform_row(app, workspace, fact)
        reader = await make_tenant(("interactions:read",), into=workspace.id)
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": reader.key}) as masked:
            for client in (shop, masked):
                for row in (await listed(client))["data"]:
                    same = [f"{name} == {json.dumps(row[name])}" for name in FIELDS if name != "interaction"]
                    assert await numbers(client, where=" && ".join(same)) == [row["interactionNumber"]]
                    slow = " && ".join([*same, "proof != null"])
                    assert await numbers(client, where=slow) == [row["interactionNumber"]]


class TestGuide:
    """What docs/guides/querying.md shows works as it stands there."""

    TEXT = (Path(__file__).parents[2] / "docs" / "guides" / "querying.md").read_text("utf-8")

    def test_every_parameter_is_described(self) -> None:
        names = {*Filters.model_json_schema()["properties"], "from", "to", "order", "page", "limit", "cursor"}
        words = set(re.findall(r"`(\w+)`", self.TEXT))
        shown = {name for name in names if {name, name.removesuffix("Id")} & words}
        assert names == shown

    async def test_its_conditions_and_its_search_are_taken(self, client: httpx.AsyncClient) -> None:
        [conditions] = re.findall(r"^```cel\n(.*?)^```", self.TEXT, re.MULTILINE | re.DOTALL)
        for condition in conditions.splitlines():
            assert await numbers(client, where=condition) == []
        [body] = re.findall(r"^```json activity\n(.*?)^```", self.TEXT, re.MULTILINE | re.DOTALL)
        answer = await client.post("/api/activity", json=json.loads(body))
        assert answer.status_code == 200, answer.text
