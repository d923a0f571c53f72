"""A ledger with something of everything in it, signed, and ways to export it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from provenance.core.db import asyncpg_dsn
from provenance.ledger.log.heads import Heads
from provenance.ledger.log.integrating import Integrator
from provenance.ledger.service import Fact
from tests.conftest import MakeTenant, Running, Tenant
from tests.ledger.rows import post, record_platform_row
from tests.ledger.test_log import id_of

UOW, OTHER_UOW = "0a1b2c3d-0000-4000-8000-00000000000a", "0a1b2c3d-0000-4000-8000-00000000000b"
PARENT, CHILD = "0a1b2c3d-0000-4000-8000-0000000000a1", "0a1b2c3d-0000-4000-8000-0000000000a2"
IMAGE = "registry.example/app@sha256:" + "ab" * 32

ITEMS: list[dict[str, Any]] = [
    {"resourceId": "order-1", "uowId": UOW, "spanId": PARENT, "interaction": {"total": 10, "note": "Grüße, 👤\n"}},
    {
        "resourceId": "order-1",
        "action": "ORDER_UPDATED",
        "uowId": UOW,
        "spanId": CHILD,
        "parentSpanId": PARENT,
        "userId": "änne~ (x); 'y'",
        "onBehalfOf": ["bob", "carol"],
        "outcome": "success",
        "sequenceIndex": 3,
        "externalReference": "pay_1",
        "externalResponse": {"code": 200, "text": 'a,"b"'},
        "changes": [{"op": "replace", "path": "/total", "value": 11}],
        "relatedResources": [
            {"resourceType": "USER", "resourceId": "user-1", "role": "used"},
            {"resourceType": "MAIL", "resourceId": "mail/7.", "role": "generated"},
            {"resourceType": "CART", "resourceId": "-cart", "role": "affected"},
        ],
        "timestamp": "2024-05-06T07:08:09.123456789Z",
    },
    {"resourceId": '=HYPERLINK("http://evil.example")', "userId": "@eve", "externalReference": "+1"},
    {"resourceId": "-1", "resourceType": "USER", "action": "READ", "origin": "CLI", "userId": "\tann"},
    {"resourceId": "cart", "uowId": OTHER_UOW, "outcome": "denied"},
    {"resourceId": IMAGE, "resourceType": "IMAGE", "action": "DELETE", "uowId": UOW, "interaction": {"total": 750.5}},
    {"resourceId": "to be forgotten", "userId": "someone", "uowId": UOW, "interaction": {"secret": "forget me"}},
]  # fmt: skip
ERASED = 7

PLATFORM = [
    Fact(resource_type="AUTH", action="LOGIN", resource_id="user_1", user_id="user_1", data={"a": 1}, domain="auth"),
    Fact(resource_type="AUTH", action="LOGIN_FAILED", resource_id="user_1", data={}, outcome="failure", risk="medium"),
    Fact(resource_type="MEMBER", action="INVITED", resource_id="user_2", data={}, user_id="user_1"),
    Fact(resource_type="APIKEY", action="REVOKED", resource_id="key_1", data={}, risk="high", domain="auth"),
    Fact(resource_type="AUTHZ", action="DENIED", resource_id="x", data={}, outcome="denied", risk="critical"),
]

Sign = Callable[[Tenant], Awaitable[None]]


@pytest.fixture
def sign(app: Running, tmp_path: Path) -> Sign:
    """Sign a new head over all that a workspace has recorded."""
    integrator = Integrator(app.ledger, Heads(tmp_path))

    async def signed(workspace: Tenant) -> None:
        while await integrator.integrate([id_of(workspace)]):
            pass

    return signed


@pytest.fixture
async def shop(client: httpx.AsyncClient, app: Running, workspace: Tenant, sign: Sign) -> httpx.AsyncClient:
    """Rows of services and of the platform, one of them erased, all signed."""
    await post(client, ITEMS)
    for fact in PLATFORM:
        await record_platform_row(app, workspace, fact)
    await sign(workspace)
    await erase(app, workspace, ERASED)
    return client


async def erase(app: Running, workspace: Tenant, number: int) -> None:
    """Leave of a row what an erasure leaves."""
    connection = await asyncpg.connect(asyncpg_dsn(app.ledger.db.url))
    await connection.execute(
        "UPDATE interactions SET content = NULL, salt = NULL, resource_id = NULL, user_id = NULL, "
        "external_reference = NULL WHERE workspace_id = $1 AND number = $2",
        id_of(workspace),
        number,
    )
    await connection.close()


@pytest.fixture
async def masked(app: Running, workspace: Tenant, make_tenant: MakeTenant) -> AsyncIterator[httpx.AsyncClient]:
    """A caller who may read interactions and sees platform rows masked."""
    headers = {"x-api-key": (await make_tenant(("interactions:read",), into=workspace.id)).key}
    async with httpx.AsyncClient(base_url=app.url, headers=headers, timeout=30, verify=False) as found:
        yield found


async def export(client: httpx.AsyncClient, name: str = "ndjson", **query: Any) -> httpx.Response:
    """Export, and expect that it begins well."""
    answer = await client.get("/api/export", params={"format": name, **query})
    assert answer.status_code == 200, answer.text
    return answer


async def refused(client: httpx.AsyncClient, status: int = 400, **query: Any) -> dict[str, Any]:
    """Export, and expect a refusal."""
    answer = await client.get("/api/export", params=query)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found
