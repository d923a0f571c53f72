"""Setting streams up over HTTP: who may, what is refused, what is shown, what is recorded."""

from typing import Any

import httpx
import pytest
from aiohttp import web

from provenance.streams.delivering import Deliveries
from tests.conftest import Running
from tests.streams.conftest import Happen, Stream, make, rounds, standing
from tests.streams.stand_ins import SECRET, TOKEN, Hook, served

FAR = "https://siem.example.com"
HEC: dict[str, Any] = {"kind": "splunk_hec", "url": FAR, "token": TOKEN}
HOOK: dict[str, Any] = {"kind": "webhook", "url": FAR, "secret": SECRET}


async def latest(admin: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await admin.get("/audit", params={"domain": "workspace", "limit": 1})).json()["items"][0]
    return found


class TestAccess:
    async def test_a_key_reads_and_writes_nothing(self, admin: httpx.AsyncClient, reader: httpx.AsyncClient) -> None:
        made = await make(admin, HEC)
        path = f"/audit/streams/{made['streamId']}"
        assert (await reader.get(path)).json()["name"] == "siem"
        assert [each["streamId"] for each in (await reader.get("/audit/streams")).json()["items"]] == [made["streamId"]]
        answers = [
            await reader.post("/audit/streams", json={"name": "x", "target": HEC}),
            await reader.patch(path, json={"paused": True}),
            await reader.delete(path),
            await reader.post(f"{path}/test"),
            await reader.post(f"{path}/replay", json={"fromSeq": 1}),
        ]
        assert [answer.status_code for answer in answers] == [403] * 5

    async def test_streams_of_another_workspace_are_not_there(
        self, near: Running, admin: httpx.AsyncClient, client: httpx.AsyncClient
    ) -> None:
        made = await make(admin, HEC)
        answer = await client.get(f"/audit/streams/{made['streamId']}")
        assert (answer.status_code, answer.json()["code"]) == (404, "stream_not_found")
        assert (await client.get("/audit/streams")).json() == {"items": [], "nextCursor": None}


class TestCreate:
    @pytest.mark.parametrize(
        ("target", "secret"),
        [
            (HEC, "hasToken"),
            (HOOK, "hasSecret"),
            ({"kind": "otlp", "url": FAR, "headers": {"authorization": TOKEN}}, "hasHeaders"),
            (
                {"kind": "object_store", "url": "s3://bucket/x", "accessKeyId": "AKIA", "secretAccessKey": TOKEN},
                "hasSecretAccessKey",
            ),
        ],
    )
    async def test_secrets_are_kept_and_never_shown(
        self, near: Running, admin: httpx.AsyncClient, target: dict[str, Any], secret: str
    ) -> None:
        made = await make(admin, target)
        answers = [
            await admin.get(f"/audit/streams/{made['streamId']}"),
            await admin.get("/audit/streams"),
            await admin.get("/audit"),
            await admin.patch(f"/audit/streams/{made['streamId']}", json={"name": "other"}),
        ]
        assert made["target"][secret] is True
        assert not any("canary" in answer.text for answer in answers)
        async with near.ledger.db.housekeeping() as tx:
            rows = (await tx.driver_sql("SELECT s::text FROM audit_streams AS s")).scalars().all()
        assert "canary" not in str(rows)

    async def test_it_begins_with_what_comes_next(self, admin: httpx.AsyncClient, happen: Happen) -> None:
        seqs = await happen(3)
        made = await make(admin, HEC)
        assert made["standing"]["acknowledgedSeq"] == seqs[-1]
        assert made["standing"]["state"] == "running"
        event = await latest(admin)
        assert (event["eventType"], event["risk"], event["objectId"]) == (
            "audit_stream.created",
            "high",
            made["streamId"],
        )

    async def test_or_where_it_is_told(self, admin: httpx.AsyncClient) -> None:
        assert (await make(admin, HEC, fromSeq=1))["standing"]["acknowledgedSeq"] == 0

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"name": "", "target": HEC}, "name"),
            ({"name": "x", "target": {**HEC, "kind": "fax"}}, "target"),
            ({"name": "x", "target": {**HEC, "url": "http://siem.example.com"}}, "target.splunk_hec"),
            ({"name": "x", "target": {**HEC, "url": "https://u:p@siem.example.com"}}, "target.splunk_hec"),
            ({"name": "x", "target": {**HEC, "url": f"{FAR}?token=x"}}, "target.splunk_hec"),
            ({"name": "x", "target": {**HEC, "url": "file:///etc/passwd"}}, "target.splunk_hec"),
            ({"name": "x", "target": {**HEC, "token": "a\r\nb"}}, "target.splunk_hec.token"),
            ({"name": "x", "target": {**HEC, "token": None}}, "target.token"),
            ({"name": "x", "target": {**HOOK, "secret": "short"}}, "target.webhook.secret"),
            ({"name": "x", "target": {"kind": "syslog", "host": "h", "port": 0}}, "target.syslog.port"),
            ({"name": "x", "target": {"kind": "object_store", "url": "local://../x"}}, "target.object_store.url"),
            ({"name": "x", "target": {"kind": "object_store", "url": "s3://bucket/../x"}}, "target.object_store"),
            ({"name": "x", "target": {"kind": "object_store", "url": "s3://bucket"}}, "target.object_store"),
            ({"name": "x", "target": {"kind": "otlp", "url": FAR, "headers": {"host": "x"}}}, "target.otlp"),
            ({"name": "x", "target": HEC, "filter": {"minRisk": "huge"}}, "filter.minRisk"),
            ({"name": "x", "target": HEC, "filter": {"eventTypes": ["RUN"]}}, "filter.eventTypes[0]"),
            ({"name": "x", "target": HEC, "fromSeq": 10**9}, "fromSeq"),
        ],
    )
    async def test_what_can_not_be_is_refused_where_it_is(
        self, admin: httpx.AsyncClient, body: dict[str, Any], path: str
    ) -> None:
        answer = await admin.post("/audit/streams", json=body)
        assert answer.status_code == 400, answer.text
        assert answer.json()["details"][0]["path"] == path
        assert "canary" not in answer.text

    async def test_a_name_is_taken_once(self, admin: httpx.AsyncClient) -> None:
        await make(admin, HEC)
        answer = await admin.post("/audit/streams", json={"name": "siem", "target": HOOK})
        assert (answer.status_code, answer.json()["code"]) == (409, "stream_name_taken")

    async def test_there_are_so_many_at_most(self, admin: httpx.AsyncClient) -> None:
        for number in range(20):
            await make(admin, HEC, name=str(number))
        answer = await admin.post("/audit/streams", json={"name": "one more", "target": HEC})
        assert (answer.status_code, answer.json()["code"]) == (409, "too_many_streams")


class TestUpdate:
    async def change(self, admin: httpx.AsyncClient, made: Stream, **body: Any) -> httpx.Response:
        return await admin.patch(f"/audit/streams/{made['streamId']}", json=body)

    async def test_each_member_alone(self, admin: httpx.AsyncClient) -> None:
        made = await make(admin, HEC)
        paused = (await self.change(admin, made, paused=True)).json()
        assert (paused["paused"], paused["standing"]["state"], paused["name"]) == (True, "paused", "siem")
        event = await latest(admin)
        assert (event["eventType"], event["changes"]) == (
            "audit_stream.updated",
            [{"field": "paused", "before": False, "after": True}],
        )
        narrowed = (await self.change(admin, made, filter={"minRisk": "high"})).json()
        assert narrowed["filter"] == {"domains": [], "eventTypes": [], "minRisk": "high"}
        assert narrowed["paused"] is True
        assert (await self.change(admin, made, filter=None)).json()["filter"]["minRisk"] is None

    async def test_nothing_changed_is_nothing_recorded(self, admin: httpx.AsyncClient) -> None:
        made = await make(admin, HEC)
        before = (await latest(admin))["seq"]
        assert (await self.change(admin, made, name="siem", paused=False)).status_code == 200
        assert (await latest(admin))["seq"] == before

    async def test_a_secret_stays_at_its_place_and_goes_nowhere_else(self, admin: httpx.AsyncClient) -> None:
        made = await make(admin, HEC)
        same = {"kind": "splunk_hec", "url": f"{FAR}/", "index": "audit"}
        assert (await self.change(admin, made, target=same)).json()["target"]["hasToken"] is True
        moved = await self.change(admin, made, target={**same, "url": "https://evil.example.com"})
        assert (moved.status_code, moved.json()["code"]) == (400, "target_secret_needed")
        other = await self.change(admin, made, target={"kind": "webhook", "url": FAR})
        assert other.json()["details"][0]["path"] == "target.secret"
        assert (
            await self.change(admin, made, target={**same, "url": "https://new.example.com", "token": "t"})
        ).is_success

    async def test_optional_secrets_do_not_move_either(self, admin: httpx.AsyncClient) -> None:
        made = await make(admin, {"kind": "otlp", "url": FAR, "headers": {"authorization": TOKEN}})
        moved = await self.change(admin, made, target={"kind": "otlp", "url": "https://evil.example.com"})
        assert moved.json()["target"]["hasHeaders"] is False

    async def test_another_ones_name_is_taken(self, admin: httpx.AsyncClient) -> None:
        await make(admin, HEC)
        other = await make(admin, HEC, name="other")
        assert (await self.change(admin, other, name="siem")).json()["code"] == "stream_name_taken"


class TestDelete:
    async def test_it_is_gone_and_that_is_recorded(self, admin: httpx.AsyncClient) -> None:
        made = await make(admin, HEC)
        path = f"/audit/streams/{made['streamId']}"
        assert (await admin.delete(path)).json() == {"streamId": made["streamId"], "deleted": True}
        assert (await admin.get(path)).status_code == 404
        assert (await admin.delete(path)).status_code == 404
        assert (await latest(admin))["eventType"] == "audit_stream.deleted"


class TestTest:
    async def test_one_event_goes_out_and_what_comes_back_is_answered(self, admin: httpx.AsyncClient) -> None:
        async with served(Hook()) as hook:
            made = await make(admin, {**HOOK, "url": hook.url, "plaintext": True})
            found = (await admin.post(f"/audit/streams/{made['streamId']}/test")).json()
        assert (found["ok"], found["said"]) == (True, "The target answered with the status 200.")
        [event] = hook.events
        assert (event["eventType"], event["seq"], event["detail"]) == ("audit_stream.tested", 0, {"test": True})
        recorded = await latest(admin)
        assert (recorded["eventType"], recorded["outcome"]) == ("audit_stream.tested", "ok")

    async def test_a_refusal_is_answered_without_the_secret(self, admin: httpx.AsyncClient) -> None:
        async with served(Hook()) as hook:
            hook.fault = lambda: web.Response(status=418, text=f"I got {SECRET}")
            made = await make(admin, {**HOOK, "url": hook.url, "plaintext": True})
            found = (await admin.post(f"/audit/streams/{made['streamId']}/test")).json()
        assert (found["ok"], found["said"]) == (False, "The target answered with the status 418: I got •••.")
        assert (await latest(admin))["outcome"] == "error"

    async def test_nobody_there(self, admin: httpx.AsyncClient) -> None:
        made = await make(admin, {**HOOK, "url": "http://127.0.0.1:1", "plaintext": True})
        found = (await admin.post(f"/audit/streams/{made['streamId']}/test")).json()
        assert (found["ok"], found["said"]) == (False, "127.0.0.1 can't be reached: the connection is refused.")


class TestReplay:
    async def test_it_goes_on_from_a_number(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen
    ) -> None:
        async with served(Hook()) as hook:
            made = await make(admin, {**HOOK, "url": hook.url, "plaintext": True}, filter={"domains": ["run"]})
            seqs = await happen(3)
            await rounds(worker, near, made)
            assert hook.seqs == seqs
            answer = await admin.post(f"/audit/streams/{made['streamId']}/replay", json={"fromSeq": seqs[1]})
            assert answer.json()["standing"]["acknowledgedSeq"] == seqs[0]
            assert answer.json()["standing"]["lagRows"] == 2
            assert answer.json()["standing"]["lagSeconds"] > 0
            await rounds(worker, near, made)
            assert hook.seqs == [*seqs, *seqs[1:]]
            head = (await standing(admin, made))["headSeq"]
            path = f"/audit/streams/{made['streamId']}/replay"
            assert (await admin.post(path, json={"fromSeq": head + 2})).json()["code"] == "no_such_number"
            await happen(2)
            assert (await admin.post(path, json={"fromSeq": head + 3})).status_code == 200  # past the two
            await rounds(worker, near, made)
            assert hook.seqs == [*seqs, *seqs[1:]]
