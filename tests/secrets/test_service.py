"""What other features ask of secrets: use, references, masks; and what the clock does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from provenance.core import ids
from provenance.core.actor import Actor, Kind
from provenance.core.db import WriteTx
from provenance.core.keyring import KeyringError, WorkspaceKeys
from provenance.secrets import service, tasks
from provenance.secrets.errors import BadReference, SecretInUse, SecretNotFound
from provenance.secrets.masking import Mask
from provenance.secrets.schemas import Purpose
from tests.conftest import Running, Tenant
from tests.secrets.canaries import canary, events, tables_with
from tests.secrets.test_routes import made, names

STEP = Purpose("step", "run_1/0001_st_skill")


class Room:
    """A workspace seen from inside: its keys and its transactions."""

    def __init__(self, app: Running, workspace: Tenant, keys: WorkspaceKeys) -> None:
        found = ids.decode("ws", workspace.id)
        assert found is not None
        self.app, self.workspace, self.keys, self.id = app, workspace, keys, found

    @asynccontextmanager
    async def write(self) -> AsyncIterator[WriteTx]:
        async with self.app.ledger.db.write(Actor(Kind.SYSTEM, "system", self.id)) as tx:
            yield tx

    async def use(self, name: str) -> service.Used:
        async with self.write() as tx:
            return await service.use(tx, self.keys, name, STEP)

    async def sql(self, text: str, *values: Any) -> None:
        async with self.app.ledger.db.housekeeping() as tx:
            await tx.driver_sql(text, (self.id, *values))


@pytest.fixture
async def room(app: Running, workspace: Tenant) -> Room:
    found = ids.decode("ws", workspace.id)
    assert found is not None
    return Room(app, workspace, await app.ledger.keyring.of(found))


class TestUse:
    async def test_hands_over_the_value_and_records_it(self, client: httpx.AsyncClient, room: Room) -> None:
        value = canary()
        found = await made(client, value=value)
        for name in ("stripe.key", found["secretId"]):
            used = await room.use(name)
            assert (used.value, used.text, used.version, used.also_valid) == (value, value, 1, ())
            assert value not in repr(used)
        data = {"name": "stripe.key", "version": 1, "purpose": "step", "purposeId": STEP.id}
        assert (await events(room.app, room.workspace))[1:] == [("secret.accessed", found["secretId"], data)] * 2
        seen = (await client.get(f"/secrets/{found['secretId']}")).json()
        assert seen["lastAccessedAt"] is not None
        assert (await client.get("/audit", params={"eventType": "secret.accessed"})).json()["items"][0][
            "risk"
        ] == "high"

    async def test_the_value_before_is_good_for_its_grace(self, client: httpx.AsyncClient, room: Room) -> None:
        old, new = canary(), canary()
        found = await made(client, value=old)
        await client.post(f"/secrets/{found['secretId']}/rotate", json={"value": new})
        used = await room.use("stripe.key")
        assert (used.value, used.also_valid, used.version) == (new, (old,), 2)
        await room.sql("UPDATE secret_versions SET valid_until = 1 WHERE workspace_id = $1 AND version = 1")
        assert (await room.use("stripe.key")).also_valid == ()

    async def test_what_is_not_there_is_not_found(self, client: httpx.AsyncClient, room: Room) -> None:
        for name in ("nothing", "sec_nothing", "sec_01JDZZZZZZZZZZZZZZZZZZZZZZ"):
            with pytest.raises(SecretNotFound):
                await room.use(name)

    async def test_a_row_that_was_moved_opens_nothing(self, client: httpx.AsyncClient, room: Room) -> None:
        await made(client)
        await made(client, name="other")
        await room.sql(
            "UPDATE secret_versions a SET sealed = b.sealed FROM secret_versions b WHERE a.workspace_id = $1"
            " AND b.workspace_id = $1 AND a.secret_id <> b.secret_id"
        )
        with pytest.raises(KeyringError):
            await room.use("other")

    async def test_users_at_once_do_not_wait_for_one_another(self, client: httpx.AsyncClient, room: Room) -> None:
        await made(client)
        both = asyncio.Barrier(2)

        async def use() -> None:
            async with room.write() as tx:
                await service.use(tx, room.keys, "stripe.key", STEP)
                await both.wait()

        async with asyncio.timeout(20):
            await asyncio.gather(use(), use())


class TestReferences:
    async def test_are_filled_in_at_the_last_moment(self, client: httpx.AsyncClient, room: Room) -> None:
        value = canary()
        await made(client, value=value)
        asked = {"headers": [{"x": "Bearer {{secrets.stripe.key}}"}], "n": 1, "cel": "{{ input.secrets }}"}
        async with room.write() as tx:
            found = await service.fill(tx, room.keys, asked, STEP)
        assert found == {"headers": [{"x": f"Bearer {value}"}], "n": 1, "cel": "{{ input.secrets }}"}
        assert await names(room.app, room.workspace) == ["secret.created", "secret.accessed"]

    @pytest.mark.parametrize(
        ("text", "error"), [("{{secrets.gone}}", SecretNotFound), ("{{secrets.a+b}}", BadReference)]
    )
    async def test_that_lead_nowhere_are_told(self, room: Room, text: str, error: type[Exception]) -> None:
        with pytest.raises(error):
            async with room.write() as tx:
                await service.fill(tx, room.keys, text, STEP)

    async def test_keep_a_secret_from_being_deleted(self, client: httpx.AsyncClient, room: Room) -> None:
        found = await made(client)
        user = Purpose("connection", "conn_1")
        async with room.app.ledger.db.housekeeping(room.id) as tx:
            await service.refer(tx, {"apiKey": "{{secrets.stripe.key}}"}, user)
        [used_by] = (await client.get(f"/secrets/{found['secretId']}")).json()["usedBy"]
        assert (used_by["kind"], used_by["id"]) == ("connection", "conn_1")
        assert (await client.get("/secrets")).json()["items"][0]["usedBy"] == [used_by]
        with pytest.raises(SecretInUse):
            async with room.write() as tx:
                await service.delete(tx, found["secretId"])
        async with room.app.ledger.db.housekeeping(room.id) as tx:
            await service.refer(tx, None, user)
        async with room.write() as tx:
            assert (await service.delete(tx, found["secretId"])).deleted


class TestClock:
    async def test_a_rotation_that_is_due_is_told_once(self, client: httpx.AsyncClient, room: Room) -> None:
        found = await made(client, rotation={"mode": "interval", "everyDays": 30})
        await room.sql("UPDATE secrets SET next_at = 1 WHERE workspace_id = $1")
        for _ in range(2):
            await tasks.look(room.app.ledger)
        assert await names(room.app, room.workspace) == ["secret.created", "secret.rotation_due"]
        path = f"/secrets/{found['secretId']}"
        rotated = (await client.post(f"{path}/rotate", json={"value": canary()})).json()
        assert rotated["nextRotationAt"] > rotated["rotatedAt"]
        await room.sql("UPDATE secrets SET next_at = 1 WHERE workspace_id = $1")
        await tasks.look(room.app.ledger)
        assert (await names(room.app, room.workspace))[-1] == "secret.rotation_due"

    async def test_a_generated_one_rotates_itself(self, client: httpx.AsyncClient, room: Room) -> None:
        await made(client, type="token", value=None, rotation={"mode": "generated", "everyDays": 1})
        first = (await room.use("stripe.key")).value
        await room.sql("UPDATE secrets SET next_at = 1 WHERE workspace_id = $1")
        await tasks.look(room.app.ledger)
        used = await room.use("stripe.key")
        assert (used.version, used.also_valid) == (2, (first,))
        assert used.value != first

    async def test_values_over_their_time_are_destroyed(self, client: httpx.AsyncClient, room: Room) -> None:
        found = await made(client)
        await client.post(f"/secrets/{found['secretId']}/rotate", json={"value": canary()})
        await room.sql("UPDATE secret_versions SET valid_until = 1 WHERE workspace_id = $1 AND version = 1")
        await tasks.look(room.app.ledger)
        async with room.app.ledger.db.housekeeping() as tx:
            kept = await tx.driver_sql(
                "SELECT version FROM secret_versions WHERE workspace_id = $1 AND sealed IS NOT NULL", (room.id,)
            )
            assert list(kept.scalars()) == [2]

    async def test_a_deleted_one_is_destroyed_after_its_week(self, client: httpx.AsyncClient, room: Room) -> None:
        found = await made(client)
        async with room.write() as tx:
            await service.delete(tx, found["secretId"])
        await tasks.look(room.app.ledger)
        count = "SELECT count(*) FROM secret_versions WHERE workspace_id = $1"
        async with room.app.ledger.db.housekeeping() as tx:
            assert (await tx.driver_sql(count, (room.id,))).scalar_one() == 1
        await room.sql("UPDATE secrets SET purge_at = 1 WHERE workspace_id = $1")
        await tasks.look(room.app.ledger)
        async with room.app.ledger.db.housekeeping() as tx:
            assert (await tx.driver_sql(count, (room.id,))).scalar_one() == 0


class TestMaskOfAWorkspace:
    async def test_knows_every_value_that_is_good_still(self, client: httpx.AsyncClient, room: Room) -> None:
        old, new, deep = canary(), canary(), canary()
        found = await made(client, value=old)
        await client.post(f"/secrets/{found['secretId']}/rotate", json={"value": new})
        await made(client, name="j", type="json", value={"a": [deep]})
        async with room.app.ledger.db.housekeeping(room.id) as tx:
            mask = Mask(await service.known_values(tx, room.keys))
        assert mask.text(f"{old} {new} {deep}") == "*** *** ***"


async def test_a_planted_value_would_be_found(client: httpx.AsyncClient, app: Running) -> None:
    value = canary()
    await made(client, description=f"do not do this: {value}")
    assert await tables_with(app, value) == ["secrets"]
