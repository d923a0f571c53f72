"""Two servers on one address: they share the posts and the figures, and one's death is not the other's."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from provenance.core.metrics import Counted
from tests.durability.clients import Clients
from tests.durability.installation import Installation, installation
from tests.durability.test_kill import check
from tests.postgres.processes import wait_until

CLIENTS = 24
SERVERS = ("serve", "serve-2")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("servers") / "data", PROVENANCE_SERVERS="2") as found:
        wait_until(lambda: all(path.exists() for path in figures(found)), 60)
        yield found


def figures(running: Installation) -> list[Path]:
    """Where the servers write what they have counted."""
    parent = running.parent
    return [running.data / "figures" / f"{parent}-{number}.json" for number in (1, 2)]


def written(running: Installation) -> int:
    """What the files of all servers say: a server that is killed leaves no more of its figures."""
    found = [msgspec.json.decode(path.read_bytes(), type=Counted) for path in figures(running)]
    return sum(
        count
        for each in found
        for method, route, status, count in each.requests
        if (method, route, status) == ("POST", "/api/interactions", 201)
    )


def posts(running: Installation) -> int:
    """What one of the servers says that all of them have answered; each call is a new connection."""
    page = httpx.get(running.url + "/metrics", timeout=20).text
    return sum(
        int(sample.value)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "provenance_http_requests_total"
        and (sample.labels["method"], sample.labels["route"]) == ("POST", "/api/interactions")
        and sample.labels["status"] == "201"
    )


async def test_both_answer_and_each_tells_the_figures_of_both(running: Installation) -> None:
    clients = Clients(running)
    async with clients.posting(CLIENTS):
        await clients.wait_for(4 * CLIENTS)
    await check(running, clients)
    acknowledged = len(clients.acknowledged)
    await asyncio.to_thread(wait_until, lambda: all(posts(running) == acknowledged for _ in range(8)), 20)
    alone = [path.read_bytes().count(b'"POST","/api/interactions",201') for path in figures(running)]
    assert alone == [1, 1], "the kernel gave connections to both"


@pytest.mark.parametrize("name", SERVERS)
async def test_one_may_die(running: Installation, name: str) -> None:
    await asyncio.to_thread(wait_until, lambda: posts(running) == written(running), 20)
    before = posts(running)
    clients = Clients(running)
    async with clients.posting(CLIENTS):
        await clients.wait_for(CLIENTS)
        await asyncio.to_thread(running.kill_serve, name)
        await clients.wait_for(2 * CLIENTS)
    await check(running, clients)
    await asyncio.to_thread(wait_until, running.answers, 20)
    assert posts(running) >= before, "the new one goes on from what the old one had counted"
