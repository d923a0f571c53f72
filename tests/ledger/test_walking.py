"""Walking every page of any list gives exactly the rows that a naive filter in Python gives, in order."""

import random
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.core.clock import parse_iso
from provenance.ledger.interactions import conditions, scanning
from tests.ledger.rows import Row, listed, pages, post

chosen = random.Random(7)
UNITS = [str(uuid.UUID(int=chosen.getrandbits(128), version=4)) for _ in range(4)]
SPANS = [str(uuid.UUID(int=chosen.getrandbits(128), version=4)) for _ in range(3)]
RESOURCES = ["a", "ab", "abc", "b", "ä", "a\U0010ffff"]
MOMENTS = [f"2026-01-{day:02d}T{hour:02d}:00:00.000Z" for day in (1, 2, 3) for hour in (0, 12)]


def some_rows(count: int) -> list[Row]:
    """Rows out of few values, so that filters meet."""

    def row(place: int) -> Row:
        made: Row = {
            "resourceId": chosen.choice(RESOURCES),
            "resourceType": chosen.choice(["ORDER", "USER"]),
            "action": chosen.choice(["CREATE", "UPDATE", "DELETE"]),
            "origin": chosen.choice(["SHOP", "CLI"]),
            "uowId": chosen.choice(UNITS),
            "timestamp": chosen.choice(MOMENTS),
            "interaction": {"total": chosen.randrange(5), "note": chosen.choice(["red", "Green blue"])},
            "idempotencyKey": f"row-{place}",
        }
        optional = {
            "userId": ["ann", "bob"],
            "outcome": ["success", "denied"],
            "externalReference": ["pay_1"],
            "spanId": SPANS,
            "relatedResources": [[{"resourceType": "USER", "resourceId": name}] for name in ("a", "z")],
        }
        made |= {name: chosen.choice(values) for name, values in optional.items() if chosen.random() < 0.6}
        return made

    return [row(place) for place in range(count)]


def matches_resource(row: Row, wanted: list[str]) -> bool:
    return any(
        row["resourceId"].startswith(each[:-1]) if each.endswith("*") else row["resourceId"] == each for each in wanted
    )


def is_related(row: Row, wanted: str) -> bool:
    return any(each["resourceId"] == wanted for each in row["relatedResources"] or ())


NAIVE: dict[str, Callable[[Row, Any], bool]] = {
    "resourceId": matches_resource,
    "resourceType": lambda row, wanted: row["resourceTypeMnemonic"] in wanted,
    "action": lambda row, wanted: row["actionMnemonic"] in wanted,
    "origin": lambda row, wanted: row["originMnemonic"] in wanted,
    "userId": lambda row, wanted: row["userId"] == wanted,
    "uowId": lambda row, wanted: row["uowId"] == wanted,
    "spanId": lambda row, wanted: row["spanId"] == wanted,
    "externalReference": lambda row, wanted: row["externalReference"] == wanted,
    "outcome": lambda row, wanted: row["outcome"] == wanted,
    "relatedResourceId": is_related,
    "startDate": lambda row, wanted: parse_iso(row["createdDate"]) >= parse_iso(wanted),
    "endDate": lambda row, wanted: parse_iso(row["createdDate"]) <= parse_iso(wanted),
    "q": lambda row, wanted: all(word in str(row["interaction"]).lower() for word in wanted.lower().split()),
    "where": lambda row, wanted: row["interaction"]["total"] > int(wanted[-1]),
    "platform": lambda row, wanted: row["platform"] is (wanted == "only"),
}


def some(*values: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True)


queries = st.fixed_dictionaries(
    {"order": st.sampled_from(["asc", "desc"]), "limit": st.integers(8, 60)},
    optional={
        "resourceId": some(*RESOURCES, "a*", "ab*", "zz", "*"),
        "resourceType": some("ORDER", "user", "NEVER").map(lambda names: [name.upper() for name in names]),
        "action": some("CREATE", "UPDATE", "DELETE"),
        "origin": some("SHOP", "CLI"),
        "userId": st.sampled_from(["ann", "bob", "eve"]),
        "uowId": st.sampled_from(UNITS),
        "spanId": st.sampled_from(SPANS),
        "externalReference": st.sampled_from(["pay_1", "pay_2"]),
        "outcome": st.sampled_from(["success", "denied"]),
        "relatedResourceId": st.sampled_from(["a", "z", "y"]),
        "startDate": st.sampled_from(MOMENTS),
        "endDate": st.sampled_from(MOMENTS),
        "q": st.sampled_from(["red", "blue GREEN", "total"]),
        "where": st.integers(0, 4).map(lambda least: f"interaction.total > {least}"),
        "platform": st.just("exclude"),
    },
)


class Rows(list[Row]):
    """Rows that a failing example does not spell out."""

    def __repr__(self) -> str:
        return f"<{len(self)} rows>"


@pytest.fixture
async def every_row(client: httpx.AsyncClient) -> Rows:
    await post(client, some_rows(150))
    rows = Rows((await listed(client, limit=500))["data"])
    assert len(rows) == 150
    return rows


def naively(rows: list[Row], query: Row) -> list[Row]:
    tests = [(NAIVE[name], wanted) for name, wanted in query.items() if name in NAIVE]
    found = [row for row in rows if all(test(row, wanted) for test, wanted in tests)]
    dated = "startDate" in query or "endDate" in query
    found.sort(key=lambda row: (row["createdDate"] if dated else "", row["interactionNumber"]))
    return found if query["order"] == "asc" else found[::-1]


relaxed = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@relaxed
@given(query=queries)
async def test_pages_hold_what_a_naive_filter_finds(client: httpx.AsyncClient, every_row: Rows, query: Row) -> None:
    expected = naively(every_row, query)
    seen: list[Row] = []
    async for page in pages(client, **query):
        assert page["pagination"]["total"] == len(expected)
        assert page["pagination"]["scanComplete"] is True
        assert page["pagination"]["hasNext"] is (len(seen) + len(page["data"]) < len(expected))
        seen += page["data"]
    assert seen == expected
    by_number = await listed(client, **query, page=2)
    assert by_number["data"] == expected[query["limit"] : 2 * query["limit"]]


@relaxed
@given(query=queries, arms=st.sampled_from([1, 8]))
async def test_a_tiny_budget_changes_the_pages_and_not_the_rows(
    client: httpx.AsyncClient, every_row: Rows, query: Row, arms: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanning, "BUDGET_ROWS", 17)
        patch.setattr(scanning, "_FIRST_CHUNK", 5)
        patch.setattr(scanning, "GATHERED_AT_MOST", 2)
        patch.setattr(conditions, "MOST_ARMS", arms)
        seen: list[Row] = []
        async for page in pages(client, **query, page=2):
            state = page["pagination"]
            assert state["scanComplete"] or (state["hasNext"] and state["totalCapped"])
            seen += page["data"]
    assert seen == naively(every_row, query)[query["limit"] :]
