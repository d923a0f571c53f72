"""How servers are reached: signed in, encrypted, and never where this installation sends nothing."""

import asyncio
import datetime
from collections.abc import AsyncIterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from provenance.bus.bridges.connecting import linked
from provenance.bus.bridges.credentials import SignIn, public_nkey, sign_in
from provenance.bus.bridges.errors import BridgeFailed
from provenance.bus.bridges.schemas import Credentials, Server
from provenance.core.egress import Egress
from tests.bus.bridges.conftest import consuming, stands
from tests.bus.bridges.nkeys import ACCOUNT, OPERATOR, USER, public_of, seed_of, token_of
from tests.bus.bridges.servers import NatsServer
from tests.bus.conftest import interactions

SECRET = "Tok-4711-Geheim"
RAW = b"u" * 32
USER_KEY = Ed25519PrivateKey.from_private_bytes(RAW)


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    found = Egress(["127.0.0.0/8"])
    yield found
    await found.close()


async def connects(egress: Egress, server: NatsServer, signed: SignIn, **more: Any) -> bool:
    """Connect, and ask JetStream something."""

    async def asking() -> SignIn:
        return signed

    place = Server.model_validate({"urls": [server.url], "plaintext": True, **more})
    async with linked(egress, place, asking, "test") as link:
        return (await link.jetstream.account_info()).streams >= 0


def signed_with(kind: str, secret: str, **more: str) -> SignIn:
    return sign_in(Credentials.model_validate({"kind": kind, "secretId": "x", **more}), secret)


def accounts() -> tuple[dict[str, Any], str]:
    """Return a server's configuration with an operator, an account and a user's file of credentials."""
    operator, account = (Ed25519PrivateKey.from_private_bytes(each * 32) for each in (b"o", b"a"))
    names = public_of(operator, OPERATOR), public_of(account, ACCOUNT), public_of(USER_KEY, USER)
    system = public_of(Ed25519PrivateKey.from_private_bytes(b"s" * 32), ACCOUNT)
    config = {
        "operator": token_of(operator, names[0], names[0], "operator", "us"),
        "system_account": system,
        "resolver": "MEMORY",
        "resolver_preload": {
            system: token_of(operator, names[0], system, "account", "system"),
            names[1]: token_of(operator, names[0], names[1], "account", "shop"),
        },
    }
    user = token_of(account, names[1], names[2], "user", "bridge")
    creds = (
        f"-----BEGIN NATS USER JWT-----\n{user}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed_of(RAW)}\n------END USER NKEY SEED------\n"
    )
    return config, creds


WAYS: dict[str, tuple[dict[str, Any], SignIn]] = {
    "token": ({"authorization": {"token": SECRET}}, signed_with("token", SECRET)),
    "password": (
        {"authorization": {"user": "bridge", "password": SECRET}},
        signed_with("password", SECRET, user="bridge"),
    ),
    "nkey": (
        {"authorization": {"users": [{"nkey": public_nkey(USER_KEY)}]}},
        signed_with("nkey", seed_of(RAW)),
    ),
    "creds": (accounts()[0], signed_with("creds", accounts()[1])),
}


class TestSigningIn:
    @pytest.mark.parametrize("way", WAYS)
    async def test_in_every_way(self, egress: Egress, tmp_path: Path, way: str) -> None:
        config, signed = WAYS[way]
        server = NatsServer(tmp_path, **config)
        await server.start()
        try:
            assert await connects(egress, server, signed)
            with pytest.raises(BridgeFailed, match="refused the connection") as refused:
                await connects(egress, server, SignIn({}))
            assert SECRET not in str(refused.value)
        finally:
            server.stop()

    async def test_with_a_secret_of_the_place(self, client: httpx.AsyncClient, tmp_path: Path, worker: None) -> None:
        server = NatsServer(tmp_path, authorization={"token": SECRET})
        await server.start()
        try:
            made = await client.post("/secrets", json={"name": "NATS", "type": "token", "value": "wrong at first"})
            assert made.status_code == 201, made.text
            credentials = {"kind": "token", "secretId": made.json()["secretId"]}
            bridge = await consuming(client, server, "NONE", server={"credentials": credentials})
            found = await stands(client, bridge, failuresInARow=1)
            assert "refused the connection" in found["said"]
            assert "wrong at first" not in str(found)
            [row, *_] = await interactions(client, "SECRET", "ACCESSED")
            assert row["resourceId"] == made.json()["secretId"]
            changed = await client.patch(f"/secrets/{made.json()['secretId']}", json={"value": SECRET})
            assert changed.status_code == 200, changed.text
            async with asyncio.timeout(40):
                while "stream not found" not in (found["said"] or ""):
                    await asyncio.sleep(0.05)
                    found = (await client.get(f"/api/bus/bridges/{bridge['bridgeId']}")).json()["standing"]
        finally:
            server.stop()


class TestTheGuard:
    async def test_sends_nothing_to_the_own_network(self, server: NatsServer) -> None:
        closed = Egress()
        with pytest.raises(BridgeFailed, match="not a public address"):
            await connects(closed, server, SignIn({}))
        await closed.close()

    async def test_goes_to_the_next_server(self, egress: Egress, server: NatsServer) -> None:
        assert await connects(egress, server, SignIn({}), urls=["nats://127.0.0.1:1", server.url])

    async def test_writes_nothing_in_the_clear_that_must_be_encrypted(self, egress: Egress, server: NatsServer) -> None:
        url = server.url.replace("nats://", "tls://")
        with pytest.raises(BridgeFailed, match="offers no TLS"):
            await connects(egress, server, SignIn({"token": SECRET}), urls=[url], plaintext=False)


def certificate(folder: Path) -> tuple[dict[str, str], str]:
    """Make a certificate of the loopback; return the server's files and the certificate itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nats")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return {"cert_file": str(folder / "cert.pem"), "key_file": str(folder / "key.pem")}, pem.decode()


class TestEncrypted:
    @pytest.mark.parametrize("first", [False, True], ids=["after-info", "first"])
    async def test_by_a_certificate_that_is_known(self, egress: Egress, tmp_path: Path, first: bool) -> None:
        files, pem = certificate(tmp_path)
        server = NatsServer(tmp_path, tls={**files, "handshake_first": first})
        await server.start(encrypted=first)
        url = server.url.replace("nats://", "tls://")
        try:
            known = {"urls": [url], "plaintext": False, "tlsFirst": first}
            assert await connects(egress, server, SignIn({}), **known, caCertificate=pem)
            with pytest.raises(BridgeFailed, match="certificate is not accepted"):
                await connects(egress, server, SignIn({}), **known)
        finally:
            server.stop()
