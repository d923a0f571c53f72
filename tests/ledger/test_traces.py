import asyncio
import json
import uuid
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.ledger.service import Fact
from provenance.ledger.traces import overlaps, service, tree
from provenance.ledger.traces.tree import Span
from tests.conftest import MakeTenant, Running, Tenant
from tests.ledger.rows import Row, post, record_platform_row


def ids(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


def at(second: float) -> str:
    whole = int(second)
    return f"2026-01-01T00:{whole // 60:02d}:{whole % 60:02d}.{round(second % 1 * 1000):03d}Z"


async def trace_of(client: httpx.AsyncClient, trace_id: str, view: str = "", **query: Any) -> Row:
    answer = await client.get(f"/api/traces/{quote(trace_id, safe='')}{view}", params=query)
    assert answer.status_code == 200, answer.text
    found: Row = answer.json()
    return found


def shape(nodes: list[Row]) -> Any:
    """A tree as nested lists of resource ids."""
    return [[node["resourceId"], *shape(node["children"])] for node in nodes]


class TestGet:
    async def test_a_resource_brings_its_units_of_work_along(self, client: httpx.AsyncClient) -> None:
        shared, alone, other = ids(3)
        await post(
            client,
            [
                {"resourceId": "user-123", "uowId": shared, "timestamp": at(5), "userId": "ann"},
                {"resourceId": "mail-1", "uowId": shared, "timestamp": at(2), "origin": "MAILER", "outcome": "failure"},
                {"resourceId": "order-1", "uowId": other, "timestamp": at(3)},
                {"resourceId": "user-123", "uowId": alone, "timestamp": at(9.5), "outcome": "success"},
            ],
        )
        found = await trace_of(client, "user-123")
        assert found["id"] == "user-123"
        assert found["kind"] == "resource"
        assert [row["interactionNumber"] for row in found["interactions"]] == [2, 1, 4], "oldest first"
        assert (found["unitsTruncated"], found["nextCursor"]) == (False, None)
        summary = found["summary"]
        origins = {origin["originMnemonic"]: origin["count"] for origin in summary.pop("origins")}
        assert origins == {"SHOP": 2, "MAILER": 1}
        assert summary == {
            "totalInteractions": 3,
            "totalCapped": False,
            "unitsTruncated": False,
            "uniqueResources": 2,
            "durationSeconds": 7.5,
            "from": at(2),
            "to": at(9.5),
            "users": ["ann"],
            "uniqueUsers": 1,
            "outcomes": {"failure": 1, "success": 1},
        }
        assert (await trace_of(client, "user-123", "/summary")) == summary | {
            "origins": (await trace_of(client, "user-123"))["summary"]["origins"]
        }

    async def test_a_unit_of_work(self, client: httpx.AsyncClient) -> None:
        unit, other = ids(2)
        await post(client, [{"uowId": unit}, {"uowId": other, "resourceId": "b"}, {"uowId": unit, "resourceId": "c"}])
        found = await trace_of(client, unit.upper())
        assert found["kind"] == "uow"
        assert [row["interactionNumber"] for row in found["interactions"]] == [1, 3]

    async def test_an_id_that_is_both(self, client: httpx.AsyncClient) -> None:
        unit, other = ids(2)
        await post(
            client,
            [{"uowId": unit, "resourceId": "a"}, {"uowId": other, "resourceId": unit}, {"uowId": other}],
        )
        found = await trace_of(client, unit)
        assert found["kind"] == "uow"
        assert [row["interactionNumber"] for row in found["interactions"]] == [1, 2, 3]

    async def test_the_tree(self, client: httpx.AsyncClient) -> None:
        [unit] = ids(1)
        a, b, c, d, gone = ids(5)
        spans = [("d", d, b), ("a", a, None), ("b", b, a), ("c", c, a), ("orphan", None, gone), ("plain", None, None)]
        await post(
            client,
            [
                {"resourceId": name, "uowId": unit, "spanId": span, "parentSpanId": parent, "timestamp": at(9 - place)}
                for place, (name, span, parent) in enumerate(spans)
            ],
        )
        found = await trace_of(client, unit)
        assert shape(found["tree"]) == [["plain"], ["orphan"], ["a", ["c"], ["b", ["d"]]]]
        assert [node.get("parentMissing") for node in found["tree"]] == [None, True, None]
        assert found["tree"][1]["parentRecorded"] is False
        flat = {row["resourceId"]: row for row in found["interactions"]}
        node = found["tree"][2]
        assert {**node, "children": None} == {**flat["a"], "children": None}

    async def test_spans_that_name_each_other(self, client: httpx.AsyncClient) -> None:
        unit, a, b, self_made = ids(4)
        await post(
            client,
            [
                {"resourceId": "a", "uowId": unit, "spanId": a, "parentSpanId": b},
                {"resourceId": "b", "uowId": unit, "spanId": b, "parentSpanId": a},
                {"resourceId": "own", "uowId": unit, "spanId": self_made, "parentSpanId": self_made},
            ],
        )
        found = await trace_of(client, unit)
        assert shape(found["tree"]) == [["a", ["b"]], ["own"]]
        assert [node["parentCycle"] for node in found["tree"]] == [True, True]

    async def test_a_deep_chain_stays_readable(self, client: httpx.AsyncClient) -> None:
        [unit], chain = ids(1), ids(250)
        await post(
            client,
            [
                {
                    "resourceId": str(place),
                    "uowId": unit,
                    "spanId": span,
                    "parentSpanId": chain[place - 1] if place else None,
                }
                for place, span in enumerate(chain)
            ],
        )
        found = await trace_of(client, unit)
        roots = found["tree"]
        assert [root["resourceId"] for root in roots] == ["0", "100", "200"]
        assert roots[1]["continues"] == found["interactions"][99]["interactionId"]

    async def test_unknown_ids(self, client: httpx.AsyncClient) -> None:
        await post(client, [{"resourceId": "known"}])
        for name in ("unknown", "", "x" * 600, str(uuid.uuid4()), "known/summary"):
            answer = await client.get(f"/api/traces/{quote(name, safe='')}")
            assert (answer.status_code, answer.json()["code"]) == (404, "trace_not_found"), name
        for view in ("traces/unknown/summary", "traces/unknown/timeline", "timeline/unknown"):
            assert (await client.get(f"/api/{view}")).status_code == 404

    @pytest.mark.parametrize(
        "name", ["a/b", "a/summary", "summary", "timeline", "50%", "a?b#c", "käse 🧀", "%2F", "a b+c"]
    )
    async def test_an_id_may_hold_any_character(self, client: httpx.AsyncClient, name: str) -> None:
        await post(client, [{"resourceId": name}, {"resourceId": name}])
        assert (await trace_of(client, name))["id"] == name
        assert (await trace_of(client, name, "/summary"))["totalInteractions"] == 2
        assert len((await trace_of(client, name, "/timeline"))["groups"]) == 2
        listed = (await client.get(f"/api/timeline/{quote(name, safe='')}")).json()
        assert (listed["id"], len(listed["data"])) == (name, 2)

    async def test_slashes_may_stand_as_they_are(self, client: httpx.AsyncClient) -> None:
        await post(client, [{"resourceId": "orders/17"}])
        assert (await client.get("/api/traces/orders/17")).json()["id"] == "orders/17"
        assert (await client.get("/api/traces/orders/17/summary")).json()["totalInteractions"] == 1

    async def test_another_workspace_sees_nothing(
        self, client: httpx.AsyncClient, app: Running, make_tenant: MakeTenant
    ) -> None:
        [unit] = ids(1)
        await post(client, [{"resourceId": "secret", "uowId": unit}])
        stranger = await make_tenant()
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": stranger.key}) as other:
            for name in ("secret", unit):
                assert (await other.get(f"/api/traces/{name}")).status_code == 404
            await post(other, [{"resourceId": "secret", "uowId": unit}])
            assert len((await trace_of(other, unit))["interactions"]) == 1


class TestPages:
    async def test_every_row_comes_once_while_more_are_appended(self, client: httpx.AsyncClient) -> None:
        [unit] = ids(1)
        await post(client, [{"uowId": unit, "timestamp": at(place % 60)} for place in range(50)])
        seen: list[int] = []
        page = await trace_of(client, unit, limit=20)
        while True:
            moments = [(row["createdDate"], row["interactionNumber"]) for row in page["interactions"]]
            assert moments == sorted(moments)
            seen += [number for _, number in moments]
            assert page["summary"]["totalInteractions"] >= 50
            if page["nextCursor"] is None:
                break
            await post(client, [{"uowId": unit}])
            page = await trace_of(client, unit, limit=20, cursor=page["nextCursor"])
        assert sorted(seen) == list(range(1, 51))

    async def test_older_units_follow(self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(service, "MAX_UNITS", 5)
        monkeypatch.setattr(service, "_VISITS_AT_ONCE", 3)
        units = ids(12)
        order = [*range(12), 0, 11, 3]  # units that return are shown once, by their newest visit
        await post(client, [{"resourceId": "hot", "uowId": units[place]} for place in order])
        await post(client, [{"resourceId": f"side-{place}", "uowId": unit} for place, unit in enumerate(units)])
        seen: list[int] = []
        cursor, pages = None, 0
        while True:
            page = await trace_of(client, "hot", cursor=cursor) if cursor else await trace_of(client, "hot")
            seen += [row["interactionNumber"] for row in page["interactions"]]
            cursor, pages = page["nextCursor"], pages + 1
            assert page["unitsTruncated"] is (cursor is not None)
            if cursor is None:
                break
        assert sorted(seen) == list(range(1, 28))
        assert pages == 3

    async def test_content_is_bounded(self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(service, "MAX_CONTENT_BYTES", 3_000)
        [unit] = ids(1)
        await post(client, [{"uowId": unit, "interaction": {"text": "x" * 1_000}}] * 7)
        page = (await client.get(f"/api/timeline/{unit}")).json()
        assert len(page["data"]) == 3
        assert page["pagination"] | {"nextCursor": None} == {
            "page": 1,
            "limit": 10_000,
            "total": 7,
            "totalPages": 1,
            "hasNext": True,
            "hasPrev": False,
            "nextCursor": None,
            "totalCapped": False,
            "scanComplete": True,
        }
        rest = (await client.get(f"/api/timeline/{unit}", params={"cursor": page["nextCursor"]})).json()
        assert [row["interactionNumber"] for row in rest["data"]] == [2, 3, 4]
        assert (rest["pagination"]["page"], rest["pagination"]["hasPrev"]) == (2, True)

    async def test_more_spans_than_one_answer_holds(self, client: httpx.AsyncClient) -> None:
        [unit] = ids(1)
        await post(client, [{"uowId": unit}] * 10_500)
        first = await trace_of(client, unit)
        assert len(first["interactions"]) == 10_000
        assert first["summary"]["totalInteractions"] == 10_500
        second = await trace_of(client, unit, cursor=first["nextCursor"])
        assert [row["interactionNumber"] for row in second["interactions"]] == list(range(1, 501))
        assert second["nextCursor"] is None

    async def test_a_cursor_is_good_for_its_trace(self, client: httpx.AsyncClient) -> None:
        await post(client, [{"resourceId": "a"}, {"resourceId": "a"}, {"resourceId": "b"}])
        cursor = (await trace_of(client, "a", limit=1))["nextCursor"]
        for query in ({"cursor": "x"}, {"cursor": cursor}, {"limit": 0}, {"limit": 10_001}):
            answer = await client.get("/api/traces/b", params=query)
            assert answer.status_code == 400
            assert answer.json()["details"][0]["path"] in query


class TestTimeline:
    async def test_what_overlaps_is_grouped(self, client: httpx.AsyncClient) -> None:
        [unit] = ids(1)
        root, left, right, late = ids(4)
        rows = [
            ("root", root, None, 0),
            ("left", left, root, 1),
            ("right", right, root, 2),
            ("left-end", None, left, 4),
            ("right-end", None, right, 5),
            ("late", late, root, 8),
            ("late-end", None, late, 9),
        ]
        await post(
            client,
            [
                {"resourceId": name, "uowId": unit, "spanId": span, "parentSpanId": parent, "timestamp": at(second)}
                for name, span, parent, second in rows
            ],
        )
        groups = (await trace_of(client, unit, "/timeline"))["groups"]
        assert [([row["resourceId"] for row in group["interactions"]], group["parallel"]) for group in groups] == [
            (["root"], False),
            (["left", "right", "left-end", "right-end"], True),
            (["late"], False),
            (["late-end"], False),
        ]
        assert (groups[1]["from"], groups[1]["to"]) == (at(1), at(5))

    async def test_the_same_moment_is_parallel(self, client: httpx.AsyncClient) -> None:
        [unit] = ids(1)
        await post(client, [{"uowId": unit, "timestamp": at(second)} for second in (1, 3, 3, 4)])
        groups = (await trace_of(client, unit, "/timeline"))["groups"]
        assert [(len(group["interactions"]), group["parallel"]) for group in groups] == [
            (1, False),
            (2, True),
            (1, False),
        ]


class TestMaskedRows:
    async def test_hidden_resources_open_no_trace(
        self, app: Running, workspace: Tenant, client: httpx.AsyncClient, make_tenant: MakeTenant
    ) -> None:
        unit, own = ids(2)
        fact = Fact(
            resource_type="RUN", action="STARTED", resource_id="run_1", user_id="user_1", uow_id=unit, data={"a": 1}
        )
        await record_platform_row(app, workspace, fact)
        await post(client, [{"resourceId": "visible", "uowId": unit, "userId": "ann"}, {"uowId": own}])
        reader = await make_tenant(("interactions:read",), into=workspace.id)
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": reader.key}) as masked:
            assert (await masked.get("/api/traces/run_1")).status_code == 404
            found = await trace_of(masked, "visible")
            assert [row["resourceId"] for row in found["interactions"]] == [None, "visible"]
            assert found["interactions"][0]["interaction"] is None
            assert (found["summary"]["users"], found["summary"]["uniqueResources"]) == (["ann"], 1)
            assert found["summary"]["totalInteractions"] == 2
        whole = await trace_of(client, "run_1")
        assert (set(whole["summary"]["users"]), whole["summary"]["uniqueResources"]) == ({"ann", "user_1"}, 2)


names = st.integers(0, 6).map(str)
some_spans = st.lists(st.tuples(st.none() | names, st.none() | names, st.integers(0, 20)), max_size=25).map(
    lambda drawn: [
        Span(str(place), span, parent, moment, b'{"at":%d}' % place)
        for place, (span, parent, moment) in enumerate(sorted(drawn, key=lambda each: each[2]))
    ]
)


class TestTree:
    @given(some_spans)
    def test_every_row_appears_once_whatever_the_spans_say(self, spans: list[Span]) -> None:
        forest = tree.plant(spans, lambda span: False)
        places = [place for root in forest.roots for place in forest.below(root)]
        assert sorted(places) == list(range(len(spans)))
        rendered = json.loads(tree.render(forest))
        assert [node["at"] for node in rendered] == forest.roots
        assert sorted(place for group in overlaps.groups(forest) for place in group.places) == sorted(places)

    @given(some_spans)
    def test_a_child_stands_below_a_row_of_its_parent_span(self, spans: list[Span]) -> None:
        forest = tree.plant(spans, lambda span: False)
        for parent, children in forest.children.items():
            assert all(spans[child].parent_id == spans[parent].span_id for child in children)
        for root in forest.roots:
            assert (spans[root].parent_id is None) is (root not in forest.notes)

    async def test_a_chain_of_ten_thousand_is_quick(self) -> None:
        spans = [Span(str(n), str(n), str(n - 1) if n else None, n, b'{"at":%d}' % n) for n in range(10_000)]
        async with asyncio.timeout(30):
            forest = await asyncio.to_thread(tree.plant, spans, lambda span: False)
            assert len(forest.roots) == 100
            assert len(json.loads(tree.render(forest))) == 100
            assert len(overlaps.groups(forest)) == 10_000
