"""A server whose workspaces pay at a provider on the loopback, and whose plans have limits."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn
from pydantic import SecretStr

from provenance.core.actor import Role
from provenance.core.settings import Settings
from tests.billing.provider import KEY, Provider
from tests.conftest import Running, Tenant, make_tenant_of, running
from tests.identity.people import As, admin, as_person, make_as

__all__ = ["admin", "make_as"]

LIMITS = {"self_hosted": {"runs": 2, "members": 2, "steps": 3, "busMessages": 3, "storageBytes": 100}}


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[tuple[Provider, str]]:
    found = Provider()
    server = uvicorn.Server(uvicorn.Config(found, port=0, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), serving
        await asyncio.sleep(0.01)
    yield found, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


@pytest.fixture(scope="module")
async def paid(settings: Settings, app: Running, provider: tuple[Provider, str]) -> AsyncIterator[Running]:
    """A server over the run's database whose workspaces pay, and whose plans have limits."""
    more = {"stripe_secret_key": SecretStr(KEY), "stripe_url": provider[1], "egress_allow": ["127.0.0.1"]}
    async with running(settings.model_copy(update={**more, "plan_limits": LIMITS})) as found:
        yield found


@pytest.fixture
async def payer(paid: Running) -> AsyncIterator[As]:
    """An administrator of a workspace of its own."""
    workspace: Tenant = await make_tenant_of(paid.ledger)
    async with await as_person(paid, workspace, Role.ADMIN) as found:
        yield found
