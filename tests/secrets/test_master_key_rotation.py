"""The master key is replaced under load, old and new processes side by side: nothing is lost, a dump says nothing."""

import asyncio
import base64
import itertools
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from provenance.core.db import Database
from provenance.core.keyring import MASTER_KEY_FILE, Keyring, load_masters
from provenance.core.settings import Settings
from provenance.postgres import binaries
from provenance.postgres.client import client_environment
from tests.secrets.flock import Flock
from tests.secrets.processes import Fleet, fleet

LEAST = 4
"""How often each thing is done at least: before the rotation, and again after it."""


@pytest.fixture
async def processes(postgres_url: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet(postgres_url, tmp_path, PROVENANCE_RATE_LIMIT_PER_MINUTE="0") as found:
        yield found


class Load:
    """Somebody who keeps, reads, rotates, reveals and deletes secrets in a loop, and checks each answer."""

    def __init__(self, flock: Flock, client: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
        self.flock, self.client, self.admin = flock, client, admin
        self.kept: dict[str, str] = {}
        self.done: Counter[str] = Counter()
        self._numbers = itertools.count()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.once()
            await asyncio.sleep(0.05)

    async def once(self) -> None:
        """Keep one more and give it a new value; look at both it and the one kept first."""
        value, newer = self.flock.hatch(), self.flock.hatch()
        body = {"name": f"{id(self)} {next(self._numbers)}", "type": "token", "value": value}
        secret_id = (await self._ask(self.client.post("/secrets", json=body), 201))["secretId"]
        await self._ask(self.client.post(f"/secrets/{secret_id}/rotate", json={"value": newer}), 200)
        self.kept[secret_id] = newer
        for each in (secret_id, next(iter(self.kept))):
            assert await self.revealed(each) == self.kept[each]
        await self._ask(self.client.get("/secrets", params={"limit": 5}), 200)
        self.done["rounds"] += 1

    async def revealed(self, secret_id: str) -> str:
        answer = await self._ask(self.admin.post(f"/secrets/{secret_id}/reveal", json={"reason": "a test"}), 200)
        return str(answer["value"])

    async def until(self, rounds: int) -> None:
        async with asyncio.timeout(150):
            while self.done["rounds"] < rounds:
                await asyncio.sleep(0.02)

    async def _ask(self, asking: object, expect: int) -> dict[str, str]:
        answer: httpx.Response = await asking  # type: ignore[misc]
        assert answer.status_code == expect, answer.text
        found: dict[str, str] = answer.json()
        return found


@pytest.mark.timeout(240)
async def test_nothing_is_lost(processes: Fleet) -> None:
    folder, flock = processes.folder / "data", Flock()
    first = await processes.serve()
    admin = await processes.admin(first)
    old = Load(flock, first, admin)
    stop, before = asyncio.Event(), (folder / MASTER_KEY_FILE).read_bytes()
    going = [asyncio.create_task(old.run(stop))]
    starting = asyncio.create_task(processes.serve())
    await old.until(LEAST)
    done = await asyncio.to_thread(processes.command, "master-key", "rotate")
    assert done.returncode == 0, done.stderr
    assert (folder / MASTER_KEY_FILE).read_bytes() != before
    second = await starting
    new = Load(flock, second, httpx.AsyncClient(base_url=second.base_url, headers=admin.headers, timeout=60))
    going.append(asyncio.create_task(new.run(stop)))
    await old.until(old.done["rounds"] + LEAST)
    await new.until(LEAST)
    stop.set()
    await asyncio.gather(*going)
    for load, other in ((old, new), (new, old)):
        for secret_id in list(load.kept)[-3:]:
            assert await other.revealed(secret_id) == load.kept[secret_id], "the other process opens it, too"
    await new.admin.aclose()
    await without_the_old_key(processes)
    await a_dump_says_nothing(processes, flock, [before, (folder / MASTER_KEY_FILE).read_bytes()])


async def without_the_old_key(processes: Fleet) -> None:
    """What starts from now on needs the new key only."""
    folder = processes.folder / "data"
    [beside] = folder.glob(f"{MASTER_KEY_FILE}.*")
    beside.unlink()
    settings, db = Settings(database_url=processes.url, data_dir=folder), Database(processes.url, pool_size=2)
    try:
        ring = Keyring(await load_masters(settings, db), db)
        async with db.housekeeping() as tx:
            workspaces = (await tx.driver_sql("SELECT DISTINCT workspace_id FROM data_keys")).scalars().all()
        assert all([(await ring.of(each)).holds(1) for each in workspaces])
    finally:
        await db.close()


async def a_dump_says_nothing(processes: Fleet, flock: Flock, keys: list[bytes]) -> None:
    """Neither a value nor a master key is in a dump, and without its key no server starts on it."""
    dump = await asyncio.to_thread(
        subprocess.run, [binaries().program("pg_dump")], env=client_environment(processes.url), capture_output=True
    )
    assert (dump.returncode, b"secret_versions" in dump.stdout) == (0, True)
    assert flock.found_in("the dump", dump.stdout) == []
    assert flock.found_in("the log", processes.log.encode()) == []
    for key in keys:
        raw = base64.b64decode(key)
        assert not [form for form in (raw, raw.hex().encode(), key.strip()) if form in dump.stdout]
    elsewhere = {"PROVENANCE_DATA_DIR": str(processes.folder / "elsewhere")}
    refused = await asyncio.to_thread(lambda: processes.command("master-key", "status", **elsewhere))
    assert refused.returncode != 0
    assert "only it can open" in refused.stderr
