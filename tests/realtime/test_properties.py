"""What must hold whatever happens: nothing lost, nothing doubled, nothing of others, filters as in the list."""

import asyncio
import random
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from websockets.asyncio.client import connect

from provenance.core import ids
from provenance.core.actor import Role
from provenance.realtime import queries
from provenance.realtime.filtering import Filter, parse
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.people import As, MakeAs
from tests.realtime.conftest import Ear, Listen, order, ws

BREAKS = 25
UNIT = str(ids.new_uuid())


async def listed(client: httpx.AsyncClient, query: str) -> list[int]:
    """Return the numbers that the list has for a query, oldest first."""
    found, cursor = [], ""
    while True:
        answer = (await client.get(f"/api/interactions?{query}&limit=500&order=asc{cursor}")).json()
        found += [row["interactionNumber"] for row in answer["data"]]
        if not answer["pagination"]["hasNext"]:
            return sorted(found)
        cursor = f"&cursor={answer['pagination']['nextCursor']}"


@pytest.mark.parametrize("seed", [1])
async def test_however_often_it_breaks_each_event_comes_once(
    app: Running, client: httpx.AsyncClient, workspace: Tenant, make_tenant: MakeTenant, seed: int
) -> None:
    """While two workspaces are written to, a client connects, hears some, and breaks off, again and again."""
    draw, stop, other = random.Random(seed), asyncio.Event(), await make_tenant()
    query = "resourceType=ORDER&platform=exclude"
    asked = {"interactions": {"filter": query}, f"uow:{UNIT}": {}}
    heard: dict[str, list[int]] = {name: [] for name in asked}
    numbers = dict.fromkeys(asked, 0)

    async def write(key: str) -> None:
        headers = {"x-api-key": key}
        while not stop.is_set():
            kinds = draw.choices(["ORDER", "STOCK"], k=draw.randint(1, 40))
            items = [order(f"{at}", resourceType=kind, uowId=UNIT) for at, kind in enumerate(kinds)]
            answer = await client.post("/api/interactions/batch", json={"items": items}, headers=headers)
            assert answer.status_code == 201
            await asyncio.sleep(draw.random() * 0.02)

    async def listen_once(messages: int, truth: dict[str, list[int]] | None = None) -> None:
        headers = {"x-api-key": workspace.key}
        async with connect(ws(app), additional_headers=headers, compression=None, proxy=None) as socket:
            ear = Ear(socket)
            try:
                for name, more in asked.items():
                    await ear.ask("resume", channels=[name], lastSeq=numbers[name], **more)
                for _ in range(messages):
                    await ear.next()
                for name, known in (truth or {}).items():
                    while known[-1] > max([numbers[name], *[f["seq"] for f in ear.frames if f["channel"] == name]]):
                        await ear.next()
            finally:
                socket.transport.abort()
                for frame in ear.frames:
                    heard[frame["channel"]].append(frame["seq"])
                    numbers[frame["channel"]] = frame["seq"]

    writing = [asyncio.create_task(write(key)) for key in (workspace.key, other.key)]
    try:
        for _ in range(BREAKS):
            await listen_once(draw.randint(0, 4))
    finally:
        stop.set()
        await asyncio.gather(*writing)
    truth = {"interactions": await listed(client, query), f"uow:{UNIT}": await listed(client, f"uowId={UNIT}")}
    await listen_once(0, truth)
    assert heard == truth


ROWS = 60
WORDS = {
    "resourceType": ("ORDER", "STOCK", "NOTHING"),
    "action": ("CREATE", "PAY", "order"),
    "origin": ("SHOP", "BACK"),
}


def some_row(draw: random.Random) -> tuple[dict[str, Any], dict[str, str]]:
    body = order(
        f"{draw.choice(['order', 'stock', 'ördér', 'order*'])}-{draw.randint(1, 4)}",
        resourceType=draw.choice(["ORDER", "STOCK"]),
        action=draw.choice(["CREATE", "PAY"]),
        origin=draw.choice(["SHOP", "BACK"]),
        interaction={"total": draw.randint(1, 20), "note": draw.choice(["Blue hat", "red HAT", "Ünï", 'a "quote"'])},
        outcome=draw.choice(["success", "failure", "unknown"]),
    )
    if draw.random() < 0.5:
        body |= {"userId": f"u{draw.randint(1, 2)}", "externalReference": f"x{draw.randint(1, 2)}"}
    if draw.random() < 0.3:
        body["relatedResources"] = [{"resourceType": "ORDER", "resourceId": f"order-{draw.randint(1, 4)}"}]
    sent = {"x-interaction-timestamp": f"2027-03-0{draw.randint(1, 4)}T10:00:00.{draw.randint(0, 999):03}Z"}
    return body, sent | ({"x-uowid": UNIT} if draw.random() < 0.3 else {})


def some_filter(draw: random.Random) -> str:
    one_of: list[tuple[str, Any]] = [
        ("resourceId", lambda: draw.choice(["order-1", "order*", "ördér-2", "order*-*", "*", "nothing"])),
        *[(name, lambda words=words: draw.choice(words)) for name, words in WORDS.items()],
        ("userId", lambda: draw.choice(["u1", "u3"])),
        ("externalReference", lambda: draw.choice(["x1", "x9"])),
        ("relatedResourceId", lambda: f"order-{draw.randint(1, 5)}"),
        ("uowId", lambda: UNIT),
        ("outcome", lambda: draw.choice(["success", "failure", "denied"])),
        ("platform", lambda: draw.choice(["only", "exclude"])),
        ("from", lambda: draw.choice(["2027-03-02", "2027-03-03T10:00:00.500Z"])),
        ("to", lambda: draw.choice(["2027-03-03", "2027-03-03T10:00:00.5Z"])),
        ("q", lambda: draw.choice(["hat", "BLUE hat", "ünï", '"quote"', " ", "hat red"])),
        ("where", lambda: draw.choice(["interaction.total > 10", "userId == 'u1'", "resourceId.startsWith('o')", ""])),
    ]
    chosen = draw.sample(one_of, draw.randint(1, 3))
    more = [one_of[0]] if draw.random() < 0.2 and one_of[0] in chosen else []
    return urlencode([(name, value()) for name, value in [*chosen, *more]])


async def test_a_filter_means_what_it_means_in_the_list(
    app: Running, client: httpx.AsyncClient, workspace: Tenant, make_as: MakeAs, listen: Listen
) -> None:
    """For rows that come and for rows that came, for who sees platform rows whole and for who does not."""
    draw = random.Random(3)
    for _ in range(ROWS):
        body, headers = some_row(draw)
        assert (await client.post("/api/interactions", json=body, headers=headers)).status_code == 201
    people = [await make_as(Role.VIEWER), await make_as(Role.ADMIN)]
    ears = [await listen({"authorization": each.headers["authorization"]}) for each in people]
    workspace_id = ids.decode("ws", workspace.id)
    assert workspace_id is not None
    for at in range(80):
        query, person, ear = some_filter(draw), people[at % 2], ears[at % 2]
        wanted = await listed(person, query)
        assert await passing(app, person, workspace_id, query) == wanted, query
        ear.heard.clear()
        assert (await ear.ask("resume", channels=["interactions"], filter=query, lastSeq=0))["type"] == "ack"
        await ear.until(lambda found, wanted=wanted: len(found) >= len(wanted))  # type: ignore[misc]
        assert ear.numbers == wanted, query


async def passing(app: Running, person: As, workspace_id: Any, query: str) -> list[int]:
    """Return the numbers of the rows that pass the test of rows that come."""
    ledger, authenticate = app.ledger, app.door.framework.state.authenticate
    actor = await authenticate({b"authorization": person.headers["authorization"].encode()})
    async with ledger.db.housekeeping(workspace_id) as tx:
        rows = await queries.after(tx, 0, 1000, platform_only=False)
    found = Filter(parse(query), whole=actor.reads_platform_rows)
    return sorted(
        await found.passing(ledger.db, actor, ledger.catalogues, await ledger.catalogues.refreshed(workspace_id), rows)
    )
