"""Real workers over real time: killed in the middle, in competition, and with nothing to follow but the clock."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from provenance.core.settings import Settings
from tests.alerts.conftest import Place

GROUPS = 40
NEED = 3
Start = Callable[[], Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def start(settings: Settings) -> AsyncIterator[Start]:
    """A factory of worker processes; those that are left are ended with the test."""
    async with AsyncExitStack() as stack:

        async def begin() -> asyncio.subprocess.Process:
            command = ("-m", "tests.alerts.worker_process", str(settings.database_url), str(settings.data_dir))
            process = await asyncio.create_subprocess_exec(sys.executable, *command)
            stack.push_async_callback(_end, process)
            return process

        yield begin


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


async def told(place: Place, least: int) -> list[dict[str, Any]]:
    """Wait until so much is on record."""
    async with asyncio.timeout(60):
        while len(found := await place.told()) < least:
            await asyncio.sleep(0.05)
        return found


async def rows(place: Place) -> None:
    """Record interactions of many groups, as often as makes each of them fire, and once more."""
    row = {"resourceType": "ACCOUNT", "action": "LOGIN", "origin": "SHOP"}
    several = [{**row, "resourceId": f"r-{n}"} for _ in range(NEED + 1) for n in range(GROUPS)]
    assert (await place.client.post("/api/interactions/batch", json=several)).status_code == 201


class TestWorkers:
    async def test_killed_and_in_competition_each_group_fires_once(self, place: Place, start: Start) -> None:
        window = {"kind": "count", "atLeast": NEED, "withinSeconds": 3600}
        await place.add(groupBy="resourceId", window=window)
        await rows(place)
        killed = await start()
        await told(place, 1)
        killed.send_signal(signal.SIGKILL)
        assert await killed.wait() == -signal.SIGKILL
        workers = [await start() for _ in range(2)]
        await told(place, GROUPS)
        await rows(place)
        late = await place.add(window={"kind": "count", "atLeast": 1, "withinSeconds": 3600})
        await place.post()
        found = await told(place, GROUPS + 1)
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        assert [await worker.wait() for worker in workers] == [0, 0]
        assert len(found) == GROUPS + 1
        assert [row["resourceId"] for row in found].count(late) == 1
        assert len({row["interaction"]["groupId"] for row in found}) == GROUPS + 1

    async def test_silence_is_found_by_the_clock_alone(self, place: Place, start: Start) -> None:
        alert = await place.add(where={"action": "BEAT"}, window={"kind": "absence", "withinSeconds": 1})
        await start()
        [fired] = await told(place, 1)
        assert (fired["resourceId"], fired["actionMnemonic"]) == (alert, "FIRING")
