"""What the tests of webhooks are handed: a published workflow with a webhook, its secret, and a sender."""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.conftest import Running
from tests.runs.published import transform

ORDER = b'{"orderId": "ORD-9921",  "amount": 750.00}'


def hooked(config: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Write a definition that a webhook starts; its output is what the run was given."""
    trigger = {"key": "hook", "kind": "trigger", "config": {"type": "webhook", "webhook": config or {}}}
    told = transform("told", {"input": "{{ input }}", "trigger": "{{ trigger }}"})
    return {"schemaVersion": 1, "steps": [trigger, told], "edges": [{"from": "hook", "to": "told"}], **more}


def signed(secret: str, body: bytes = ORDER) -> dict[str, str]:
    """Return the header that the seed's scheme asks for."""
    return {"X-ProvenanceOne-Signature": hmac.new(secret.encode(), body, "sha256").hexdigest()}


@dataclass
class Hook:
    """One workflow's webhook."""

    workflow_id: str
    secret: str
    sender: httpx.AsyncClient

    async def post(self, body: bytes = ORDER, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """Send a body with these headers; without any, signed as the seed has it."""
        sent = {"Content-Type": "application/json"} | (signed(self.secret, body) if headers is None else headers)
        return await self.sender.post(f"/webhooks/{self.workflow_id}", content=body, headers=sent, **more)


MakeHook = Callable[..., Awaitable[Hook]]


@pytest.fixture
async def sender(app: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A client without any credential."""
    async with httpx.AsyncClient(base_url=app.url, timeout=30, verify=False) as found:
        yield found


@pytest.fixture
def make_hook(client: httpx.AsyncClient, sender: httpx.AsyncClient) -> MakeHook:
    """A factory of published workflows with a webhook: ``await make_hook({"preset": …}, secret=…)``."""

    async def made(config: dict[str, Any] | None = None, *, secret: str | None = None, **more: Any) -> Hook:
        answer = await client.post("/workflows", json={"name": "Orders", "definition": hooked(config, **more)})
        path = f"/workflows/{answer.json()['workflowId']}"
        assert (await client.post(f"{path}/publish", json={})).status_code == 200
        chosen = {} if secret is None else {"json": {"secret": secret}}
        rotated = await client.post(f"{path}/webhook-secret/rotate", **chosen)
        assert rotated.status_code == 200, rotated.text
        return Hook(answer.json()["workflowId"], rotated.json()["secret"], sender)

    return made


@pytest.fixture
async def hook(make_hook: MakeHook) -> Hook:
    """A webhook in the seed's scheme."""
    return await make_hook()
