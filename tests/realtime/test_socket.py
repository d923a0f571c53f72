"""The WebSocket end to end: who may, what is heard, what is answered."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import insert
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from provenance.core import ids
from provenance.core.actor import Role
from provenance.engine.tables import runs
from provenance.identity.running import Identity
from provenance.ledger.service import Fact, record
from provenance.realtime.hub import Hub
from provenance.realtime.line import Line
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.people import As, MakeAs
from tests.realtime.conftest import Ear, Listen, order, ws

RUN, OTHER_RUN = ids.encode("run", ids.new_uuid()), ids.encode("run", ids.new_uuid())


def bearer(person: As) -> dict[str, str]:
    return {"authorization": person.headers["authorization"]}


async def happen(app: Running, workspace: Tenant, event: str, subject: str, **data: Any) -> None:
    """Let the platform record something, as the feature whose event it is would."""
    resource_type, action = event.upper().split(".")
    async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
        record(tx, Fact(resource_type=resource_type, action=action, resource_id=subject, data=data, domain="run"))


async def refused(app: Running, headers: dict[str, str], subprotocols: Any = None) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as caught:
        await connect(ws(app), additional_headers=headers, subprotocols=subprotocols, proxy=None)
    response = caught.value.response
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, json.loads(response.body)["code"]


async def closed(ear: Ear) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as caught:
        await ear.until(lambda _: False)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


class TestHearing:
    async def test_a_new_interaction_is_heard_with_its_number(
        self, client: httpx.AsyncClient, workspace: Tenant, listen: Listen
    ) -> None:
        ear = await listen()
        ack = await ear.ask("subscribe", channels=["interactions"])
        row = (await client.post("/api/interactions", json=order(interaction={"secretish": 1}))).json()
        [frame] = await ear.until(lambda frames: any(f["data"]["resourceId"] == "order-1" for f in frames))
        assert ack["type"] == "ack"
        assert frame["seq"] == row["interactionNumber"] > ack["seq"]
        assert (frame["type"], frame["channel"], frame["workspaceId"]) == ("interaction", "interactions", workspace.id)
        assert frame["at"] == row["recordedDate"]
        assert frame["data"] == {name: row[name] for name in frame["data"]}
        assert "interaction" not in frame["data"]

    async def test_channels_of_one_connection_come_in_the_order_of_numbers(
        self, app: Running, client: httpx.AsyncClient, workspace: Tenant, listen: Listen
    ) -> None:
        ear = await listen()
        await ear.ask("subscribe", channels=["runs", "audit", "interactions", f"runs:{RUN}"])
        await happen(app, workspace, "run.started", RUN, workflowId="wf_1", input={"card": "4242"})
        await client.post("/api/interactions", json=order())
        await happen(app, workspace, "run.step_completed", RUN, stepId="0001_st_code", kind="code", output="x")
        await happen(app, workspace, "run.completed", OTHER_RUN, durationMs=4)
        frames = await ear.until(lambda found: sum(1 for f in found if f["type"] == "run.completed") == 1)
        assert ear.numbers == sorted(ear.numbers)
        told = [(f["type"], f["channel"]) for f in frames if f["channel"].startswith("runs")]
        assert told == [
            ("run.started", "runs"),
            ("run.started", f"runs:{RUN}"),
            ("run.step", "runs"),
            ("run.step", f"runs:{RUN}"),
            ("run.completed", "runs"),
        ]
        assert "4242" not in json.dumps(frames)
        assert {f["type"] for f in frames if f["channel"] == "audit"} == {"audit.event"}

    async def test_a_workflow_hears_of_its_own_runs(self, app: Running, workspace: Tenant, listen: Listen) -> None:
        run_id, workflow_id = ids.new_uuid(), ids.new_uuid()
        async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
            told = {"environment": "staging", "state": "ended", "status": "completed", "trigger_type": "api"}
            by = {"triggered_by": "system", "triggered_by_kind": "system", "about": "{}", "input": "{}"}
            row = {"id": run_id, "workflow_id": workflow_id, "version": 1, "started_at": 1, **told, **by}
            row["deadline"] = datetime.now(UTC)
            await tx.execute(insert(runs).values(workspace_id=tx.workspace_id, **row))
        ear = await listen()
        channel, mine = ids.encode("wf", workflow_id), ids.encode("run", run_id)
        await ear.ask("subscribe", channels=[f"workflows:{channel}"])
        await happen(app, workspace, "run.completed", RUN)
        await happen(app, workspace, "run.completed", mine)
        [frame] = await ear.until(lambda found: len(found) == 1)
        assert frame["data"] == {"runId": mine, "workflowId": channel, "status": "completed"}

    async def test_a_filter_a_sample_and_a_unit_of_work_narrow(self, client: httpx.AsyncClient, listen: Listen) -> None:
        ear, drawn, unit = await listen(), await listen(), ids.new_uuid()
        wanted = "resourceType=ORDER&action=PAY&where=interaction.total > 10"
        await ear.ask("subscribe", channels=["interactions"], filter=wanted)
        await ear.ask("subscribe", channels=[f"uow:{unit}"])
        await drawn.ask("subscribe", channels=["interactions"], sample=0.5, filter="platform=exclude")
        for total in range(40):
            body = order(f"order-{total}", action="PAY" if total % 2 else "CREATE", interaction={"total": total})
            answer = await client.post(
                "/api/interactions", json=body, headers={"x-uowid": str(unit)} if total < 2 else {}
            )
            assert answer.status_code == 201
        await ear.until(lambda found: any(f["data"]["resourceId"] == "order-39" for f in found))
        heard = {name: [] for name in ("interactions", f"uow:{unit}")}
        for frame in ear.frames:
            heard[frame["channel"]].append(frame["data"]["resourceId"])
        assert heard["interactions"] == [f"order-{total}" for total in range(11, 40, 2)]
        assert heard[f"uow:{unit}"] == ["order-0", "order-1"]
        await drawn.ask("ping")
        assert 8 < len(drawn.numbers) < 32

    async def test_signed_heads_are_told(self, app: Running, workspace: Tenant, listen: Listen) -> None:
        ear = await listen()
        async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
            sql = "UPDATE logs SET size = 7, root = sha256('x'), signed_at = 1 WHERE workspace_id = $1"
            await tx.driver_sql(sql, (tx.workspace_id,))
        await ear.ask("subscribe", channels=["log"])
        [frame] = await ear.until(lambda found: len(found) == 1)
        assert (frame["type"], frame["seq"], frame["data"]["size"]) == ("log.checkpoint", None, 7)
        assert len(frame["data"]["root"]) == 64

    async def test_what_was_unsubscribed_is_not_heard(self, client: httpx.AsyncClient, listen: Listen) -> None:
        ear = await listen()
        await ear.ask("subscribe", channels=["interactions", "audit"])
        await ear.ask("unsubscribe", channels=["audit"])
        await client.post("/api/interactions", json=order())
        await ear.until(lambda found: len(found) > 0)
        assert {frame["channel"] for frame in ear.frames} == {"interactions"}


class TestResuming:
    async def test_what_was_missed_comes_once_and_then_what_is_new(
        self, client: httpx.AsyncClient, listen: Listen
    ) -> None:
        first = await listen()
        ack = await first.ask("subscribe", channels=["interactions"], filter="resourceType=ORDER")
        await client.post("/api/interactions", json=order("order-0"))
        await first.until(lambda found: len(found) == 1)
        await first.socket.close()
        for each in range(1, 5):
            await client.post("/api/interactions", json=order(f"order-{each}"))
        for how in ("resume", "subscribe"):
            again = await listen()
            asked = {"channels": ["interactions"], "filter": "resourceType=ORDER"}
            await again.ask(how, lastSeq=first.numbers[0], **asked)
            assert ack["seq"] < first.numbers[0]
            await client.post("/api/interactions", json=order(how))
            await again.until(lambda found, how=how: found and found[-1]["data"]["resourceId"] == how)
            assert [f["data"]["resourceId"] for f in again.frames][:4] == [f"order-{each}" for each in range(1, 5)]
            assert len(set(again.numbers)) == len(again.numbers)

    async def test_every_channel_begins_anew_when_none_is_named(
        self, client: httpx.AsyncClient, listen: Listen
    ) -> None:
        ear = await listen()
        await ear.ask("subscribe", channels=["interactions"])
        await client.post("/api/interactions", json=order())
        seen = len(await ear.until(lambda found: len(found) >= 1))
        await ear.ask("resume", lastSeq=0)
        await ear.until(lambda found: len(found) > seen and found[-1]["seq"] == max(ear.numbers))
        assert min(ear.numbers) == 1

    async def test_a_number_that_was_never_given_is_answered_by_a_reset(self, listen: Listen) -> None:
        ear = await listen()
        await ear.ask("resume", channels=["interactions"], lastSeq=1_000_000)
        while not any(frame["type"] == "reset" for frame in ear.heard):
            await ear.next()
        [reset] = [frame for frame in ear.heard if frame["type"] == "reset"]
        assert reset["data"]["reason"] == "unknown_number"
        assert reset["seq"] < 1_000_000


class TestEntering:
    async def test_nobody_and_who_shows_two_credentials_are_refused(
        self, app: Running, workspace: Tenant, admin: As
    ) -> None:
        token = admin.headers["authorization"].removeprefix("Bearer ")
        assert await refused(app, {}) == (401, "not_authenticated")
        assert await refused(app, {"x-api-key": "pv_no_no"}) == (401, "not_authenticated")
        assert await refused(app, {"x-api-key": workspace.key, **bearer(admin)}) == (400, "two_credentials")
        twice = ["provenance.v1", f"bearer.{token}"]
        assert await refused(app, {"x-api-key": workspace.key}, twice) == (400, "two_credentials")

    async def test_a_browser_shows_its_token_as_a_subprotocol(self, admin: As, listen: Listen) -> None:
        token = admin.headers["authorization"].removeprefix("Bearer ")
        ear = await listen(subprotocols=["provenance.v1", f"bearer.{token}"])
        assert ear.socket.subprotocol == "provenance.v1"
        assert (await ear.ask("ping")) == {"type": "ack", "id": 1}

    async def test_a_key_may_come_as_a_subprotocol_too(self, workspace: Tenant, listen: Listen) -> None:
        ear = await listen(subprotocols=["provenance.v1", f"key.{workspace.key}"])
        assert (await ear.ask("subscribe", channels=["runs"]))["type"] == "ack"

    async def test_one_identity_holds_so_many(self, app: Running, workspace: Tenant, listen: Listen) -> None:
        hub = app.door.framework.state.realtime
        before, hub._most = hub._most, 2
        try:
            await listen()
            await listen()
            assert await refused(app, {"x-api-key": workspace.key}) == (429, "too_many_connections")
        finally:
            hub._most = before


class TestAsking:
    @pytest.mark.parametrize(
        ("message", "code"),
        [
            ({"action": "subscribe", "channels": ["nothing"]}, "unknown_channel"),
            ({"action": "subscribe", "channels": ["runs:wf_1"]}, "unknown_channel"),
            ({"action": "subscribe", "channels": ["uow"]}, "unknown_channel"),
            ({"action": "subscribe", "channels": []}, "invalid_message"),
            ({"action": "subscribe", "channels": ["interactions"], "filter": "page=2"}, "invalid_filter"),
            ({"action": "subscribe", "channels": ["interactions"], "filter": "uowId=x"}, "invalid_filter"),
            ({"action": "subscribe", "channels": ["interactions"], "filter": "where=1 %2B"}, "invalid_expression"),
            ({"action": "subscribe", "channels": ["runs"], "filter": "q=x"}, "invalid_filter"),
            ({"action": "subscribe", "channels": ["interactions"], "sample": 2}, "invalid_message"),
            ({"action": "resume", "channels": ["runs"]}, "invalid_message"),
            ({"action": "auth", "token": "no"}, "not_authenticated"),
            ({"action": "shout"}, "invalid_message"),
            ([], "invalid_message"),
        ],
        ids=str,
    )
    async def test_what_makes_no_sense_is_answered_and_changes_nothing(
        self, listen: Listen, message: Any, code: str
    ) -> None:
        ear = await listen()
        await ear.socket.send(json.dumps(message))
        [frame] = await ear.next()
        assert (frame["type"], frame["code"]) == ("error", code)
        assert (await ear.ask("ping"))["type"] == "ack"

    async def test_a_connection_holds_so_many_channels(self, listen: Listen) -> None:
        ear = await listen()
        some = [f"uow:{ids.new_uuid()}" for _ in range(64)]
        assert (await ear.ask("subscribe", channels=some))["type"] == "ack"
        assert (await ear.ask("subscribe", channels=["runs"]))["code"] == "too_many_channels"

    async def test_channels_ask_for_their_scope_or_role(
        self, make_tenant: MakeTenant, workspace: Tenant, make_as: MakeAs, listen: Listen
    ) -> None:
        narrow = await make_tenant(("runs:read",), into=workspace.id)
        ear = await listen({"x-api-key": narrow.key})
        assert (await ear.ask("subscribe", channels=["runs"]))["type"] == "ack"
        assert (await ear.ask("subscribe", channels=["interactions"]))["code"] == "missing_scope"
        viewer = await listen(bearer(await make_as(Role.VIEWER)))
        assert (await viewer.ask("subscribe", channels=["interactions", "approvals"]))["type"] == "ack"
        assert (await viewer.ask("subscribe", channels=["audit"]))["code"] == "missing_role"


class TestStanding:
    async def test_a_viewer_hears_platform_rows_masked(
        self, app: Running, workspace: Tenant, make_as: MakeAs, listen: Listen
    ) -> None:
        ear = await listen(bearer(await make_as(Role.VIEWER)))
        await ear.ask("subscribe", channels=["interactions"], filter="platform=only&resourceType=RUN")
        await happen(app, workspace, "run.started", RUN)
        [frame] = await ear.until(lambda found: len(found) == 1)
        assert frame["data"]["resourceId"] is None

    async def test_a_lower_role_narrows_the_connection_within_a_second(
        self, app: Running, make_as: MakeAs, listen: Listen
    ) -> None:
        editor = await make_as(Role.EDITOR)
        ear = await listen(bearer(editor))
        await ear.ask("subscribe", channels=["audit", "runs"])
        async with app.ledger.db.housekeeping() as tx:
            sql = "UPDATE members SET role = 'viewer' WHERE person_id = $1"
            await tx.driver_sql(sql, (ids.decode("user", editor.id),))
        async with asyncio.timeout(15):
            while not any(frame["type"] == "error" for frame in ear.heard):
                await ear.next()
        [error] = [frame for frame in ear.heard if frame["type"] == "error"]
        assert (error["code"], error["channel"]) == ("missing_role", "audit")

    async def test_who_is_removed_is_disconnected_within_a_second(
        self, app: Running, make_as: MakeAs, make_tenant: MakeTenant, workspace: Tenant, listen: Listen
    ) -> None:
        person, key = await make_as(Role.EDITOR), await make_tenant(into=workspace.id)
        ears = [await listen(bearer(person)), await listen({"x-api-key": key.key})]
        async with app.ledger.db.housekeeping() as tx:
            sql = "UPDATE members SET status = 'removed' WHERE person_id = $1"
            await tx.driver_sql(sql, (ids.decode("user", person.id),))
            await tx.driver_sql("UPDATE api_keys SET revoked_at = 1 WHERE id = $1", (key.key.split("_")[1],))
        async with asyncio.timeout(15):
            assert [await closed(ear) for ear in ears] == [(4401, "credential_ended")] * 2

    async def test_a_token_that_runs_out_ends_the_connection_unless_it_is_renewed(
        self, app: Running, make_as: MakeAs, listen: Listen
    ) -> None:
        identity: Identity = app.door.framework.state.identity
        person = await make_as(Role.VIEWER)
        long = person.headers["authorization"].removeprefix("Bearer ")
        claims = await identity.signing.verified(long.encode())
        assert claims is not None
        short = {"authorization": f"Bearer {identity.signing.sign({**claims, 'exp': int(time.time()) + 1})}"}
        ends, stays = await listen(short), await listen(short)
        assert (await stays.ask("auth", token=long))["type"] == "ack"
        assert (await closed(ends))[0] == 4401
        assert (await stays.ask("ping"))["type"] == "ack"

    async def test_it_is_renewed_by_the_same_person_only(self, make_as: MakeAs, listen: Listen) -> None:
        one, other = await make_as(Role.VIEWER), await make_as(Role.ADMIN)
        ear = await listen(bearer(one))
        token = other.headers["authorization"].removeprefix("Bearer ")
        assert (await ear.ask("auth", token=token))["code"] == "other_identity"


async def reading(app: Running, workspace: Tenant) -> Line:
    """Return the one connection of a workspace, as the server has it."""
    hub: Hub = app.door.framework.state.realtime
    [line] = [each for each in hub._lines if each.actor.workspace_id == ids.decode("ws", workspace.id)]
    return line


class TestSlowness:
    """8,000 rows of a kilobyte and more come while the client does not read."""

    @pytest.fixture
    async def deaf(self, app: Running, workspace: Tenant) -> AsyncIterator[Ear]:
        headers = {"x-api-key": workspace.key}
        async with connect(ws(app), additional_headers=headers, compression=None, proxy=None, max_queue=1) as socket:
            yield Ear(socket)

    async def flood(self, client: httpx.AsyncClient) -> None:
        many = {"items": [order(f"order-{'x' * 480}-{each}") for each in range(1000)]}
        for _ in range(8):
            assert (await client.post("/api/interactions/batch", json=many)).status_code == 201

    async def test_who_reads_again_soon_gets_everything_once(
        self, app: Running, client: httpx.AsyncClient, workspace: Tenant, deaf: Ear
    ) -> None:
        await deaf.ask("subscribe", channels=["interactions"], filter="resourceType=ORDER")
        await self.flood(client)
        line = await reading(app, workspace)
        async with asyncio.timeout(30):
            while line._live:
                await asyncio.sleep(0.02)
        assert line.outbox._bytes < 1024 * 1024 + 2 * 256 * 1024
        await deaf.until(lambda found: len(found) >= 8000)
        await deaf.ask("ping")
        assert len(deaf.numbers) == 8000
        assert deaf.numbers == sorted(set(deaf.numbers))
        assert not any(frame["type"] == "reset" for frame in deaf.heard)

    async def test_who_does_not_is_told_to_read_anew_and_may_resume(
        self, app: Running, client: httpx.AsyncClient, workspace: Tenant, deaf: Ear
    ) -> None:
        await deaf.ask("subscribe", channels=["interactions"], filter="resourceType=ORDER")
        line = await reading(app, workspace)
        line.patience = 60
        await self.flood(client)
        line.patience = 0.1  # not before: what came after the reset would be heard, and then again
        async with asyncio.timeout(20):
            while not any("reset" in text[:20] for text, _ in line.outbox._waiting):
                await asyncio.sleep(0.02)
        while not any(frame["type"] == "reset" for frame in deaf.heard):
            await deaf.next()
        [reset] = [frame for frame in deaf.heard if frame["type"] == "reset"]
        assert reset["data"] == {"reason": "slow", "channels": ["interactions"]}
        assert reset["seq"] == max(deaf.numbers)
        line.patience = 60
        await deaf.ask("resume", lastSeq=reset["seq"])
        await deaf.until(lambda found: len(found) >= 8000)
        assert len(set(deaf.numbers)) == len(deaf.numbers) == 8000
