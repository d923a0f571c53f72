"""Each kind of target over its real protocol: what arrives, what counts as acknowledged, what is shown of failures."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from provenance.streams.delivering import Deliveries
from provenance.streams.shapes import Syslog
from provenance.streams.targets import splunk_hec, syslog
from tests.conftest import Running
from tests.streams.conftest import Happen, make, rounds, standing
from tests.streams.stand_ins import (
    S3,
    SECRET,
    TOKEN,
    Certificate,
    Hec,
    Hook,
    Otlp,
    SyslogServer,
    deaf,
    make_certificate,
    served,
)


def hec_of(target: Hec, **more: object) -> dict[str, object]:
    return {"kind": "splunk_hec", "url": target.url, "token": TOKEN, "plaintext": True, **more}


class TestSplunk:
    async def test_what_the_indexer_acknowledges_counts(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen
    ) -> None:
        async with served(Hec()) as hec:
            stream = await make(admin, hec_of(hec))
            seqs = await happen(5, risk="high")
            await rounds(worker, near, stream)
            assert hec.seqs[-5:] == seqs
            assert hec.polled[0] == 2
            found = await standing(admin, stream)
        assert found["acknowledgedSeq"] == seqs[-1]
        assert (found["lagRows"], found["lagSeconds"], found["failures"]) == (0, 0, 0)
        assert found["delivered"] == len(hec.events)
        assert "acknowledged" in found["said"]

    async def test_received_is_not_acknowledged(
        self,
        near: Running,
        admin: httpx.AsyncClient,
        worker: Deliveries,
        happen: Happen,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(splunk_hec, "ACK_SECONDS", 0.3)
        async with served(Hec()) as hec:
            hec.polls_before_ack = 1000
            stream = await make(admin, hec_of(hec))
            seqs = await happen(2)
            await rounds(worker, near, stream)
            found = await standing(admin, stream)
            assert (found["state"], found["acknowledgedSeq"] < seqs[0]) == ("failing", True)
            assert "did not acknowledge" in found["said"]
            hec.polls_before_ack = 0
            await rounds(worker, near, stream)
            assert [[event["seq"] for event in batch] for batch in hec.batches] == [hec.seqs, hec.seqs]
            assert (await standing(admin, stream))["acknowledgedSeq"] == seqs[-1]

    async def test_without_acknowledgement_receipt_is_enough(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen
    ) -> None:
        async with served(Hec()) as hec:
            hec.acks = False
            stream = await make(admin, hec_of(hec, ack=False))
            seqs = await happen(1)
            await rounds(worker, near, stream)
            assert hec.seqs[-1:] == seqs

    async def test_a_token_without_acknowledgement_is_said(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen
    ) -> None:
        async with served(Hec()) as hec:
            hec.acks = False
            stream = await make(admin, hec_of(hec))
            await happen(1)
            await rounds(worker, near, stream)
            assert "no ackId" in (await standing(admin, stream))["said"]

    async def test_a_wrong_token_is_said_and_not_shown(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen
    ) -> None:
        async with served(Hec()) as hec:
            hec.fault = lambda: web.json_response({"text": f"Invalid token {TOKEN}x"}, status=403)
            stream = await make(admin, hec_of(hec))
            await happen(1)
            await rounds(worker, near, stream)
            said = (await standing(admin, stream))["said"]
        assert "Invalid token" in said
        assert TOKEN not in said


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def receiver(certificate: Certificate) -> AsyncIterator[SyslogServer]:
    server = SyslogServer()
    await server.start(certificate.server)
    yield server
    await server.stop()


def syslog_of(server: SyslogServer, certificate: Certificate, **more: object) -> dict[str, object]:
    return {
        "kind": "syslog", "host": "localhost", "port": server.port, "caCertificate": certificate.pem, **more
    }  # fmt: skip


MESSAGE = re.compile(
    rb"<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\S+) (\S+) - (\S+) "
    rb'\[provenance@(\d+) ((?:[^"\]]|"(?:\\.|[^"\\])*")*)\] (\{.*\})'
)


class TestSyslog:
    async def test_messages_are_rfc_5424_in_frames_of_rfc_5425(
        self,
        near: Running,
        admin: httpx.AsyncClient,
        worker: Deliveries,
        happen: Happen,
        receiver: SyslogServer,
        certificate: Certificate,
    ) -> None:
        stream = await make(admin, syslog_of(receiver, certificate, appName="ledger"))
        seqs = await happen(3, risk="critical", resource_id='a "quoted\\" ]thing\n', data={"text": "Zoë 🎈\n"})
        await rounds(worker, near, stream)
        assert receiver.seqs[-3:] == seqs
        found = MESSAGE.fullmatch(receiver.messages[-1])
        assert found is not None, receiver.messages[-1]
        priority, _, hostname, app, msgid, enterprise, parameters, body = found.groups()
        assert (priority, hostname, app, msgid, enterprise) == (
            b"106",
            b"provenance",
            b"ledger",
            b"run.started",
            b"32473",
        )
        assert rb'objectId="a \"quoted\\\" \]thing"' in parameters
        assert body.isascii()
        assert json.loads(body)["detail"] == {"text": "Zoë 🎈\n"}
        assert (await standing(admin, stream))["acknowledgedSeq"] == seqs[-1]

    async def test_a_receiver_that_dies_acknowledges_nothing(
        self,
        near: Running,
        admin: httpx.AsyncClient,
        worker: Deliveries,
        happen: Happen,
        receiver: SyslogServer,
        certificate: Certificate,
    ) -> None:
        stream = await make(admin, syslog_of(receiver, certificate))
        receiver.dies_after = 100
        seqs = await happen(200, data={"text": "x" * 2000})
        await rounds(worker, near, stream)
        found = await standing(admin, stream)
        assert (found["failures"], found["lagRows"]) == (1, 201), found  # and that the stream was made
        receiver.dies_after = None
        await rounds(worker, near, stream)
        assert receiver.seqs[-200:] == seqs

    async def test_one_that_never_confirms_acknowledges_nothing(
        self,
        near: Running,
        admin: httpx.AsyncClient,
        worker: Deliveries,
        happen: Happen,
        certificate: Certificate,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(syslog, "CLOSING_SECONDS", 0.3)
        with deaf(certificate.server) as port:
            target = {"kind": "syslog", "host": "localhost", "port": port, "caCertificate": certificate.pem}
            stream = await make(admin, target)
            await happen(1)
            await rounds(worker, near, stream)
        assert "did not confirm" in (await standing(admin, stream))["said"]

    async def test_a_certificate_of_nobody_known_is_refused(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen, receiver: SyslogServer
    ) -> None:
        stream = await make(admin, {"kind": "syslog", "host": "localhost", "port": receiver.port})
        await happen(1)
        await rounds(worker, near, stream)
        assert "certificate is not accepted" in (await standing(admin, stream))["said"]
        assert receiver.messages == []

    async def test_without_tls_only_when_told(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen
    ) -> None:
        server = SyslogServer()
        await server.start(None)
        target = {"kind": "syslog", "host": "127.0.0.1", "port": server.port, "plaintext": True}
        stream = await make(admin, target)
        seqs = await happen(2)
        await rounds(worker, near, stream)
        assert server.seqs[-2:] == seqs
        await server.stop()

    async def test_a_long_event_goes_without_its_details_and_says_so(
        self,
        near: Running,
        admin: httpx.AsyncClient,
        worker: Deliveries,
        happen: Happen,
        receiver: SyslogServer,
        certificate: Certificate,
    ) -> None:
        stream = await make(admin, syslog_of(receiver, certificate, maxBytes=4096))
        await happen(1, data={"text": "ö" * 3000})
        await rounds(worker, near, stream)
        assert (receiver.events[-1]["truncated"], receiver.events[-1]["detail"]) == (True, {})
        assert all(len(message) <= 4096 for message in receiver.messages)

    def test_what_is_no_certificate_is_refused_at_once(self) -> None:
        with pytest.raises(ValueError, match="no certificate"):
            Syslog.model_validate({"kind": "syslog", "host": "h", "caCertificate": "-----BEGIN NOTHING-----"})


class TestOtlp:
    async def test_records_arrive_with_severity_and_attributes(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen
    ) -> None:
        async with served(Otlp()) as otlp:
            target = {"kind": "otlp", "url": otlp.url, "headers": {"x-api-token": TOKEN}, "plaintext": True}
            stream = await make(admin, target)
            seqs = await happen(2, risk="medium")
            await rounds(worker, near, stream)
        assert otlp.seqs[-2:] == seqs
        [resource] = otlp.asked["resourceLogs"]
        assert {"key": "service.name", "value": {"stringValue": "provenance"}} in resource["resource"]["attributes"]
        record = resource["scopeLogs"][0]["logRecords"][-1]
        assert (record["severityText"], record["eventName"]) == ("WARN", "run.started")
        assert {"key": "provenance.event.seq", "value": {"intValue": str(seqs[-1])}} in record["attributes"]

    async def test_what_a_collector_throws_away_is_counted_and_not_sent_again(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen
    ) -> None:
        async with served(Otlp()) as otlp:
            otlp.rejected = 1
            target = {"kind": "otlp", "url": otlp.url, "headers": {"x-api-token": TOKEN}, "plaintext": True}
            stream = await make(admin, target)
            seqs = await happen(2)
            await rounds(worker, near, stream, 2)
            found = await standing(admin, stream)
        assert (found["refused"], found["acknowledgedSeq"]) == (1, seqs[-1])
        assert "quota of •••" in found["said"]


class TestObjects:
    async def test_a_folder_holds_objects_named_by_their_numbers(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen
    ) -> None:
        stream = await make(admin, {"kind": "object_store", "url": "local://lake", "everySeconds": 0})
        seqs = await happen(3)
        await rounds(worker, near, stream)
        folder: Path = near.ledger.settings.data_dir / "streams" / stream["createdBy"]
        [path] = (near.ledger.settings.data_dir / "streams").glob("*/lake/*.ndjson")
        assert not folder.exists()
        events = [json.loads(line) for line in path.read_text().splitlines()]
        assert [event["seq"] for event in events][-3:] == seqs
        assert path.name == f"{events[0]['seq']:020d}-{seqs[-1]:020d}.ndjson"
        path.unlink()

    async def test_an_object_waits_to_be_full(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen
    ) -> None:
        async with served(S3()) as s3:
            target = {
                "kind": "object_store", "url": "s3://bucket/some/where", "endpoint": s3.url, "plaintext": True,
                "accessKeyId": "AKIA", "secretAccessKey": TOKEN, "everySeconds": 3600,
            }  # fmt: skip
            stream = await make(admin, target, filter={"domains": ["run"]})
            await happen(499)
            await rounds(worker, near, stream)
            assert s3.objects == {}
            assert (await standing(admin, stream))["lagRows"] == 499
            await happen(2)
            await rounds(worker, near, stream)
            [(path, body)] = s3.objects.items()
        assert path.startswith("/bucket/some/where/ws_")
        assert len(body.splitlines()) == 500


class TestWebhook:
    async def test_lines_are_signed_and_a_repeat_can_be_told(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen
    ) -> None:
        async with served(Hook()) as hook:
            target = {"kind": "webhook", "url": f"{hook.url}/in", "secret": SECRET, "plaintext": True}
            stream = await make(admin, target)
            seqs = await happen(2)
            hook.late_fault = lambda: web.Response(status=502)
            await rounds(worker, near, stream)
            hook.late_fault = lambda: None
            await happen(2)
            await rounds(worker, near, stream, 2)
        assert hook.seqs == [seqs[0] - 1, *seqs, seqs[0] - 1, *seqs, seqs[-1] + 1, seqs[-1] + 2]
        deliveries = [request.headers["x-provenanceone-delivery"] for request in hook.requests]
        assert deliveries[0] == deliveries[1] != deliveries[2]

    async def test_a_redirect_is_no_acknowledgement(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen
    ) -> None:
        async with served(Hook()) as hook:
            hook.fault = lambda: web.Response(status=307, headers={"location": "/elsewhere"})
            target = {"kind": "webhook", "url": hook.url, "secret": SECRET, "plaintext": True}
            stream = await make(admin, target)
            await happen(1)
            await rounds(worker, near, stream)
            assert "status 307" in (await standing(admin, stream))["said"]


class TestEgress:
    async def test_the_inside_of_the_network_is_out_of_reach(
        self, app: Running, near: Running, admin: httpx.AsyncClient, happen: Happen
    ) -> None:
        """The run's first server allows nothing: its worker's side is refused where the second one's passes."""
        from provenance.core.egress import Egress

        egress = Egress(app.ledger.settings.egress_allow)
        worker = Deliveries(app.ledger, egress)
        server = SyslogServer()
        await server.start(None)
        made = [
            await make(admin, {"kind": "syslog", "host": host, "port": server.port, "plaintext": True}, name=host)
            for host in ("127.0.0.1", "localhost")
        ]
        await happen(1)
        for stream in made:
            await rounds(worker, app, stream)
            assert "PROVENANCE_EGRESS_ALLOW" in (await standing(admin, stream))["said"]
        assert server.messages == []
        await egress.close()
        await server.stop()
