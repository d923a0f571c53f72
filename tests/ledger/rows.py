"""Factories of interactions, and what a reader sees of them."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import httpx

from provenance.core import ids
from provenance.core.actor import Actor, Kind
from provenance.ledger.service import Fact, record
from tests.conftest import Running, Tenant

Row = dict[str, Any]
WORDS = {"resourceType": "ORDER", "action": "CREATE", "origin": "SHOP"}


async def post(client: httpx.AsyncClient, items: Iterable[Mapping[str, Any]]) -> None:
    """Record items in one batch each thousand; what an item leaves out is taken from `WORDS`."""
    waiting = [{"resourceId": "order-1", **WORDS, **item} for item in items]
    for at in range(0, len(waiting), 1000):
        answer = await client.post("/api/interactions/batch", json=waiting[at : at + 1000])
        assert answer.status_code == 201, answer.text


async def listed(client: httpx.AsyncClient, **query: Any) -> Row:
    """One page of the list."""
    answer = await client.get("/api/interactions", params=query)
    assert answer.status_code == 200, answer.text
    found: Row = answer.json()
    return found


async def numbers(client: httpx.AsyncClient, **query: Any) -> list[int]:
    """The numbers of one page."""
    return [row["interactionNumber"] for row in (await listed(client, **query))["data"]]


async def refused(client: httpx.AsyncClient, **query: Any) -> Row:
    """The problem document of a list that is refused as malformed."""
    answer = await client.get("/api/interactions", params=query)
    assert answer.status_code == 400, answer.text
    found: Row = answer.json()
    return found


async def pages(client: httpx.AsyncClient, **query: Any) -> AsyncIterator[Row]:
    """Every page from the first, following the cursor."""
    page = await listed(client, **query)
    yield page
    while cursor := page["pagination"]["nextCursor"]:
        page = await listed(client, **query, cursor=cursor)
        yield page


async def record_platform_row(app: Running, workspace: Tenant, fact: Fact) -> None:
    """Let the platform itself record something in a workspace."""
    workspace_id = ids.decode("ws", workspace.id)
    assert workspace_id is not None
    async with app.ledger.db.write(Actor(Kind.SYSTEM, "system", workspace_id)) as tx:
        record(tx, fact)
