"""kill -9 of each process and of all of them, while 64 clients post: what was acknowledged is there, once."""

import asyncio
import uuid
from collections.abc import Callable, Iterator

import pytest

from tests.durability.clients import Clients, connections, event
from tests.durability.installation import Installation, installation

CLIENTS = 64


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("killed") / "data") as found:
        yield found


def serve(running: Installation) -> None:
    """Its parent starts it again."""
    running.kill_serve()


def postmaster(running: Installation) -> None:
    """Its parent starts it again, and it recovers from its log."""
    running.kill_postmaster()


def everything(running: Installation) -> None:
    """Nobody is left to start anything: the next `up` finds stale files and recovers."""
    running.kill_everything()
    running.start()


async def check(running: Installation, clients: Clients) -> None:
    """Every acknowledged row is there under its number, once, and the numbers have no gap."""
    rows = await running.rows()
    assert [number for number, _, _ in rows] == list(range(1, len(rows) + 1))
    by_span: dict[str, list[tuple[int, str]]] = {}
    for number, row_id, span in rows:
        if span is not None:
            by_span.setdefault(span, []).append((number, row_id))
    for span, told in clients.acknowledged.items():
        assert by_span.get(span) == list(told), "stored once, and every answer named that row"


@pytest.mark.parametrize("kill", [serve, postmaster, everything], ids=lambda kill: kill.__name__)
async def test_what_was_acknowledged_survives(running: Installation, kill: Callable[[Installation], None]) -> None:
    before = len(await running.rows())
    clients = Clients(running)
    async with clients.posting(CLIENTS):
        await clients.wait_for(2 * CLIENTS)
        await asyncio.to_thread(kill, running)
        await clients.wait_for(2 * CLIENTS)
    await check(running, clients)
    assert len(await running.rows()) == before + len(clients.acknowledged), "nothing came twice, under no span"


async def test_racing_clients_create_each_key_once_though_the_server_dies(running: Installation) -> None:
    clients = Clients(running)
    spans = [str(uuid.uuid4()) for _ in range(24)]
    async with connections(running, 16) as found:

        async def race(who: int) -> None:
            for at in range(len(spans)):
                await clients.insist(found[who], spans[(at + who) % len(spans)], event(0))

        racing = asyncio.gather(*[race(who) for who in range(16)])
        await clients.wait_for(len(spans) // 2)
        await asyncio.to_thread(running.kill_serve)
        await asyncio.wait_for(racing, 60)
    assert set(clients.acknowledged) == set(spans)
    assert all(len(told) == 1 for told in clients.acknowledged.values())
    await check(running, clients)
