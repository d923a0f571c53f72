"""Of the streams' tests: a server that may reach the loopback, a signed-in admin, a worker's side to call by hand."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from provenance.core import ids
from provenance.core.actor import Role
from provenance.core.egress import Egress
from provenance.core.settings import Settings
from provenance.ledger.service import Fact, record
from provenance.streams.delivering import Deliveries
from tests.conftest import Running, Tenant, make_tenant_of, running
from tests.identity.conftest import bearer, make_person_of, sign_in, some_address


@pytest.fixture(scope="session")
async def near(settings: Settings, app: Running) -> AsyncIterator[Running]:
    """A server over the run's database that may call the loopback."""
    async with running(settings.model_copy(update={"egress_allow": ["127.0.0.0/8", "localhost"]})) as found:
        yield found


@pytest.fixture(scope="session")
async def place(near: Running) -> Tenant:
    """A workspace with a key; one for all, because signing in takes its second."""
    return await make_tenant_of(near.ledger)


@pytest.fixture(autouse=True)
async def no_leftovers(near: Running) -> AsyncIterator[None]:
    """Let streams end with their test, so that no other test's worker takes them."""
    yield
    async with near.ledger.db.housekeeping() as tx:
        await tx.driver_sql("DELETE FROM audit_streams")


@pytest.fixture(scope="session")
async def admin(near: Running, place: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a signed-in administrator of it."""
    someone = await make_person_of(near, place, Role.ADMIN)
    headers = {"x-forwarded-for": some_address()}
    async with httpx.AsyncClient(base_url=near.url, headers=headers, timeout=30) as web:
        web.headers.update(bearer(await sign_in(web, someone, workspaceId=place.id)))
        yield web


@pytest.fixture
async def reader(near: Running, place: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """A client with an API key of it."""
    async with httpx.AsyncClient(base_url=near.url, headers={"x-api-key": place.key}, timeout=30) as web:
        yield web


def id_of(place: Tenant) -> uuid.UUID:
    found = ids.decode("ws", place.id)
    assert found is not None
    return found


Happen = Callable[..., Awaitable[list[int]]]


async def happen_in(app: Running, place: Tenant, count: int, event: str = "run.started", **more: Any) -> list[int]:
    """Let platform events happen, all in one transaction; return their numbers."""
    subject, verb = event.upper().split(".")
    fields = {"resource_id": "thing", "risk": "low", "domain": subject.lower(), "data": {"note": event}, **more}
    async with app.ledger.db.housekeeping(id_of(place)) as tx:
        for _ in range(count):
            record(tx, Fact(resource_type=subject, action=verb, **fields))
    async with app.ledger.db.housekeeping() as tx:
        sql = "SELECT max(number) FROM interactions WHERE workspace_id = $1"
        last = int((await tx.driver_sql(sql, (id_of(place),))).scalar_one())
    return list(range(last - count + 1, last + 1))


@pytest.fixture
def happen(near: Running, place: Tenant) -> Happen:
    """Let platform events happen in the test's workspace."""

    async def act(count: int = 1, event: str = "run.started", **more: Any) -> list[int]:
        return await happen_in(near, place, count, event, **more)

    return act


Stream = dict[str, Any]


async def make(admin: httpx.AsyncClient, target: dict[str, Any], name: str = "siem", **more: Any) -> Stream:
    """Set a stream up."""
    answer = await admin.post("/audit/streams", json={"name": name, "target": target, **more})
    assert answer.status_code == 201, answer.text
    made: Stream = answer.json()
    return made


async def standing(client: httpx.AsyncClient, stream: Stream) -> dict[str, Any]:
    answer = await client.get(f"/audit/streams/{stream['streamId']}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["standing"]
    return found


@pytest.fixture
async def worker(near: Running) -> AsyncIterator[Deliveries]:
    """A worker's side of the streams."""
    egress = Egress(near.ledger.settings.egress_allow)
    deliveries = Deliveries(near.ledger, egress)
    yield deliveries
    await deliveries.stop()
    await egress.close()


async def hurry(app: Running, stream: Stream) -> None:
    """Let every wait of a stream be over."""
    sql = "UPDATE audit_stream_cursors SET due_at = 0 WHERE stream_id = $1"
    async with app.ledger.db.housekeeping() as tx:
        await tx.driver_sql(sql, (ids.decode("strm", stream["streamId"]),))


async def rounds(worker: Deliveries, app: Running, stream: Stream, count: int = 1) -> None:
    """Let a worker look so many times, without waits between, and end what it took."""
    for _ in range(count):
        await hurry(app, stream)
        await worker.take()
        await settled(worker)


async def settled(worker: Deliveries) -> None:
    """Wait until nothing is in the worker's hand."""
    async with asyncio.timeout(30):
        while worker._running:
            await asyncio.gather(*worker._running, return_exceptions=True)
