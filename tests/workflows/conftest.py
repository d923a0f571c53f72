"""What the tests of workflows are handed."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.identity.people import admin, make_as
from tests.workflows.examples import ORDER

__all__ = ["admin", "make", "make_as", "published"]

Make = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def make(client: httpx.AsyncClient) -> Make:
    """A factory of workflows: ``await make(name="A", definition=…)``."""

    async def made(**body: Any) -> dict[str, Any]:
        answer = await client.post("/workflows", json={"name": "Order Processing", "definition": ORDER} | body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return made


@pytest.fixture
def published(client: httpx.AsyncClient, make: Make) -> Make:
    """A factory of workflows with a live version."""

    async def made(**body: Any) -> dict[str, Any]:
        workflow = await make(**body)
        answer = await client.post(f"/workflows/{workflow['workflowId']}/publish", json={})
        assert answer.status_code == 200, answer.text
        return workflow

    return made
