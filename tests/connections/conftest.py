"""A server that may call the loopback, and somebody who authorises connections there."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from provenance.connections.integrations import INTEGRATIONS
from provenance.connections.running import Connections
from provenance.core import ids
from provenance.core.actor import Actor, Kind, Role
from provenance.core.settings import IntegrationSettings, Settings
from provenance.secrets.schemas import Purpose
from tests.conftest import Running, Tenant, running
from tests.connections.outside import CLIENT, SECRET, Outside, serve
from tests.secrets.people import signed_in

STEP = Purpose("step", "run_1/0001_st_action")


@pytest.fixture(scope="session")
async def world() -> AsyncIterator[Outside]:
    """The run's outside world."""
    found = Outside()
    server, serving = await serve(found)
    yield found
    server.should_exit = True
    await serving


@pytest.fixture
def outside(world: Outside) -> Outside:
    """The outside world, in its usual mood."""
    world.reset()
    return world


def calling(settings: Settings, world: Outside) -> Settings:
    """Settings of a server that finds every integration in the outside world."""
    known = {
        name: IntegrationSettings(
            client_id=CLIENT,
            client_secret=SecretStr(SECRET),
            authorization_url=f"{world.url}/{name}/authorize",
            token_url=f"{world.url}/{name}/token",
            revoke_url=f"{world.url}/{name}/revoke",
            api_url=f"{world.url}/{name}",
        )
        for name in INTEGRATIONS
        if name != "http"
    }
    return settings.model_copy(update={"egress_allow": ["127.0.0.1"], "integrations": known})


@pytest.fixture(scope="session")
async def caller(settings: Settings, app: Running, world: Outside) -> AsyncIterator[Running]:
    """A server over the run's database, another process in all but name, which may call the loopback."""
    async with running(calling(settings, world)) as found:
        yield found


@pytest.fixture(scope="session")
async def second(settings: Settings, app: Running, world: Outside) -> AsyncIterator[Running]:
    """One more such server."""
    async with running(calling(settings, world)) as found:
        yield found


def connections_of(app: Running) -> Connections:
    found: Connections = app.door.framework.state.connections
    return found


@dataclass
class Builder:
    """An editor of the test's workspace at one of the servers, with a key for what keys may do."""

    app: Running
    workspace: Tenant
    web: httpx.AsyncClient
    actor: Actor

    async def make(self, integration: str, auth_type: str = "oauth2", **more: Any) -> dict[str, Any]:
        body = {"name": f"{integration} {uuid.uuid4().hex[:6]}", "integration": integration, "authType": auth_type}
        answer = await self.web.post("/connections", json={**body, **more})
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def begin(self, connection_id: str, **body: Any) -> dict[str, Any]:
        answer = await self.web.post(f"/connections/{connection_id}/authorize", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def go(self, url: str) -> httpx.Response:
        """Go to the provider as the browser that began, and come back with what it says."""
        async with httpx.AsyncClient(verify=False) as browser:
            sent = await browser.get(url)
        assert sent.status_code == 302
        query = httpx.URL(sent.headers["location"]).query.decode()
        return await self.web.get(f"/oauth/callback?{query}")

    async def connected(self, integration: str, **more: Any) -> str:
        """Make a connection and authorise it; return its id."""
        made = await self.make(integration, **more)
        back = await self.go((await self.begin(made["connectionId"]))["authorizationUrl"])
        assert back.status_code == 200, back.text
        return str(made["connectionId"])

    async def get(self, connection_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.web.get(f"/connections/{connection_id}")).json()
        return found

    async def sql(self, text: str, connection_id: str) -> None:
        async with self.app.ledger.db.housekeeping() as tx:
            await tx.driver_sql(text, (ids.decode("conn", connection_id),))


@pytest.fixture
async def builder(caller: Running, workspace: Tenant, outside: Outside) -> AsyncIterator[Builder]:
    """An editor who builds with connections."""
    workspace_id = ids.decode("ws", workspace.id)
    assert workspace_id is not None
    headers = await signed_in(caller, workspace, Role.EDITOR)
    async with httpx.AsyncClient(base_url=caller.url, headers=headers, timeout=30, verify=False) as web:
        yield Builder(caller, workspace, web, Actor(Kind.SYSTEM, "system", workspace_id))
