"""Workers over real time: one killed in the middle, two in competition, and one that only has the clock to follow."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from provenance.core.settings import Settings
from provenance.ledger.service import Ledger
from tests.alerts.conftest import Place
from tests.alerts.worker_process import follow
from tests.conftest import Running

GROUPS = 40
NEED = 3


@asynccontextmanager
async def worker(app: Running, settings: Settings) -> AsyncIterator[None]:
    """A worker within this process, with connections of its own."""
    assert settings.database_url is not None
    ledger, stop = Ledger(settings, settings.database_url), asyncio.Event()
    ledger.use(app.ledger.keyring)
    working = asyncio.create_task(follow(ledger, stop))
    yield
    stop.set()
    await working
    await ledger.stop()


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


async def killed_after_the_first(place: Place, settings: Settings) -> None:
    """Let a worker process begin, and kill it as soon as anything is on record."""
    command = ("-m", "tests.alerts.worker_process", str(settings.database_url), str(settings.data_dir))
    process = await asyncio.create_subprocess_exec(sys.executable, *command)
    try:
        await told(place, 1)
    finally:
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL


class TestWorkers:
    async def test_killed_and_in_competition_each_group_fires_once(
        self, place: Place, app: Running, settings: Settings
    ) -> None:
        window = {"kind": "count", "atLeast": NEED, "withinSeconds": 3600}
        await place.add(groupBy="resourceId", window=window)
        await rows(place)
        await killed_after_the_first(place, settings)
        async with worker(app, settings), worker(app, settings):
            await told(place, GROUPS)
            await rows(place)
            late = await place.add(window={"kind": "count", "atLeast": 1, "withinSeconds": 3600})
            await place.post()
            found = await told(place, GROUPS + 1)
        assert len(await place.told()) == len(found) == GROUPS + 1
        assert [row["resourceId"] for row in found].count(late) == 1
        assert len({row["interaction"]["groupId"] for row in found}) == GROUPS + 1

    async def test_silence_is_found_by_the_clock_alone(self, place: Place, app: Running, settings: Settings) -> None:
        alert = await place.add(where={"action": "BEAT"}, window={"kind": "absence", "withinSeconds": 1})
        async with worker(app, settings):
            [fired] = await told(place, 1)
        assert (fired["resourceId"], fired["actionMnemonic"]) == (alert, "FIRING")
