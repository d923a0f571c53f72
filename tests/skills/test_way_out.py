"""A call's way out: the hosts of its list, its connection with a credential that the code never sees, nothing else."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiohttp import web

from provenance.core.settings import Settings
from provenance.skills.way_out import listed
from tests.conftest import Running, Tenant, make_tenant_of, running
from tests.secrets.canaries import canary, events, holds
from tests.skills.packages import made

SEND = """
from provenance_skill import request
def run(input):
    answer = request(input.get("method", "GET"), input["url"], headers=input.get("headers"), json=input.get("json"))
    return {"status": answer.status, "body": answer.text, "headers": answer.headers}
"""


class Service:
    """A local service that says what it was sent."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        seen = {"path": request.path_qs, "headers": dict(request.headers), "body": await request.text()}
        self.seen.append(seen)
        return web.json_response(seen)


@pytest.fixture(scope="module")
async def service() -> AsyncIterator[Service]:
    found = Service()
    served = web.Application()
    served.router.add_route("*", "/{path:.*}", found.answer)
    runner = web.AppRunner(served)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@pytest.fixture(scope="module")
async def reaching(settings: Settings) -> AsyncIterator[Running]:
    """A server whose calls may reach the loopback."""
    async with running(settings.model_copy(update={"egress_allow": ["127.0.0.1"]})) as found:
        yield found


@pytest.fixture
async def tenant(reaching: Running) -> Tenant:
    return await make_tenant_of(reaching.ledger)


@pytest.fixture
async def caller(reaching: Running, tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=reaching.url, headers={"x-api-key": tenant.key}, timeout=30) as found:
        yield found


async def sent(client: httpx.AsyncClient, skill: dict[str, Any], **given: Any) -> dict[str, Any]:
    answer = await client.post(f"/skills/{skill['skillId']}/run", json={"input": given})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


class TestHosts:
    async def test_a_listed_host_is_reached_and_no_other(self, caller: httpx.AsyncClient, service: Service) -> None:
        host = service.url.removeprefix("http://")
        skill = await made(caller, SEND, egress={"mode": "allowlist", "hosts": [host]})
        found = await sent(caller, skill, method="POST", url=f"{service.url}/items", json={"a": 1})
        assert (found["error"], found["output"]["status"]) == (None, 200)
        assert service.seen[-1]["body"] == '{"a": 1}'
        for url in ("http://127.0.0.1:1/", "https://example.com/", "http://user@127.0.0.1:1", "nonsense", "/path"):
            assert (await sent(caller, skill, url=url))["error"]["code"] == "egress_refused", url

    async def test_a_list_does_not_open_the_own_network(self, client: httpx.AsyncClient, service: Service) -> None:
        """The platform's own rules stand above a skill's list."""
        host = service.url.removeprefix("http://")
        skill = await made(client, SEND, egress={"mode": "allowlist", "hosts": [host]})
        seen = len(service.seen)
        error = (await sent(client, skill, url=f"{service.url}/items"))["error"]
        assert (error["code"], len(service.seen)) == ("unavailable", seen)

    @pytest.mark.parametrize(
        ("host", "port", "entry", "is_listed"),
        [
            ("api.example.com", None, "api.example.com", True),
            ("api.example.com", None, "*.example.com", True),
            ("example.com", None, "*.example.com", False),
            ("evilexample.com", None, "*.example.com", False),
            ("api.example.com.evil.org", None, "api.example.com", False),
            ("api.example.com", 8443, "api.example.com:8443", True),
            ("api.example.com", None, "api.example.com:8443", False),
            ("", None, "*.example.com", False),
        ],
    )
    def test_entries(self, host: str, port: int | None, entry: str, is_listed: bool) -> None:
        assert listed(host, port, entry) is is_listed


class TestConnection:
    async def test_the_credential_is_put_on_and_never_seen(
        self, caller: httpx.AsyncClient, reaching: Running, tenant: Tenant, service: Service
    ) -> None:
        value = canary()
        body = {
            "name": "crm", "integration": "http", "authType": "api_key", "config": {"baseUrl": service.url},
            "credential": {"token": value},
        }  # fmt: skip
        connection = await caller.post("/connections", json=body)
        assert connection.status_code == 201, connection.text
        skill = await made(caller, SEND, connectionId=connection.json()["connectionId"])
        answer = await caller.post(
            f"/skills/{skill['skillId']}/run",
            json={"input": {"url": "/items?x=1", "headers": {"authorization": "Bearer mine"}}},
        )
        assert answer.json()["output"]["status"] == 200
        assert service.seen[-1]["headers"]["Authorization"] == f"Bearer {value}"
        assert not holds(answer.content, value)
        assert "connection.accessed" in [name for name, _, _ in await events(reaching, tenant, "connection")]
        refused = await caller.delete(f"/connections/{connection.json()['connectionId']}")
        assert (refused.status_code, refused.json()["code"]) == (409, "in_use")

    async def test_a_connection_goes_nowhere_else(self, caller: httpx.AsyncClient, service: Service) -> None:
        body = {
            "name": "crm", "integration": "http", "authType": "api_key", "config": {"baseUrl": service.url},
            "credential": {"token": canary()},
        }  # fmt: skip
        connection = (await caller.post("/connections", json=body)).json()
        skill = await made(caller, SEND, connectionId=connection["connectionId"])
        assert (await sent(caller, skill, url="https://example.com/"))["error"]["code"] == "egress_refused"


class TestSeveral:
    async def test_one_call_sends_many_requests_in_turn(self, caller: httpx.AsyncClient, service: Service) -> None:
        code = (
            "from provenance_skill import request\n"
            "def run(input):\n"
            "    return [request('GET', f\"{input['url']}/{n}\").json()['path'] for n in range(20)]\n"
        )
        skill = await made(caller, code, egress={"mode": "allowlist", "hosts": [service.url.removeprefix("http://")]})
        found = await asyncio.gather(*(sent(caller, skill, url=service.url) for _ in range(3)))
        assert [each["output"] for each in found] == [[f"/{n}" for n in range(20)]] * 3
