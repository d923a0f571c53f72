"""Situations that are easy to get wrong, each once got wrong: cut-off uploads, browsers, other processes' words."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from provenance.core import ids
from provenance.core.actor import Actor, Kind
from provenance.core.db import NothingRecorded
from provenance.core.settings import Settings
from provenance.ledger.tables import catalogue
from tests.conftest import Running, Tenant, make_tenant_of, running
from tests.ledger.test_idempotency import send
from tests.ledger.test_interactions import SMALL, post


async def test_an_upload_cut_off_stores_nothing(app: Running, client: httpx.AsyncClient, workspace: Tenant) -> None:
    lines = [json.dumps({**SMALL, "resourceId": f"r{n}"}).encode() + b"\n" for n in range(10)]
    host, port = app.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /api/interactions/batch HTTP/1.1\r\nhost: x\r\nx-api-key: {workspace.key}\r\n"
        f"content-type: application/x-ndjson\r\ncontent-length: {len(b''.join(lines))}\r\n\r\n"
    )
    writer.write(head.encode() + b"".join(lines[:4]))
    await writer.drain()
    await asyncio.sleep(0.3)
    writer.close()
    await asyncio.sleep(0.5)
    assert (await post(client))["interactionNumber"] == 1


@pytest.mark.parametrize("hot", [True, False])
async def test_browsers_may_read_the_answers_of_hot_posts(settings: Settings, hot: bool) -> None:
    origin = "https://console.example"
    async with running(settings.model_copy(update={"hot_dispatch": hot, "cors_origins": [origin]})) as server:
        tenant = await make_tenant_of(server.ledger)
        async with httpx.AsyncClient(base_url=server.url, verify=False) as client:
            headers = {"x-api-key": tenant.key, "origin": origin}
            for body in (SMALL, {}):
                answer = await client.post("/api/interactions", json=body, headers=headers)
                assert answer.headers["access-control-allow-origin"] == origin


async def test_an_id_made_through_another_server_is_known_at_once(client: httpx.AsyncClient, second: Running) -> None:
    for _ in range(2):
        await client.post(second.url + "/api/interactions", json=SMALL)
    made = (await client.post("/api/actions", json={"title": "Approve", "mnemonic": "APPROVE"})).json()
    body = {"resourceId": "r", "resourceType": "USER", "actionId": made["actionId"], "origin": "WEBAPP"}
    answer = await client.post(second.url + "/api/interactions", json=body)
    assert answer.status_code == 201, answer.text


async def test_a_write_inside_another_workspace_must_be_recorded_too(app: Running, workspace: Tenant) -> None:
    workspace_id = ids.decode("ws", workspace.id)
    assert workspace_id is not None

    async def write() -> None:
        async with app.ledger.db.write(Actor(Kind.SYSTEM, "system", workspace_id)) as tx:
            await tx.inside(workspace_id).execute(
                update(catalogue).where(catalogue.c.workspace_id == workspace_id).values(title="X")
            )

    with pytest.raises(NothingRecorded):
        await write()


@pytest.mark.parametrize(("name", "shown"), [("uowId", "uowId"), ("timestamp", "createdDate")])
async def test_a_default_sent_later_is_the_field_that_differs(client: httpx.AsyncClient, name: str, shown: str) -> None:
    """service.differing: what is sent now and was not then differs, also when the values are the same."""
    _, first = await send(client, "k")
    more: dict[str, Any] = {name: first[shown]}
    status, body = await send(client, "k", **more)
    assert status == 409
    assert name in [detail["path"] for detail in body["details"]]
