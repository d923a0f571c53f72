import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from tests.cli.process import Person
from tests.cli.road import Road
from tests.cli.test_search import record
from tests.conftest import Running

PROGRAM = ("-m", "provenance", "search", "--follow")


@asynccontextmanager
async def following(person: Person, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    import sys

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *PROGRAM,
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=person.shell.environment,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def line(stream: asyncio.StreamReader | None) -> str:
    assert stream
    return (await asyncio.wait_for(stream.readline(), 20)).decode().rstrip("\n")


async def number(process: asyncio.subprocess.Process) -> int:
    found: int = json.loads(await line(process.stdout))["interactionNumber"]
    return found


class TestFollow:
    async def test_prints_what_is_there_oldest_first_then_what_comes(
        self, person: Person, client: httpx.AsyncClient
    ) -> None:
        for _ in range(3):
            await record(client)

        async with following(person, "--ndjson", "--limit", "2") as process:
            first = [await number(process) for _ in range(2)]
            await record(client)
            await record(client, resourceType="OTHER")
            then = [await number(process) for _ in range(2)]
            process.send_signal(signal.SIGINT)
            code = await process.wait()

        assert (first, then, code) == ([2, 3], [4, 5], 130)

    async def test_filters_hold_for_what_comes(self, person: Person, client: httpx.AsyncClient) -> None:
        await record(client, interaction={"total": 1})

        async with following(person, "--ndjson", "--where", "interaction.total > 100") as process:
            await record(client, interaction={"total": 50})
            await record(client, interaction={"total": 500})
            found = await number(process)

        assert found == 3

    async def test_lines_read_like_a_log(self, person: Person, client: httpx.AsyncClient) -> None:
        await record(client, userId="ada", interaction={"plan": "starter"})

        async with following(person) as process:
            shown = await line(process.stdout)

        assert shown.endswith('#1 CREATE USER user-123 from WEBAPP by ada {"plan": "starter"}')

    async def test_a_server_that_goes_away_is_waited_for_and_nothing_is_missed(
        self, person: Person, client: httpx.AsyncClient, app: Running
    ) -> None:
        road = Road(app.url)
        await road.open()
        await record(client)

        async with following(person, "--ndjson", "--api-url", road.api_url) as process:
            seen = [await number(process)]
            await road.close()
            away = await line(process.stderr)
            await record(client)
            await record(client)
            await road.open()
            back = await line(process.stderr)
            seen += [await number(process) for _ in range(2)]
        await road.close()

        assert seen == [1, 2, 3]
        assert "waiting for it" in away
        assert back == "The server is back."
