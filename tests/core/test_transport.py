"""TLS, proxies and the headers of every answer: what is believed of a request, and what is refused at the start."""

import asyncio
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from provenance.core.express import ExpressProtocol
from provenance.core.settings import Settings
from provenance.core.transport import Proxies, Seen, is_loopback, objection, tls_context
from provenance.up.processes import WRONG_SETTINGS
from tests.conftest import MakeTenant, Running, Tenant

PROXIES = Proxies([ip_network("10.0.0.0/8"), ip_network("fd00::/8"), ip_network("127.0.0.1/32")])
BODY = {"resourceId": "r-1", "resourceType": "USER", "action": "CREATE", "origin": "WEBAPP"}
EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
}


def forwarded(*addresses: str, proto: str | None = None, host: str | None = None) -> list[tuple[bytes, bytes]]:
    """Headers as proxies write them: one line for each argument."""
    lines = [(b"x-forwarded-for", address.encode()) for address in addresses]
    lines += [(b"x-forwarded-proto", proto.encode())] if proto is not None else []
    return lines + ([(b"x-forwarded-host", host.encode())] if host is not None else [])


class TestProxies:
    def test_nobody_else_is_believed(self) -> None:
        said = forwarded("1.2.3.4", proto="https", host="evil.example")
        assert PROXIES.seen("8.8.8.8", "http", said) == Seen("8.8.8.8", "http")
        assert Proxies().seen("127.0.0.1", "http", said) == Seen("127.0.0.1", "http")
        assert Proxies().seen(None, "http", said) == Seen(None, "http")

    @pytest.mark.parametrize(
        ("said", "client"),
        [
            (["1.2.3.4"], "1.2.3.4"),
            (["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            (["6.6.6.6", "1.2.3.4"], "1.2.3.4"),
            (["6.6.6.6", "1.2.3.4, 10.9.9.9"], "1.2.3.4"),
            (["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
            (["1.2.3.4:5678"], "1.2.3.4"),
            (["[2001:db8::7]:443"], "2001:db8::7"),
            (["2001:DB8:0::7"], "2001:db8::7"),
            (['"[2001:db8::7]"'], "2001:db8::7"),
            (["::ffff:1.2.3.4"], "1.2.3.4"),
            (["1.2.3.4, ::ffff:10.0.0.9"], "1.2.3.4"),
            (["1.2.3.4, unknown"], "10.0.0.1"),
            (["1.2.3.4, fd00::1, junk, fd00::2"], "fd00::2"),
            ([""], "10.0.0.1"),
            ([], "10.0.0.1"),
        ],
    )
    def test_the_rightmost_address_that_is_no_proxy_is_the_client(self, said: list[str], client: str) -> None:
        assert PROXIES.seen("10.0.0.1", "http", forwarded(*said)).client_ip == client

    @pytest.mark.parametrize(
        ("said", "proto", "scheme"),
        [
            ("1.2.3.4", "https", "https"),
            ("1.2.3.4", "HTTPS", "https"),
            ("1.2.3.4", "wss", "https"),
            ("1.2.3.4", "https, http", "http"),
            ("1.2.3.4, 10.0.0.2", "https, http", "https"),
            ("1.2.3.4, 10.0.0.2", "http, https, http", "https"),
            ("6.6.6.6, 1.2.3.4", "https, http", "http"),
            ("1.2.3.4, 10.0.0.2", "https", "https"),
            ("1.2.3.4", "gopher", "http"),
            ("1.2.3.4", "", "http"),
        ],
    )
    def test_the_scheme_is_what_the_clients_own_proxy_saw(self, said: str, proto: str, scheme: str) -> None:
        assert PROXIES.seen("10.0.0.1", "http", forwarded(said, proto=proto)).scheme == scheme

    @pytest.mark.parametrize(
        ("host", "kept"),
        [("a.example", b"a.example"), ("a.example:8443", b"a.example:8443"), ("a b", None), ("a/b", None), ("", None)],
    )
    def test_the_host_is_one_or_none(self, host: str, kept: bytes | None) -> None:
        assert PROXIES.seen("10.0.0.1", "http", forwarded("1.2.3.4", host=host)).host == kept

    @given(st.lists(st.text(max_size=12)), st.ip_addresses().filter(lambda ip: not PROXIES.trusts(str(ip))))
    def test_whatever_a_client_writes_it_does_not_choose_its_address(self, lies: list[str], own: Any) -> None:
        line = b", ".join([*(lie.encode() for lie in lies), str(own).encode()])
        found = PROXIES.seen("10.0.0.1", "http", [(b"x-forwarded-for", line)]).client_ip
        mapped = getattr(own, "ipv4_mapped", None)
        assert found is not None
        assert ip_address(found) == (mapped or own)

    def test_a_scope_is_corrected_in_place(self) -> None:
        headers = [(b"host", b"inside:7300"), *forwarded("1.2.3.4", proto="https", host="outside.example")]
        scope: dict[str, Any] = {"type": "websocket", "scheme": "ws", "client": ("10.0.0.1", 5), "headers": headers}
        PROXIES.correct(scope)
        assert (scope["client"], scope["scheme"]) == (("1.2.3.4", 0), "wss")
        assert dict(scope["headers"])[b"host"] == b"outside.example"


class TestObjection:
    def settings(self, **given: Any) -> Settings:
        return Settings(database_url="postgresql://nowhere/x", **given)

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LocalHost"])
    def test_the_loopback_may_be_plain(self, host: str) -> None:
        assert is_loopback(host)
        assert objection(self.settings(host=host)) is None

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "pv.example", "", "localhost.evil.example"])
    def test_elsewhere_something_must_speak_for_it(self, host: str) -> None:
        said = objection(self.settings(host=host))
        assert said is not None
        for name in ("PROVENANCE_TLS_CERT", "PROVENANCE_TRUSTED_PROXIES", "PROVENANCE_ALLOW_PLAIN_HTTP=1"):
            assert name in said
        assert objection(self.settings(host=host, allow_plain_http=True)) is None
        assert objection(self.settings(host=host, trusted_proxies=["10.0.0.0/8"])) is None

    def test_certificate_and_key_are_a_pair_that_fits(self, pair: tuple[Path, Path], tmp_path: Path) -> None:
        cert, key = pair
        assert objection(self.settings(host="0.0.0.0", tls_cert=cert, tls_key=key)) is None
        assert "belong together" in str(objection(self.settings(tls_cert=cert)))
        missing = objection(self.settings(tls_cert=cert, tls_key=tmp_path / "none"))
        assert missing is not None
        assert "No such file" in missing
        other = make_pair(tmp_path)[1]
        assert "can't be used" in str(objection(self.settings(tls_cert=cert, tls_key=other)))

    def test_serve_says_so_and_does_not_start(self, tmp_path: Path) -> None:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PROVENANCE_")},
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing",
            "PROVENANCE_HOST": "0.0.0.0",
            "PROVENANCE_DATA_DIR": str(tmp_path),
        }
        command = [sys.executable, "-m", "provenance.up", "serve"]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert ended.returncode == WRONG_SETTINGS
        assert ended.stderr.startswith("error: 0.0.0.0 can be reached from other machines")

    def test_networks_are_checked_with_the_settings(self) -> None:
        with pytest.raises(ValueError, match="trusted_proxies"):
            self.settings(trusted_proxies=["proxy.example"])


def make_pair(folder: Path) -> tuple[Path, Path]:
    """Write a certificate of localhost, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    kind, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, none))
    return paths


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_pair(tmp_path_factory.mktemp("tls"))


class TestEncrypted:
    @pytest.fixture
    async def encrypted(self, app: Running, pair: tuple[Path, Path]) -> AsyncIterator[str]:
        """The run's server a second time, over TLS."""
        config = uvicorn.Config(
            app.door,
            port=0,
            loop="none",
            lifespan="off",
            http=ExpressProtocol,
            ws="none",
            log_config=None,
            proxy_headers=False,
            ssl_context_factory=lambda *_: tls_context(*pair),
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"https://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True
        await serving

    async def test_answers_on_every_way_and_asks_for_nothing_else(
        self, encrypted: str, workspace: Tenant, pair: tuple[Path, Path]
    ) -> None:
        trusting = ssl.create_default_context(cafile=str(pair[0]))
        key = {"x-api-key": workspace.key}
        async with httpx.AsyncClient(base_url=encrypted, headers=key, verify=trusting, timeout=30) as client:
            for _ in range(3):  # the first makes the words, the next ones take the express
                answer = await client.post("/api/interactions", json=BODY)
                assert answer.status_code == 201
                assert answer.headers["strict-transport-security"] == "max-age=31536000"
            assert (await client.get("/api/interactions")).headers["strict-transport-security"]

    async def test_nothing_older_than_1_2(self, encrypted: str, pair: tuple[Path, Path]) -> None:
        port = int(encrypted.rsplit(":", 1)[1])
        agreed = []
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.create_default_context(cafile=str(pair[0]))
            context.minimum_version = context.maximum_version = version
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            agreed.append(writer.get_extra_info("ssl_object").version())
            writer.close()
            await writer.wait_closed()
        assert agreed == ["TLSv1.2", "TLSv1.3"]
        assert tls_context(*pair).minimum_version is ssl.TLSVersion.TLSv1_2
        assert all(
            "ECDHE" in each["name"] or each["protocol"] == "TLSv1.3" for each in tls_context(*pair).get_ciphers()
        )

    async def test_plain_http_gets_no_answer(self, encrypted: str) -> None:
        async with httpx.AsyncClient(timeout=30) as client:
            with pytest.raises(httpx.TransportError):
                await client.get(encrypted.replace("https:", "http:") + "/healthz")


class TestBehindAProxy:
    """The run's server believes 127.0.0.1."""

    async def test_every_way_records_the_client(self, client: httpx.AsyncClient) -> None:
        said = {"x-forwarded-for": "6.6.6.6, 203.0.113.9", "x-forwarded-proto": "https"}
        for _ in range(3):
            made = await client.post("/api/interactions", json=BODY, headers=said)
            assert made.headers["strict-transport-security"]
            row = (await client.get(f"/api/interactions/{made.json()['interactionId']}", headers=said)).json()
            assert row["ip"] == "203.0.113.9"
        plain = await client.post("/api/interactions", json=BODY)
        assert "strict-transport-security" not in plain.headers

    async def test_without_a_trusted_proxy_the_headers_are_air(
        self, app: Running, make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(app.door, "proxies", Proxies())
        headers = {
            "x-api-key": (await make_tenant()).key,
            "x-forwarded-for": "203.0.113.9",
            "x-forwarded-proto": "https",
        }
        async with httpx.AsyncClient(base_url=app.url, headers=headers, timeout=30) as client:
            for _ in range(3):
                made = await client.post("/api/interactions", json=BODY)
                assert "strict-transport-security" not in made.headers
                row = (await client.get(f"/api/interactions/{made.json()['interactionId']}")).json()
                assert row["ip"] == "127.0.0.1"


class TestHeaders:
    @pytest.mark.parametrize(
        "path", ["/healthz", "/docs", "/docs/openapi.json", "/api/actions", "/nowhere", "/auth/me"]
    )
    async def test_are_on_every_answer(self, client: httpx.AsyncClient, path: str) -> None:
        answer = await client.get(path)
        assert EVERYWHERE.items() <= dict(answer.headers).items()
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"]
        assert [name for name, _ in answer.headers.raw if name.lower() == b"content-security-policy"] != []

    async def test_no_header_is_there_twice(self, client: httpx.AsyncClient) -> None:
        for path in ("/docs", "/api/log/key", "/api/actions"):
            names = [name.lower() for name, _ in (await client.get(path)).headers.raw]
            assert len(set(names)) == len(names), path

    async def test_other_sites_are_told_nothing(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/api/actions", headers={"origin": "https://evil.example"})
        assert not [name for name in answer.headers if name.startswith("access-control")]
