"""Starts on the express: they are taken there, and answered and recorded as the ordinary way does it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from provenance.core import ids
from provenance.core.door import Answer, Exchange
from provenance.core.ids import new_request_id
from provenance.runs.express import express_handlers
from tests.conftest import Running, Tenant
from tests.runs.published import definition, transform
from tests.runs.test_routes import GATE, PLUS, Publish, publish

__all__ = ["publish"]

FAILS = definition(transform("a", {"n": "{{ input.n.missing }}"}))
NOTHING = definition()
CHANGING = ("runId", "startedAt", "completedAt", "durationMs")


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """A body without a length, which the express leaves to the ordinary way."""
    yield body


def signs(answer: httpx.Response) -> tuple[int, dict[str, Any], set[str]]:
    found = answer.json()
    return answer.status_code, {k: v for k, v in found.items() if k not in CHANGING}, set(found)


class TestCreate:
    @pytest.mark.parametrize("wait", [0, 20])
    @pytest.mark.parametrize("name", ["plus", "fails", "nothing", "gate"])
    async def test_both_ways_answer_alike(
        self, client: httpx.AsyncClient, publish: Publish, name: str, wait: int
    ) -> None:
        document = {"plus": PLUS, "fails": FAILS, "nothing": NOTHING, "gate": definition(GATE)}[name]
        wait = min(wait, 1) if name == "gate" else wait
        workflow_id = await publish(document)
        body = b'{"workflowId":"%b","input":{"n":1},"wait":%d}' % (workflow_id.encode(), wait)
        headers = {"content-type": "application/json", "user-agent": "both ways"}
        ordinary = await client.post("/runs", content=in_pieces(body), headers=headers)
        express = await client.post("/runs", content=body, headers=headers)
        assert signs(express) == signs(ordinary)
        assert ordinary.status_code == 201

    async def test_it_is_taken_when_everything_is_at_hand(
        self, app: Running, workspace: Tenant, client: httpx.AsyncClient, publish: Publish
    ) -> None:
        workflow_id = await publish(PLUS)
        state = app.door.framework.state
        create = express_handlers(state.runs, state.authenticate.remembered)[b"/runs"]
        body = b'{"workflowId":"%b","input":{"n":1},"wait":1}' % workflow_id.encode()
        headers = {b"x-api-key": workspace.key.encode(), b"content-type": b"application/json"}
        exchange = Exchange("POST", "/runs", headers, body, new_request_id(), "127.0.0.1", "http", b"")
        answers: list[Any] = []
        taken = False
        while not taken:  # what is live is known for a second only
            assert (await client.post("/runs", content=body, headers={"content-type": "application/json"})).is_success
            taken = create(exchange, answers.append)
        while not answers:
            await asyncio.sleep(0.01)
        assert isinstance(answers[0], Answer)
        assert b'"output":{"n":2}' in answers[0].body

    async def test_whence_it_came_is_recorded_and_not_inherited(
        self, app: Running, workspace: Tenant, client: httpx.AsyncClient, publish: Publish
    ) -> None:
        workflow_id = await publish(PLUS)
        body = b'{"workflowId":"%b","input":{"n":1}}' % workflow_id.encode()
        kept = []
        for agent, content in (("a", in_pieces(body)), ("b", body), ("c", body)):
            headers = {"content-type": "application/json", "user-agent": agent}
            answer = await client.post("/runs", content=content, headers=headers)
            first = await first_content(app, workspace, answer.json()["runId"])
            assert first["links"] == [{"requestId": answer.headers["x-request-id"]}]
            kept.append((first["userAgent"], first["ip"]))
        assert kept == [(agent, "127.0.0.1") for agent in "abc"]


async def first_content(app: Running, workspace: Tenant, run_id: str) -> dict[str, Any]:
    """Return the content of a run's first entry."""
    statement = "SELECT content FROM interactions WHERE workspace_id = $1 AND uow_id = $2 ORDER BY number LIMIT 1"
    key = (ids.decode("ws", workspace.id), ids.decode("run", run_id))
    async with app.ledger.db.housekeeping() as tx:
        found: dict[str, Any] = json.loads((await tx.driver_sql(statement, key)).scalar_one())
    return found
