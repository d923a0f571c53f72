"""What a workspace knows as secret: looked up once for all who ask together, and never from before they asked."""

import asyncio
import uuid

import httpx
import pytest

from provenance.connections import known
from provenance.connections.known import Known
from provenance.core import ids
from provenance.core.db import ReadTx
from tests.conftest import Running, Tenant

EARLIER, LATER = "an-earlier-Value-4711", "a-later-Value-0815-x"


class Looks:
    """Counts the looks of a `Known`; each waits for ``open``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.open, self.begun = asyncio.Event(), asyncio.Event()
        self.open.set()
        stamp = known._stamp

        async def counted(tx: ReadTx) -> tuple[int, ...]:
            self.count += 1
            found = await stamp(tx)
            self.begun.set()
            await self.open.wait()
            return found

        monkeypatch.setattr(known, "_stamp", counted)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(monkeypatch)


def workspace_of(tenant: Tenant) -> uuid.UUID:
    found = ids.decode("ws", tenant.id)
    assert found is not None
    return found


async def keep(client: httpx.AsyncClient, name: str, value: str) -> None:
    answer = await client.post("/secrets", json={"name": name, "type": "api_key", "value": value})
    assert answer.status_code == 201, answer.text


async def test_those_who_ask_together_share_a_look(
    app: Running, client: httpx.AsyncClient, workspace: Tenant, looks: Looks
) -> None:
    await keep(client, "one", EARLIER)
    asked, mine = Known(app.ledger), workspace_of(workspace)
    found = await asyncio.gather(*[asked.mask(mine, now=True) for _ in range(20)])
    assert looks.count == 1
    assert {mask.text(f"<{EARLIER}>") for mask in found} == {"<***>"}


async def test_who_asks_while_one_looks_gets_a_later_look(
    app: Running, client: httpx.AsyncClient, workspace: Tenant, looks: Looks
) -> None:
    asked, mine = Known(app.ledger), workspace_of(workspace)
    looks.open.clear()
    first = asyncio.create_task(asked.mask(mine, now=True))
    await looks.begun.wait()
    await keep(client, "two", LATER)
    later = [asyncio.create_task(asked.mask(mine, now=True)) for _ in range(5)]
    await asyncio.sleep(0)
    looks.open.set()
    await first
    assert {(await each).text(LATER) for each in later} == {"***"}
    assert looks.count == 2


async def test_who_gives_up_leaves_the_look_to_the_others(
    app: Running, workspace: Tenant, looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "FRESH_SECONDS", 3_600.0)
    asked, mine = Known(app.ledger), workspace_of(workspace)
    looks.open.clear()
    impatient, patient = [asyncio.create_task(asked.mask(mine, now=True)) for _ in range(2)]
    await looks.begun.wait()
    impatient.cancel()
    looks.open.set()
    assert (await patient).text("nothing") == "nothing"
    assert looks.count == 1
    assert (await asked.mask(mine, now=False)).text("nothing") == "nothing"
    assert looks.count == 1, "a second old at most"
