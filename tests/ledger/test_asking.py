"""A plain query string, read past the framework, means what the framework reads in it; an odd one is left to it."""

from urllib.parse import quote

import httpx
import pytest

from provenance.ledger.interactions import asking
from provenance.ledger.interactions.asking import plainly
from tests.ledger.rows import post

UNIT = "0a5c1e6d-90b2-4b7e-8d1f-3f6c2a9e7b10"
PLAIN = [
    "",
    "resourceId=order-1",
    "resourceId=order-1&resourceId=order-2",
    "resourceId=order*&resourceType=ORDER",
    f"uowId={UNIT}",
    f"uowId={UNIT.upper()}&order=asc",
    "userId=" + quote("Zoë & co"),
    "userId=a+b",
    "page=2&limit=2",
    "pageSize=1",
    "startDate=2020-01-01&endDate=2099-01-01",
    "from=2020-01-01T00:00:00Z&to=2099-01-01",
    "outcome=success&platform=exclude",
    "q=total",
    "where=" + quote("interaction.total > 1"),
    "action=NEVER_HEARD_OF",
]
ODD = [
    "page=0",
    "page=1.5",
    "page=",
    "limit=501",
    "limit=",
    "page=202",
    "limit=2&pageSize=3",
    "order=sideways",
    "uowId=7",
    "userId=",
    "userId=a&userId=b",
    "resourceId=%00",
    "resourceId=",
    "startDate=yesterday",
    "from=2020-01-01&startDate=2021-01-01",
    "outcome=perhaps",
    "unknown=1",
    "cursor=a&cursor=b",
]


@pytest.mark.parametrize("query", PLAIN)
async def test_a_plain_one_is_answered_alike(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    users = ["Zoë & co", "a b", None]
    await post(
        client,
        [
            {"resourceId": f"order-{at}", "uowId": UNIT, "userId": user, "interaction": {"total": at}}
            for at, user in enumerate(users)
        ],
    )
    assert plainly(query.encode()) is not None
    quick = await client.get("/api/interactions?" + query)
    monkeypatch.setattr(asking, "plainly", lambda _: None)
    framework = await client.get("/api/interactions?" + query)
    assert quick.status_code == framework.status_code == 200
    assert quick.json() == framework.json()
    assert quick.headers["content-type"] == framework.headers["content-type"]


@pytest.mark.parametrize("query", ODD)
def test_an_odd_one_is_left_to_the_framework(query: str) -> None:
    assert plainly(query.encode()) is None


@pytest.mark.parametrize("query", ["cursor=x", "where=" + quote("1 +")])
async def test_what_only_the_list_itself_refuses_is_refused_alike(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    quick = await client.get("/api/interactions?" + query)
    monkeypatch.setattr(asking, "plainly", lambda _: None)
    framework = await client.get("/api/interactions?" + query)
    assert quick.status_code == framework.status_code == 400
    assert quick.json()["code"] == framework.json()["code"]
    assert quick.json()["details"] == framework.json()["details"]


async def test_a_stranger_is_turned_away_alike(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/interactions?resourceId=a", headers={"x-api-key": "pv_wrong"})
    assert (
        answer.json()["code"] == (await client.get("/api/traces/a", headers={"x-api-key": "pv_wrong"})).json()["code"]
    )
