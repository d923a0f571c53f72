"""`provenance tail`, as somebody types it."""

import json

import httpx

from tests.cli.process import Person
from tests.realtime.conftest import order


class TestTail:
    async def test_prints_what_matches_and_stops_at_the_limit(self, person: Person, client: httpx.AsyncClient) -> None:
        for total in range(4):
            await client.post("/api/interactions", json=order(f"order-{total}", interaction={"total": total}))
        options = ("tail", "-t", "ORDER", "--where", "interaction.total > 1", "--after", "0", "-n", "2")
        shown = await person.run(*options)
        assert [line.split(" ", 3)[3] for line in shown.stdout.splitlines()] == [
            "interaction CREATE ORDER order-2 from SHOP",
            "interaction CREATE ORDER order-3 from SHOP",
        ]
        frames = [json.loads(line) for line in (await person.run(*options, "--json")).stdout.splitlines()]
        assert [frame["data"]["resourceId"] for frame in frames] == ["order-2", "order-3"]

    async def test_says_what_a_channel_is_not(self, person: Person) -> None:
        said = await person.run("tail", "nothing")
        assert said.returncode == 1
        assert "is no channel" in said.stderr
