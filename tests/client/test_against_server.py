"""The SDK against the real server and a real database: the seed's walk, and what a killed client left."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from provenance_client import (
    AsyncClient,
    Client,
    Conflict,
    InvalidRequest,
    NotAuthenticated,
    NotFound,
    Provenance,
    create,
    read_batch,
)
from tests.client.standin import EVENT
from tests.client.test_processes import Program
from tests.conftest import Running, Tenant

USER: dict[str, Any] = {"resource_id": "user-123", "resource_type": "USER", "action": "CREATE"}


@pytest.fixture
async def api(app: Running, workspace: Tenant) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(api_url=app.url, api_key=workspace.key, origin="WEBAPP") as client:
        yield client


@pytest.fixture
async def provenance(app: Running, workspace: Tenant, tmp_path: Path) -> AsyncIterator[Provenance]:
    async with await create(
        api_url=app.url, api_key=workspace.key, origin="my-service", spool_dir=tmp_path, linger=0.0
    ) as made:
        yield made


class TestRest:
    async def test_catalogue(self, api: AsyncClient) -> None:
        made = await api.resource_types.create(title="User Account", mnemonic="USER", icon="👤")
        assert made["resourceTypeId"] == made["id"]
        assert await api.resource_types.get("USER") == await api.resource_types.get(made["id"])
        assert (await api.resource_types.update("USER", icon=None))["icon"] is None
        assert "USER" in [row["mnemonic"] for row in await api.resource_types.list()]
        assert (await api.actions.page(limit=10))["pagination"]["page"] == 1
        with pytest.raises(Conflict) as caught:
            await api.resource_types.create(title="Again", mnemonic="USER")
        assert caught.value.code == "mnemonic_taken"
        await api.resource_types.delete("USER")
        with pytest.raises(NotFound):
            await api.resource_types.get("USER")

    async def test_interactions(self, api: AsyncClient) -> None:
        span = str(uuid.uuid4())
        row = await api.interactions.create(**USER, interaction={"plan": "starter"}, user_id="ü", span_id=span)
        assert (row["interactionNumber"], row["userId"], row["originMnemonic"]) == (1, "ü", "WEBAPP")
        again = await api.interactions.create(**USER, interaction={"plan": "starter"}, user_id="ü", span_id=span)
        assert again["interactionId"] == row["interactionId"]
        with pytest.raises(Conflict) as caught:
            await api.interactions.create(**USER, interaction={"plan": "pro"}, user_id="ü", span_id=span)
        assert caught.value.code == "idempotency_conflict"
        assert await api.interactions.get(row["interactionId"]) == row
        with pytest.raises(Conflict) as refused:
            await api.interactions.delete(row["interactionId"])
        assert refused.value.code == "append_only"

    async def test_batch_list_and_iterate(self, api: AsyncClient) -> None:
        items = [{**USER, "interaction": {"n": n}} for n in range(25)]
        answer = await api.interactions.batch([*items, {**USER, "origin": "PLATFORM"}], mode="partial")
        statuses = [item["status"] for item in read_batch(answer)]
        assert statuses == ["created"] * 25 + ["failed"]
        assert answer["created"] == 25
        page = await api.interactions.list(resource_id="user-*", resource_type=["USER", "ORDER"], limit=10)
        assert page["pagination"]["total"] == 25
        seen = [row["interactionNumber"] async for row in api.interactions.iterate(limit=10, resource_id="user-123")]
        assert seen == list(range(25, 0, -1))
        with pytest.raises(InvalidRequest):
            await api.interactions.batch([USER, {**USER, "resource_id": ""}])

    async def test_blocking_client(self, app: Running, workspace: Tenant) -> None:
        def walk() -> list[int]:
            with Client(api_url=app.url, api_key=workspace.key, origin="CLI") as client:
                for _ in range(3):
                    client.interactions.create(**USER)
                return [row["interactionNumber"] for row in client.interactions.iterate(limit=2)]

        assert await asyncio.to_thread(walk) == [3, 2, 1]

    async def test_wrong_key(self, app: Running) -> None:
        async with AsyncClient(api_url=app.url, api_key="pv_nobody_x") as client:
            with pytest.raises(NotAuthenticated) as caught:
                await client.interactions.list()
        assert caught.value.request_id

    async def test_health_and_queue(self, api: AsyncClient, app: Running) -> None:
        assert await api.health()
        config = await api.queue.config()
        assert config["provisioned"] is True
        assert config["apiUrl"].endswith("/api")


class TestReading:
    async def test_trace_and_the_rest(self, api: AsyncClient) -> None:
        uow = str(uuid.uuid4())
        for action in ("CREATE", "UPDATE"):
            await api.interactions.create(**{**USER, "action": action}, uow_id=uow, user_id="u-1", interaction={"n": 1})
        trace = await api.traces.get("user-123")
        assert [row["actionMnemonic"] for row in trace["interactions"]] == ["CREATE", "UPDATE"]
        assert (await api.traces.summary(uow))["totalInteractions"] == 2
        assert await api.traces.timeline(uow)
        found = await api.activity.search(user_id="u-1")
        assert found["data"][0]["units"][0]["uowId"] == uow
        assert await api.analytics.query(metrics=["count"], dimensions=["action"])
        assert await api.analytics.discover()
        assert await api.fields.list(resource_type="USER") is not None
        with pytest.raises(NotFound):
            await api.traces.get("nobody")


class TestRecording:
    async def test_the_seed(self, provenance: Provenance) -> None:
        uow = str(uuid.uuid4())
        span_id = await provenance.log(
            resource_type="USER",
            resource_id="user-123",
            action="CREATE",
            uow_id=uow,
            interaction={"email": "user@example.com", "plan": "starter"},
        )
        assert await provenance.flush()
        api = await provenance.api()
        (row,) = (await api.interactions.list(resource_id="user-123"))["data"]
        assert (row["spanId"], row["uowId"], row["originMnemonic"]) == (span_id, uow, "my-service")
        assert (await api.traces.get("user-123"))["interactions"][0]["interactionId"] == row["interactionId"]

    async def test_spans_make_a_tree(self, provenance: Provenance) -> None:
        async with (
            provenance.span(resource_type="JOB", resource_id="import-1", action="IMPORT") as span,
            provenance.span(resource_type="FILE", resource_id="a.csv", action="PARSE"),
        ):
            await provenance.log(**EVENT)
        assert await provenance.flush()
        tree = (await (await provenance.api()).traces.get(span.uow_id))["tree"]
        assert len(tree) == 1
        assert tree[0]["spanId"] == span.id

    async def test_what_the_server_refuses_becomes_a_dead_letter(self, provenance: Provenance) -> None:
        await provenance.log(**EVENT, origin="PLATFORM")
        await provenance.log(**EVENT)
        assert await provenance.flush()
        (letter,) = provenance.dead_letters()
        assert letter.code == "reserved_origin"
        assert provenance.stats().sent == 1

    async def test_the_client_refuses_what_the_server_would(self, api: AsyncClient, workspace: Tenant) -> None:
        for change in ({"resourceId": "x" * 513}, {"interaction": {"n": 2**53}}, {"interaction": {"s": "\x00"}}):
            item = {"resourceId": "r", "resourceType": "USER", "action": "A", "origin": "O", **change}
            answer = await api.interactions.batch([item], mode="partial")
            assert [result["status"] for result in read_batch(answer)] == ["failed"]
            fields = {"resource_type": "USER", "action": "A", "resource_id": "r"}
            fields |= {"resource_id": item["resourceId"], "interaction": item.get("interaction", {})}
            with pytest.raises(InvalidRequest):
                await api.interactions.create(**fields)

    async def test_a_killed_client_loses_nothing(self, app: Running, workspace: Tenant, tmp_path: Path) -> None:
        code = "import itertools\nfor number in itertools.count(): log(interaction={'n': number})"
        logged: list[str] = []
        for _ in range(2):
            program = Program(app.url, tmp_path, code, key=workspace.key)
            logged += await asyncio.to_thread(program.printed, 150)
            logged += await asyncio.to_thread(program.kill)
        async with await create(api_url=app.url, api_key=workspace.key, origin="TEST", spool_dir=tmp_path) as restarted:
            api = await restarted.api()
            async with asyncio.timeout(30):
                while list(tmp_path.glob("*.spool")) != [restarted.stats().spool]:
                    await asyncio.sleep(0.05)
            stored = [row["spanId"] async for row in api.interactions.iterate()]
        assert len(stored) == len(set(stored))
        assert set(logged) <= set(stored)
