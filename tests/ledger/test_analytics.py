"""Figures over interactions, asked over HTTP."""

import json
import re
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from provenance.core.db import asyncpg_dsn
from provenance.core.ids import decode
from provenance.ledger.analytics import queries
from provenance.ledger.service import Fact, record
from tests.conftest import MakeTenant, Running, Tenant
from tests.ledger.test_fields import discovered, post


def order(action: str = "CREATE", at: str = "2026-01-05T10:00:00Z", **rest: Any) -> dict[str, Any]:
    sent = {"resourceId": "o-1", "resourceType": "ORDER", "action": action, "origin": "SHOP", "timestamp": at}
    return {
        **sent,
        **{name: rest.pop(name) for name in ("userId", "outcome", "resourceId") if name in rest},
        "interaction": rest,
    }


async def query(client: httpx.AsyncClient, *metrics: Any, key: str | None = None, **rest: Any) -> dict[str, Any]:
    """Ask, and return the whole answer."""
    headers = {} if key is None else {"x-api-key": key}
    body = {"metrics": list(metrics) or ["count"], **rest}
    answer = await client.post("/api/analytics/query", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def groups(client: httpx.AsyncClient, *metrics: Any, **rest: Any) -> list[tuple[Any, ...]]:
    """Ask, and return each group as its dimensions and then its metrics."""
    found = await query(client, *metrics, **rest)
    return [(*each["dimensions"].values(), *each["metrics"].values()) for each in found["data"]]


async def refusal(client: httpx.AsyncClient, **body: Any) -> tuple[str, str]:
    """Ask something that is refused; return the code and the path of the first thing wrong."""
    answer = await client.post("/api/analytics/query", json={"metrics": ["count"], **body})
    assert answer.status_code == 400, answer.text
    found = answer.json()
    return found["code"], found["details"][0]["path"]


def of(op: str, field: str) -> dict[str, str]:
    return {"op": op, "field": field}


class TestMetrics:
    async def test_an_empty_ledger_has_one_empty_group(self, client: httpx.AsyncClient) -> None:
        found = await query(client, "count", of("sum", "total"), of("p95", "total"), of("distinct", "userId"))
        assert found["data"] == [
            {"dimensions": {}, "metrics": {"count": 0, "sum(total)": None, "p95(total)": None, "distinct(userId)": 0}}
        ]
        assert found["meta"] == {
            "start": None,
            "end": None,
            "groups": 1,
            "truncated": False,
            "platformRows": "included",
            "ignored": {"sum(total)": 0, "p95(total)": 0},
        }

    async def test_numbers_are_computed_exactly(self, client: httpx.AsyncClient) -> None:
        await post(client, *[order(total=total) for total in (0.1, 0.2, 3, 4.5, 5e-324)])
        found = await groups(client, *[of(op, "total") for op in ("sum", "min", "max", "avg", "p50")])
        assert found == [(7.8, 5e-324, 4.5, 1.56, 0.2)]

    async def test_what_is_no_number_is_left_out_and_counted(self, client: httpx.AsyncClient) -> None:
        await post(client, order(total=1), order(total="2"), order(total=None), order(total=[3]), order(other=1))
        found = await query(client, "count", of("sum", "total"), of("avg", "total"))
        assert found["data"][0]["metrics"] == {"count": 5, "sum(total)": 1, "avg(total)": 1}
        assert found["meta"]["ignored"] == {"sum(total)": 2, "avg(total)": 2}

    async def test_large_sums_are_as_near_as_a_double_is(self, client: httpx.AsyncClient) -> None:
        await post(client, order(big=9007199254740991), order(big=9007199254740991), order(small=9007199254740991))
        found = await query(client, of("sum", "big"), of("sum", "small"))
        assert found["data"][0]["metrics"] == {"sum(big)": 18014398509481982.0, "sum(small)": 9007199254740991}

    async def test_distinct_takes_columns_and_paths_of_any_type(self, client: httpx.AsyncClient) -> None:
        await post(client, order(userId="a", v=1), order(userId="b", v="1"), order(userId="a", v=True), order(v=1))
        asked = [of("distinct", each) for each in ("userId", "v", "action", "uowId")]
        assert await groups(client, *asked) == [(2, 3, 1, 4)]

    @pytest.mark.parametrize(
        ("metrics", "path", "code"),
        [
            ([], "metrics", "invalid_request"),
            (["count"] * 11, "metrics", "invalid_request"),
            (["sum"], "metrics[0]", "invalid_request"),
            ([{"op": "sum"}], "metrics[0]", "invalid_request"),
            ([{"op": "median", "field": "total"}], "metrics[0].op", "invalid_request"),
            ([{"op": "sum", "field": "total", "as": "x"}], "metrics[0].as", "invalid_request"),
            ([{"op": "sum", "field": "a..b"}], "metrics[0].field", "unknown_field"),
            ([{"op": "sum", "field": "items[].price"}], "metrics[0].field", "unknown_field"),
            (["count", {"op": "sum", "field": "userId"}], "metrics[1].field", "unknown_field"),
            (["count", "count"], "metrics[1]", "asked_twice"),
        ],
    )
    async def test_bad_metrics_are_refused(
        self, client: httpx.AsyncClient, metrics: list[Any], path: str, code: str
    ) -> None:
        assert await refusal(client, metrics=metrics) == (code, path)


class TestDimensions:
    async def test_groups_come_largest_first(self, client: httpx.AsyncClient) -> None:
        await post(client, order(), order(), order("CANCEL"), order("PAY"), order(outcome="failure"))
        assert await groups(client, dimensions=["action"]) == [("CREATE", 3), ("CANCEL", 1), ("PAY", 1)]
        assert await groups(client, dimensions=["outcome", "resourceType", "origin"]) == [
            (None, "ORDER", "SHOP", 4),
            ("failure", "ORDER", "SHOP", 1),
        ]

    async def test_json_paths_keep_the_types_of_their_values(self, client: httpx.AsyncClient) -> None:
        values = [{"place": {"x.y": value}} for value in (1, 1, "1", True, None, {"deep": 1}, '\u00e9"')]
        await post(client, *[{**order(), "interaction": value} for value in values], order())
        found = await groups(client, dimensions=['place."x.y"'])
        assert found[0] == (None, 3)
        assert {(type(value), value, count) for value, count in found[1:]} == {
            (int, 1, 2),
            (str, "1", 1),
            (bool, True, 1),
            (str, '\u00e9"', 1),
        }

    async def test_a_path_called_like_a_column_is_reached_by_its_prefix(self, client: httpx.AsyncClient) -> None:
        await post(client, {**order(), "interaction": {"action": "inner"}})
        assert await groups(client, dimensions=["action", "interaction.action"]) == [("CREATE", "inner", 1)]

    async def test_what_a_caller_writes_is_never_sql(self, client: httpx.AsyncClient) -> None:
        key = "x'); DROP TABLE interactions; --"
        await post(client, order(**{key: "y' OR 1=1"}))
        path = f'"{key}"'
        assert await groups(client, of("distinct", path), dimensions=[path]) == [("y' OR 1=1", 1)]
        assert await groups(client, dimensions=["$1.%s"]) == [(None, 1)]

    async def test_long_texts_are_cut(self, client: httpx.AsyncClient) -> None:
        await post(client, order(text="x" * 600), order(text="x" * 700))
        assert await groups(client, dimensions=["text"]) == [("x" * 512, 2)]

    @pytest.mark.parametrize(
        ("bucket", "expected"),
        [
            ("minute", ["2026-01-04T23:59:00.000Z", "2026-01-05T00:00:00.000Z", "2026-02-01T12:34:00.000Z"]),
            ("hour", ["2026-01-04T23:00:00.000Z", "2026-01-05T00:00:00.000Z", "2026-02-01T12:00:00.000Z"]),
            ("day", ["2026-01-04T00:00:00.000Z", "2026-01-05T00:00:00.000Z", "2026-02-01T00:00:00.000Z"]),
            ("week", ["2025-12-29T00:00:00.000Z", "2026-01-05T00:00:00.000Z", "2026-01-26T00:00:00.000Z"]),
            ("month", ["2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"]),
        ],
    )
    async def test_buckets_of_time_are_utc_and_come_in_order(
        self, client: httpx.AsyncClient, bucket: str, expected: list[str]
    ) -> None:
        times = ("2026-02-01T12:34:56.789Z", "2026-01-05T00:00:00Z", "2026-01-05T00:59:59.999+01:00")
        await post(client, *[order(at=time) for time in times])
        found = await query(client, dimensions=[{"time": bucket}])
        assert [each["dimensions"][f"time:{bucket}"] for each in found["data"]] == expected
        assert await query(client, dimensions=[f"time:{bucket}"]) == found

    async def test_more_groups_than_the_limit_are_said_to_be_there(self, client: httpx.AsyncClient) -> None:
        await post(client, *[order(n=at) for at in range(5)])
        found = await query(client, dimensions=["n"], limit=3)
        assert len(found["data"]) == found["meta"]["groups"] == 3
        assert found["meta"]["truncated"] is True
        assert (await query(client, dimensions=["n"], limit=5))["meta"]["truncated"] is False

    @pytest.mark.parametrize(
        ("dimensions", "path", "code"),
        [
            (["a", "b", "c", "d"], "dimensions", "invalid_request"),
            (["time:year"], "dimensions[0]", "invalid_request"),
            ([{"time": "year"}], "dimensions[0]", "invalid_request"),
            ([{"time": "day", "zone": "CET"}], "dimensions[0]", "invalid_request"),
            (["action", "tags[]"], "dimensions[1]", "unknown_field"),
            (["action", "action"], "dimensions[1]", "asked_twice"),
        ],
    )
    async def test_bad_dimensions_are_refused(
        self, client: httpx.AsyncClient, dimensions: list[Any], path: str, code: str
    ) -> None:
        assert await refusal(client, dimensions=dimensions) == (code, path)


class TestNarrowing:
    async def test_filters_are_those_of_the_list(self, client: httpx.AsyncClient) -> None:
        await post(
            client, order(resourceId="o-1"), order("PAY", resourceId="o-2"), order("PAY", resourceId="p-1", userId="u")
        )

        async def count(**filters: Any) -> int:
            ((found,),) = await groups(client, filters=filters)
            listed = await client.get("/api/interactions", params=filters)
            assert listed.json()["pagination"]["total"] == found
            return int(found)

        assert await count() == 3
        assert await count(action="PAY") == 2
        assert await count(action=["PAY", "CREATE"], resourceId="o-*") == 2
        assert await count(resourceType="ORDER", userId="u") == 1
        assert await count(action="NEVER_SEEN") == 0
        assert await count(platform="only") == 0
        assert await count(startDate="2026-01-06") == 0
        assert await count(endDate="2026-01-05") == 3
        assert await refusal(client, filters={"where": "true"}) == ("filter_not_supported", "filters.where")
        assert await refusal(client, filters={"colour": "red"}) == ("invalid_request", "filters.colour")
        assert await refusal(client, filters={"uowId": "x"}) == ("invalid_request", "filters.uowId")

    async def test_ranges_of_time(self, client: httpx.AsyncClient) -> None:
        await post(client, *[order(at=f"2026-01-0{day}T00:00:00Z") for day in (1, 2, 3)])
        recent = order()
        del recent["timestamp"]
        await post(client, recent)

        async def count(**time_range: Any) -> int:
            ((found,),) = await groups(client, timeRange=time_range)
            return int(found)

        assert await count(type="relative", value="1h") == 1
        assert await count(type="relative", value="52w") == 4
        assert await count(type="absolute", start="2026-01-02T00:00:00Z", end="2026-01-02T23:59:59Z") == 1
        assert await count(type="absolute", end="2026-01-02") == 2
        found = await query(client, timeRange={"type": "absolute", "start": "2026-01-02", "end": "2026-01-03"})
        assert (found["meta"]["start"], found["meta"]["end"]) == (
            "2026-01-02T00:00:00.000Z",
            "2026-01-04T00:00:00.000Z",
        )

    @pytest.mark.parametrize(
        ("time_range", "path"),
        [
            ({"type": "relative"}, "timeRange"),
            ({"type": "relative", "value": "soon"}, "timeRange.value"),
            ({"type": "relative", "value": "7d", "start": "2026-01-01"}, "timeRange"),
            ({"type": "absolute"}, "timeRange"),
            ({"type": "absolute", "start": "yesterday"}, "timeRange.start"),
            ({"type": "absolute", "start": "2026-01-02", "end": "2026-01-01"}, "timeRange.end"),
            ({"type": "always"}, "timeRange.type"),
        ],
    )
    async def test_bad_ranges_are_refused(
        self, client: httpx.AsyncClient, time_range: dict[str, str], path: str
    ) -> None:
        assert await refusal(client, timeRange=time_range) == ("invalid_request", path)

    async def test_a_question_that_takes_too_long_is_asked_to_narrow(
        self, app: Running, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(queries, "SECONDS", 1)
        await post(client, order(total=1))
        locker = await asyncpg.connect(asyncpg_dsn(app.ledger.db.url))
        async with locker.transaction():
            await locker.execute("LOCK TABLE interactions IN ACCESS EXCLUSIVE MODE")
            answer = await client.post("/api/analytics/query", json={"metrics": ["count"]})
        await locker.close()
        assert (answer.status_code, answer.json()["code"]) == (400, "narrow_the_range")


class TestPlatformRows:
    @pytest.fixture
    async def reader(
        self, app: Running, workspace: Tenant, make_tenant: MakeTenant, client: httpx.AsyncClient
    ) -> Tenant:
        """A key that may read interactions but not what the platform's rows hold."""
        await post(client, order(total=1, userId="u"))
        workspace_id = decode("ws", workspace.id)
        async with app.ledger.db.housekeeping(workspace_id) as tx:
            record(
                tx, Fact(resource_type="MEMBER", action="ADDED", resource_id="m-1", data={"total": 5}, user_id="user_1")
            )
        return await make_tenant(("interactions:read",), into=workspace.id)

    async def test_what_masked_rows_show_is_counted(self, client: httpx.AsyncClient, reader: Tenant) -> None:
        found = await query(client, "count", of("distinct", "uowId"), dimensions=["action", "outcome"], key=reader.key)
        assert sum(each["metrics"]["count"] for each in found["data"]) == 2
        assert found["meta"]["platformRows"] == "included"

    @pytest.mark.parametrize(
        "body",
        [
            {"dimensions": ["userId"]},
            {"dimensions": ["resourceId"]},
            {"dimensions": ["total"]},
            {"metrics": ["count", of("sum", "total")]},
            {"metrics": ["count", of("distinct", "externalReference")]},
            {"filters": {"resourceId": "*-1"}, "dimensions": ["userId"]},
            {"filters": {"q": "1"}},
        ],
    )
    async def test_what_they_hide_leaves_them_out(
        self, client: httpx.AsyncClient, reader: Tenant, body: dict[str, Any]
    ) -> None:
        asked = {"metrics": ["count"], **body}
        found = await query(client, *asked.pop("metrics"), key=reader.key, **asked)
        assert sum(each["metrics"]["count"] for each in found["data"]) <= 1
        assert found["meta"]["platformRows"] == "excluded"
        whole = await query(
            client, *body.get("metrics", ["count"]), **{k: v for k, v in body.items() if k != "metrics"}
        )
        assert whole["meta"]["platformRows"] == "included"

    async def test_a_filter_finds_nothing_in_what_is_hidden(self, client: httpx.AsyncClient, reader: Tenant) -> None:
        assert await groups(client, filters={"userId": "user_1"}) == [(1,)]
        assert (await query(client, filters={"userId": "user_1"}, key=reader.key))["data"][0]["metrics"] == {"count": 0}

    async def test_their_fields_are_not_discovered(
        self, app: Running, client: httpx.AsyncClient, workspace: Tenant, reader: Tenant
    ) -> None:
        await discovered(app, workspace)
        answer = await client.get("/api/analytics/discover", headers={"x-api-key": reader.key})
        assert [(each["path"], each["count"]) for each in answer.json()["fields"]] == [("total", 1)]
        whole = (await client.get("/api/analytics/discover")).json()
        assert [(each["path"], each["count"]) for each in whole["fields"]] == [("total", 2)]


class TestDiscover:
    async def test_it_tells_what_may_be_asked(self, app: Running, client: httpx.AsyncClient, workspace: Tenant) -> None:
        await post(
            client,
            order(total=1, at_="x", tags=["a"], where={"city": "Bern"}),
            order(at="2026-03-01T00:00:00Z", total="1"),
        )
        await discovered(app, workspace)
        answer = await client.get("/api/analytics/discover")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["metrics"] == ["count", "sum", "avg", "min", "max", "distinct", "p50", "p95"]
        assert found["dimensions"][:4] == ["resourceType", "action", "origin", "outcome"]
        assert found["timeBuckets"] == ["minute", "hour", "day", "week", "month"]
        assert found["timeSpan"] == {"start": "2026-01-05T10:00:00.000Z", "end": "2026-03-01T00:00:00.000Z"}
        assert found["interactions"] == 2
        assert [(each["path"], each["numeric"]) for each in found["fields"]] == [
            ("total", True),
            ("at_", False),
            ("where.city", False),
        ]
        for name in found["dimensions"] + [each["path"] for each in found["fields"]]:
            await query(client, dimensions=[name])
        for name in found["distinct"]:
            await query(client, of("distinct", name))

    async def test_an_empty_ledger(self, client: httpx.AsyncClient) -> None:
        found = (await client.get("/api/analytics/discover")).json()
        assert (found["fields"], found["timeSpan"], found["interactions"]) == ([], {"start": None, "end": None}, 0)


GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "analytics.md"
QUESTIONS = re.findall(r"```json question\n(.*?)```", GUIDE.read_text(), re.DOTALL)


class TestGuide:
    @pytest.mark.parametrize("question", QUESTIONS)
    async def test_its_questions_are_answered(self, client: httpx.AsyncClient, question: str) -> None:
        answer = await client.post("/api/analytics/query", json=json.loads(question))
        assert answer.status_code == 200, answer.text

    async def test_its_answer_is_the_servers(self, client: httpx.AsyncClient) -> None:
        await post(client, order(), order(), order(), order("PAY"))
        shown = re.findall(r"```json answer\n(.*?)```", GUIDE.read_text(), re.DOTALL)
        assert [json.loads(each) for each in shown] == [await query(client, dimensions=["action"])]
