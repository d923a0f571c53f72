"""Targets of the loopback that speak the real protocols: Splunk's collector, syslog over TLS, OTLP, S3, a webhook."""

import asyncio
import contextlib
import hmac
import json
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TOKEN = "canary-0b6e2d4c-token"
SECRET = "canary-a-webhook-secret"

T = TypeVar("T", bound="HttpTarget")
Fault = Callable[[], web.Response | None]


def no_fault() -> web.Response | None:
    return None


@dataclass
class HttpTarget:
    """What all of them keep: the events that they have acknowledged, in order, repeats and all."""

    url: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    requests: list[web.Request] = field(default_factory=list)
    fault: Fault = no_fault
    """Answers instead of the target, or None; called before anything is kept."""
    late_fault: Fault = no_fault
    """Answers instead of the target after it has kept what it was sent."""
    stuck: asyncio.Event | None = None

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.events]

    async def serve(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        if self.stuck is not None:
            await self.stuck.wait()
        body = await request.read()
        return self.fault() or self.take(request, body)

    def take(self, request: web.Request, body: bytes) -> web.Response:
        raise NotImplementedError

    def keep(self, events: list[dict[str, Any]]) -> web.Response | None:
        self.events += events
        return self.late_fault()


class Hec(HttpTarget):
    """Splunk's HTTP Event Collector: indexes a moment after it receives, acknowledges what it has indexed."""

    polls_before_ack: int = 1
    acks: bool = True

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[dict[str, Any]]] = []
        self.channels: set[str] = set()
        self.polled: dict[int, int] = {}

    def take(self, request: web.Request, body: bytes) -> web.Response:
        if request.headers.get("authorization") != f"Splunk {TOKEN}":
            return web.json_response({"text": "Invalid token", "code": 4}, status=403)
        if request.path == "/services/collector/ack":
            return self._ack(request, body)
        assert request.path == "/services/collector/event"
        return self._event(request, body)

    def _event(self, request: web.Request, body: bytes) -> web.Response:
        channel = request.headers.get("x-splunk-request-channel")
        if self.acks and channel is None:
            return web.json_response({"text": "Data channel is missing", "code": 10}, status=400)
        found, decoder, text = [], json.JSONDecoder(), body.decode()
        while text:
            event, end = decoder.raw_decode(text)
            found.append(event)
            text = text[end:].lstrip()
        assert all(isinstance(event["time"], float | int) and event["sourcetype"] for event in found)
        if not self.acks:
            return self.keep([each["event"] for each in found]) or web.json_response({"text": "Success", "code": 0})
        assert channel is not None
        self.channels.add(channel)
        self.batches.append([each["event"] for each in found])
        return web.json_response({"text": "Success", "code": 0, "ackId": len(self.batches) - 1})

    def _ack(self, request: web.Request, body: bytes) -> web.Response:
        assert request.query["channel"] in self.channels
        answer = {}
        for ack in json.loads(body)["acks"]:
            self.polled[ack] = self.polled.get(ack, 0) + 1
            answer[str(ack)] = self.polled[ack] > self.polls_before_ack
            if self.polled[ack] == self.polls_before_ack + 1:
                late = self.keep(self.batches[ack])
                if late is not None:
                    return late
        return web.json_response({"acks": answer})


class Otlp(HttpTarget):
    """An OpenTelemetry collector that takes logs as JSON."""

    rejected: int = 0

    def take(self, request: web.Request, body: bytes) -> web.Response:
        assert request.path == "/v1/logs"
        assert request.content_type == "application/json"
        if request.headers.get("x-api-token") != TOKEN:
            return web.json_response({"message": "unknown token"}, status=401)
        self.asked = json.loads(body)
        [resource] = self.asked["resourceLogs"]
        [scope] = resource["scopeLogs"]
        records = scope["logRecords"]
        assert all(record["timeUnixNano"].isdigit() and 1 <= record["severityNumber"] <= 24 for record in records)
        late = self.keep([json.loads(record["body"]["stringValue"]) for record in records])
        partial = {"rejectedLogRecords": str(self.rejected), "errorMessage": f"quota of {TOKEN}"}
        return late or web.json_response({"partialSuccess": partial} if self.rejected else {})


class Hook(HttpTarget):
    """A webhook that checks the signature over the raw body."""

    def take(self, request: web.Request, body: bytes) -> web.Response:
        signed = request.headers["x-provenanceone-timestamp"].encode() + b"." + body
        expected = hmac.digest(SECRET.encode(), signed, "sha256").hex()
        assert hmac.compare_digest(request.headers["x-provenanceone-signature"], expected)
        events = [json.loads(line) for line in body.splitlines()]
        return self.keep(events) or web.Response(text="thanks")


class S3(HttpTarget):
    """An object store that takes signed puts."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, bytes] = {}

    def take(self, request: web.Request, body: bytes) -> web.Response:
        assert request.method == "PUT"
        assert request.query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
        assert len(request.query["X-Amz-Signature"]) == 64
        assert TOKEN not in str(request.url)
        self.objects[request.path] = body
        return self.keep([json.loads(line) for line in body.splitlines()]) or web.Response()


@asynccontextmanager
async def served(target: T, tls: ssl.SSLContext | None = None) -> AsyncIterator[T]:
    """Serve a target on a port of the loopback."""
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", target.serve)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    target.url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield target
    finally:
        await runner.cleanup()


@dataclass(frozen=True)
class Certificate:
    """A throw-away certificate for localhost that is its own authority."""

    pem: str
    server: ssl.SSLContext


def make_certificate(folder: Path, name: str = "localhost") -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "certificate.pem").write_bytes(pem + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem")
    return Certificate(pem.decode(), context)


class SyslogServer:
    """A receiver of octet-counted frames. ``dies_after`` bytes it resets the connection."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.port = 0
        self.dies_after: int | None = None
        self._server: asyncio.Server | None = None

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(message[message.index(b"] {") + 2 :]) for message in self.messages]

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.events]

    async def start(self, tls: ssl.SSLContext | None) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.dies_after is not None:
            await reader.read(self.dies_after)
            writer.transport.abort()
            return
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                self.messages.append(await reader.readexactly(int(await reader.readuntil(b" "))))
        writer.close()


@contextlib.contextmanager
def deaf(tls: ssl.SSLContext) -> Iterator[int]:
    """A port of a receiver that shakes hands and then reads nothing: what is sent stays in the system's buffers."""
    done = threading.Event()

    def serve(listening: socket.socket) -> None:
        with listening.accept()[0] as taken, tls.wrap_socket(taken, server_side=True):
            done.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            done.set()
            thread.join()
