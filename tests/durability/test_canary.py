"""No secret leaks: secrets of every kind are used and misused on a real installation, then searched for everywhere.

Everywhere is every byte of the data folder with PostgreSQL's files, every row as text, the log of every process, the
command lines, and every answer but the one in which a secret is shown, once, to whom it belongs.
"""

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default as default_policy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import httpx
import pyotp
import pytest

from provenance.core.ids import random_letters
from provenance.postgres import reach
from tests.core.test_transport import make_pair
from tests.durability.canaries import Aviary
from tests.durability.installation import Installation, _below
from tests.identity.conftest import bearer, some_address, token_in
from tests.identity.oidc import provider as oidc
from tests.postgres.processes import wait_until

ADMIN = "admin@example.com"
QUEUE_CONFIG = "GET /platform/queue/config"
"""The queue's token is shown to whoever may push, as often as they ask."""
SHOWN_AT_THE_START = ("  API key   pv_", "  Try       curl")
"""Lines of the greeting: the first key is shown once, to who starts the installation."""


class PostOffice:
    """A mail server that asks for a password, keeps what it is sent, and repeats the password when it refuses."""

    def __init__(self, password: str) -> None:
        self.mails: list[str] = []
        self.signed_in = 0
        self._password = password
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 post office\r\n")
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                if line[:4].upper() == b"DATA":
                    writer.write(b"354 go on\r\n")
                writer.write(await self._answer(line, reader))
                await writer.drain()
        writer.close()

    async def _answer(self, line: bytes, reader: asyncio.StreamReader) -> bytes:
        word = line[:4].upper()
        if word == b"EHLO":
            return b"250-post office\r\n250 AUTH PLAIN\r\n"
        if word == b"AUTH":
            sent = base64.b64decode(line.split()[2]).split(b"\0")[2].decode()
            self.signed_in += sent == self._password
            return b"235 welcome\r\n"
        if word == b"RCPT" and b"refused" in line:
            return f"550 refused: user=canary password={self._password}\r\n".encode()
        if word == b"DATA":
            raw = await reader.readuntil(b"\r\n.\r\n")
            self.mails.append(str(message_from_bytes(raw[:-5], policy=default_policy).get_content()))
            return b"250 kept\r\n"
        return b"250 ok\r\n"


@dataclass
class Scene:
    """One installation with a mail server and a sign-on provider beside it, and someone who calls it."""

    running: Installation
    aviary: Aviary
    post: PostOffice
    client: httpx.AsyncClient
    provider: oidc.OidcProvider
    no_secret: str = field(default_factory=lambda: f"Kontrolle-{random_letters(14)}")
    admin: dict[str, str] = field(default_factory=dict)
    counted: int = 0

    async def ask(
        self, label: str, method: str, path: str, *, expect: int | None = None, **more: Any
    ) -> httpx.Response:
        """Call; every byte of the answer is kept under the label."""
        answer = await self.client.request(method, path, **more)
        head = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        self.aviary.answers.append((label, head.encode() + answer.content))
        assert expect is None or answer.status_code == expect, (label, answer.status_code, answer.text[:500])
        self.counted += 1
        return answer

    async def post_json(self, label: str, path: str, body: Any, *, expect: int | None = None, **more: Any) -> Any:
        """Post; return the answer's JSON."""
        return (await self.ask(label, "POST", path, expect=expect, json=body, **more)).json()

    def plant_session(self, name: str, signed_in: dict[str, Any], label: str) -> dict[str, str]:
        """Watch for the tokens of a sign-in; return the header of its access token."""
        self.aviary.plant(f"{name}'s access token", signed_in["accessToken"], label)
        self.aviary.plant(f"{name}'s access token's signature", signed_in["accessToken"].rsplit(".", 1)[1], label)
        self.aviary.plant(f"{name}'s refresh token", signed_in["refreshToken"], label)
        return bearer(signed_in)

    async def mailed(self, count: int) -> str:
        async with asyncio.timeout(20):
            while len(self.post.mails) < count:
                await asyncio.sleep(0.02)
        return self.post.mails[count - 1]


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    aviary = Aviary()
    cert, key = make_pair(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    monkeypatch.setattr(oidc, "SECRET", aviary.chosen("the sign-on secret", plain=True))
    provider = oidc.OidcProvider()
    server, serving = await oidc.serve(provider)
    mail_password = aviary.chosen("the mail password", plain=True)
    post = PostOffice(mail_password)
    first_key = f"pv_{random_letters(12)}_{random_letters(40)}"
    aviary.plant("the first key's secret", first_key.rsplit("_", 1)[1])
    data = tmp_path / "data"
    running = Installation(
        data,
        PROVENANCE_LOG_LEVEL="debug",
        PROVENANCE_TLS_CERT=str(cert),
        PROVENANCE_TLS_KEY=str(key),
        PROVENANCE_TRUSTED_PROXIES='["127.0.0.1"]',
        PROVENANCE_EGRESS_ALLOW='["127.0.0.0/8"]',
        PROVENANCE_BOOTSTRAP_API_KEY=first_key,
        PROVENANCE_BOOTSTRAP_ADMIN_EMAIL=ADMIN,
        PROVENANCE_BOOTSTRAP_ADMIN_PASSWORD=aviary.chosen("the first password"),
        PROVENANCE_SMTP_URL=f"smtp://canary:{mail_password}@127.0.0.1:{await post.start()}",
        PROVENANCE_OIDC_ISSUER=provider.issuer,
        PROVENANCE_OIDC_CLIENT_ID=oidc.CLIENT,
        PROVENANCE_OIDC_CLIENT_SECRET=oidc.SECRET,
    )
    running.url = f"https://127.0.0.1:{running.port}"
    try:
        running.start()
        for line in (data / "postgres.password").read_text().split():
            aviary.plant(f"a password of the database, {line[:3]}…", line)
        aviary.plant("the master key", base64.b64decode((data / "master.key").read_bytes()))
        headers = {"x-forwarded-for": some_address()}
        trusting = ssl.create_default_context(cafile=str(cert))
        async with httpx.AsyncClient(base_url=running.url, headers=headers, verify=trusting, timeout=60) as client:
            yield Scene(running, aviary, post, client, provider)
    finally:
        running.stop()
        server.should_exit = True
        await serving
        await post.stop()


async def people(scene: Scene) -> None:
    """Sign in, mistype, refresh, refresh twice, invite, join, forget and change passwords, use second factors."""
    first = scene.aviary.canaries["the first password"].secret.decode()
    typed = scene.aviary.chosen("a mistyped password")
    login = {"email": ADMIN, "password": first}
    signed_in = await scene.post_json("login", "/auth/login", login, expect=200)
    scene.admin = scene.plant_session("admin", signed_in, "login")
    await scene.post_json("wrong password", "/auth/login", {**login, "password": typed}, expect=401)
    await scene.ask("who I am", "GET", "/auth/me", headers=scene.admin, expect=200)
    for label, sent in (
        ("password as a list", {"content": b'{"email": "a", "password": ["%s"]}' % typed.encode()}),
        ("broken JSON", {"content": b'{"email": "a", "password": "%s",}' % typed.encode()}),
        ("no content type", {"content": b"{}", "headers": {"content-type": typed.encode().hex()}}),
        ("password in the query", {"params": {"password": typed, "token": typed}}),
    ):
        more = {"headers": {"content-type": "application/json"}, **sent}
        await scene.ask(label, "POST", "/auth/login", expect=400, **more)
    next_one = await scene.post_json(
        "refresh", "/auth/refresh", {"refreshToken": signed_in["refreshToken"]}, expect=200
    )
    scene.admin = scene.plant_session("admin once more", next_one, "refresh")
    await members(scene)
    browser = await scene.post_json("browser", "/auth/login", {**login, "mode": "browser"}, expect=200)
    scene.aviary.plant("the cookie's token", scene.client.cookies["provenance_refresh"], "browser")
    scene.aviary.plant("the browser's access token", browser["accessToken"], "browser")
    scene.client.cookies.clear()


async def members(scene: Scene) -> None:
    """Somebody is invited, joins, takes a second factor, forgets the password and gets another."""
    invited = {"email": "member@example.com", "role": "admin", "groups": []}
    await scene.post_json("invite", "/workspace/members", invited, headers=scene.admin, expect=201)
    token = token_in(await scene.mailed(1))
    scene.aviary.plant("the invitation's token", token)
    await scene.post_json("refused invite", "/workspace/members", {**invited, "email": "refused@example.com"},
                          headers=scene.admin, expect=201)  # fmt: skip
    own = scene.aviary.chosen("the member's password")
    body = {"token": token, "password": own, "name": "Member"}
    await scene.post_json("wrong invite", "/auth/accept-invite", {**body, "token": token + "x"})
    joined = await scene.post_json("accept", "/auth/accept-invite", body, expect=200)
    member = scene.plant_session("member", joined, "accept")
    enrolled = await scene.post_json("enrol", "/auth/totp/enrol", {}, headers=member, expect=200)
    scene.aviary.plant("the second factor's secret", enrolled["secret"], "enrol")
    scene.aviary.plant("the second factor's bytes", base64.b32decode(enrolled["secret"]), "enrol")
    otp = pyotp.TOTP(enrolled["secret"])
    codes = await scene.post_json("confirm", "/auth/totp/confirm", {"otp": otp.now()}, headers=member, expect=200)
    for number, code in enumerate(codes["recoveryCodes"]):
        scene.aviary.plant(f"recovery code {number}", code, "confirm")
    login = {"email": "member@example.com", "password": own}
    await scene.post_json("without a code", "/auth/login", login, expect=401)
    with_code = {**login, "otp": codes["recoveryCodes"][0]}
    scene.plant_session("member again", await scene.post_json("code", "/auth/login", with_code, expect=200), "code")
    await scene.post_json("code twice", "/auth/login", with_code)
    await forgotten(scene)


async def forgotten(scene: Scene) -> None:
    """A new password by mail, and a link that is used twice."""
    await scene.post_json("forgot", "/auth/password/forgot", {"email": "member@example.com"}, expect=200)
    token = token_in(await scene.mailed(2))
    scene.aviary.plant("the mailed token", token)
    body = {"token": token, "password": scene.aviary.chosen("the member's second password")}
    await scene.post_json("reset", "/auth/password/reset", body, expect=200)
    await scene.post_json("reset again", "/auth/password/reset", body)
    await scene.ask("token in the address", "GET", f"/auth/accept-invite/{token}")


async def machines(scene: Scene) -> None:
    """Keys are made, used, sent to the wrong places and revoked; the queue's token, devices, sign-on, passkeys."""
    asked = {"name": "ci", "scopes": ["interactions:write", "bus:read"]}
    once = {**scene.admin, "idempotency-key": "one"}
    made = await scene.post_json("make key", "/workspace/api-keys", asked, headers=once, expect=201)
    scene.aviary.plant("the key's secret", made["key"].rsplit("_", 1)[1], "make key")
    again = await scene.post_json("make key again", "/workspace/api-keys", asked, headers=once, expect=201)
    assert again["shownOnce"] is True
    key = {"x-api-key": made["key"]}
    row = {"resourceId": scene.no_secret, "resourceType": "USER", "action": "CREATE", "origin": "WEBAPP"}
    for number in range(3):
        await scene.post_json(f"post {number}", "/api/interactions", row, headers=key, expect=201)
    await scene.ask("key in the address", "GET", f"/api/nothing/{made['key']}", headers=key, expect=404)
    await scene.ask("key in a forbidden address", "GET", f"/api/actions/{made['key']}", headers=key, expect=403)
    await scene.ask("key in the query", "GET", "/api/actions", params={"apiKey": made["key"]}, expect=401)
    await scene.ask("key as a token", "GET", "/auth/me", headers=bearer({"accessToken": made["key"]}), expect=401)
    await scene.ask("key and token", "GET", "/audit", headers={**key, **scene.admin}, expect=400)
    await scene.ask(
        "token as a key", "GET", "/audit", headers={"x-api-key": scene.admin["authorization"][7:]}, expect=401
    )
    queue = (await scene.ask("queue config", "GET", "/platform/queue/config", headers=key, expect=200)).json()
    scene.aviary.plant("the queue's token", queue["queueToken"].rsplit("_", 1)[1], "queue config")
    for label in ("push", "push with the old token"):
        await scene.ask(
            label, "POST", "/platform/queue/messages", json=row, headers=bearer({"accessToken": queue["queueToken"]})
        )
        rotated = await scene.ask(f"rotate after {label}", "POST", "/platform/queue/rotate", headers=key, expect=200)
        token = rotated.json()["queueToken"].rsplit("_", 1)[1]
        scene.aviary.plant(f"the queue's token after {label}", token, f"rotate after {label}", QUEUE_CONFIG)
    await scene.ask("revoke", "DELETE", f"/workspace/api-keys/{made['keyId']}", headers=scene.admin, expect=200)
    await scene.ask("revoked key", "POST", "/api/interactions", json=row, headers=key, expect=401)
    await sign_on(scene)
    await device(scene)


async def sign_on(scene: Scene) -> None:
    """Sign on through the provider, once well and once with a code it does not know."""
    begun = await scene.post_json("sign-on", "/auth/oidc/login", {}, expect=200)
    state = parse_qs(urlsplit(begun["authorizationUrl"]).query)["state"][0]
    scene.aviary.plant("the sign-on's state", state, "sign-on")
    bad = {"code": scene.aviary.chosen("a made-up code", plain=True), "state": state}
    await scene.post_json("bad code", "/auth/oidc/callback", bad, expect=401)
    scene.provider.claims = {"sub": "x", "email": ADMIN, "email_verified": True}
    begun = await scene.post_json("sign-on again", "/auth/oidc/login", {}, expect=200)
    async with httpx.AsyncClient() as browser:
        sent = (await browser.get(begun["authorizationUrl"])).headers["location"]
    back = {name: values[0] for name, values in parse_qs(urlsplit(sent).query).items()}
    scene.aviary.plant("the provider's code", back["code"])
    done = await scene.post_json("signed on", "/auth/oidc/callback", back, expect=200)
    scene.plant_session("admin by sign-on", done, "signed on")
    scene.client.cookies.clear()


async def device(scene: Scene) -> None:
    """A device is signed in from a browser; a passkey is begun."""
    begun = await scene.post_json("device", "/auth/device/code", {"clientName": "tv"}, expect=200)
    scene.aviary.plant("the device's code", begun["deviceCode"], "device")
    await scene.post_json(
        "approve device", "/auth/device/approve", {"userCode": begun["userCode"]}, headers=scene.admin
    )
    got = await scene.post_json("device token", "/auth/device/token", {"deviceCode": begun["deviceCode"]})
    if "accessToken" in got:
        scene.plant_session("device", got, "device token")
    asked = await scene.post_json("passkey", "/auth/passkeys/authenticate/begin", {}, expect=200)
    scene.aviary.plant("the passkey's challenge id", asked["challengeId"], "passkey")
    finish = {"challengeId": asked["challengeId"], "credential": {"id": "x"}}
    await scene.post_json("bad passkey", "/auth/passkeys/authenticate/finish", finish)


async def kept(scene: Scene) -> None:
    """Secrets that are kept for their owner: stored, listed, replaced, revealed, refused; targets of streams."""
    admin = scene.admin
    value, newer = scene.aviary.chosen("a kept secret"), scene.aviary.chosen("a kept secret's new value")
    made = await scene.post_json(
        "keep", "/secrets", {"name": "mine", "type": "password", "value": value}, headers=admin, expect=201
    )
    path = f"/secrets/{made['secretId']}"
    typed = scene.aviary.chosen("a secret that was refused")
    right = {"name": "mine", "type": "password", "value": typed}
    for wrong in ({"type": "nonsense"}, {}, {"name": "\0"}, {"name": "other", "more": typed}):
        body = {**right, **wrong}
        await scene.ask("refused secret", "POST", "/secrets", json=body, headers=admin)
    await scene.ask("secrets", "GET", "/secrets", headers=admin, expect=200)
    await scene.ask("rotate secret", "POST", f"{path}/rotate", json={"value": newer}, headers=admin, expect=200)
    scene.aviary.canaries["a kept secret's new value"].allowed.add("reveal")
    await scene.ask("reveal", "POST", f"{path}/reveal", json={"reason": "to see it"}, headers=admin, expect=200)
    await scene.ask("secret", "GET", path, headers=admin, expect=200)
    token = scene.aviary.chosen("a stream's token", plain=True)
    target = {"kind": "splunk_hec", "url": "http://127.0.0.1:9", "plaintext": True, "token": token}
    stream = await scene.post_json(
        "stream", "/audit/streams", {"name": "siem", "target": target}, headers=admin, expect=201
    )
    await scene.ask("test stream", "POST", f"/audit/streams/{stream['streamId']}/test", headers=admin)
    async with asyncio.timeout(30):
        standing: dict[str, Any] = {"failures": 0}
        while not standing["failures"]:
            found = await scene.ask(
                "stream fails", "GET", f"/audit/streams/{stream['streamId']}", headers=admin, expect=200
            )
            standing = found.json()["standing"]
            await asyncio.sleep(0.1)


async def read_everything(scene: Scene) -> None:
    """Ask for every list and document that an administrator can read."""
    document = (await scene.ask("document", "GET", "/docs/openapi.json", expect=200)).json()
    for path, methods in document["paths"].items():
        if "get" in methods and "{" not in path:
            await scene.ask(f"GET {path}", "GET", path, headers=scene.admin)
    await scene.ask("metrics", "GET", "/metrics")
    await scene.ask("export", "POST", "/audit/export", json={"format": "ndjson"}, headers=scene.admin)


async def while_the_database_is_away(scene: Scene) -> None:
    """Send secrets to a server that can't do anything with them."""
    password = scene.aviary.canaries["the first password"].secret.decode()
    killing = asyncio.create_task(asyncio.to_thread(scene.running.kill_postmaster))
    for number in range(6):
        body = {"email": ADMIN, "password": password}
        await scene.ask(f"login {number} without a database", "POST", "/auth/login", json=body)
        headers = {**scene.admin, "idempotency-key": f"away {number}"}
        secret = {
            "name": f"away-{number}",
            "type": "password",
            "value": scene.aviary.chosen(f"a secret {number} in the dark"),
        }
        await scene.ask(f"secret {number} without a database", "POST", "/secrets", json=secret, headers=headers)
        await asyncio.sleep(0.05)
    await killing
    await asyncio.to_thread(wait_until, scene.running.answers, 30)
    for name in [name for name in scene.aviary.canaries if "in the dark" in name]:
        assert scene.aviary.canaries[name].allowed == set()


async def rows_as_text(data: Path) -> bytes:
    """Return every row of the database in PostgreSQL's own words; values of its files may be compressed."""
    with reach(data) as dsn:
        connection = await asyncpg.connect(dsn)
        try:
            tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            texts = [await connection.fetch(f'SELECT t::text FROM "{table[0]}" t') for table in tables]
        finally:
            await connection.close()
    rows = [row[0] for each in texts for row in each]
    assert len(rows) > 100
    return "\n".join(rows).encode()


def command_lines(running: Installation) -> bytes:
    """Return the command lines of every process of the installation, which anyone on the machine may read."""
    assert running._parent is not None
    pids = [running._parent.pid, *_below(running._parent.pid)]
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes())
    assert len(found) > 4
    return b"\n".join(found)


@pytest.mark.timeout(240)
async def test_no_secret_is_anywhere_but_where_it_belongs(scene: Scene) -> None:
    for act in (people, machines, kept, while_the_database_is_away, read_everything):
        await act(scene)
    assert scene.post.signed_in, "the mail password was in use"
    assert len(scene.aviary.canaries) > 40
    assert scene.counted > 90
    leaks = scene.aviary.found_in("a command line", command_lines(scene.running))
    rows = await rows_as_text(scene.running.data)
    leaks += scene.aviary.found_in("a row", rows)
    scene.running.stop()
    told = "\n".join(line for line in scene.running.log.splitlines() if not line.startswith(SHOWN_AT_THE_START))
    assert "Provenance answers at https://localhost" in told
    assert "mail_failed" in told
    assert len(told) > 20_000
    leaks += scene.aviary.found_in("the log", told.encode())
    leaks += scene.aviary.found_in_answers()
    leaks += scene.aviary.found_below(scene.running.data, "master.key", "credentials.json", "postgres.password")
    assert leaks == []
    openly = Aviary()
    openly.plant("what is no secret", scene.no_secret)
    assert openly.found_in("a row", rows), "what was recorded is found where it was recorded"
    assert openly.found_below(scene.running.data)


class TestTheSearch:
    """A search that finds nothing proves nothing, unless it finds what is there."""

    @pytest.mark.parametrize("before", [b"", b"a", b"ab"])
    def test_finds_every_encoding(self, before: bytes) -> None:
        aviary = Aviary()
        secret = aviary.chosen("it")
        raw = secret.encode()
        inside = before + raw + b"after"
        for form in (
            inside, inside.hex().encode(), inside.hex().upper().encode(), base64.b64encode(inside),
            base64.urlsafe_b64encode(inside), quote(inside, safe="").encode(), json.dumps({"a": secret}).encode(),
            json.dumps({"a": secret}, ensure_ascii=False).encode(), json.dumps(json.dumps({"a": secret})).encode(),
        ):  # fmt: skip
            assert aviary.found_in("x", b"...." + form + b"...."), form
        assert aviary.found_in("x", base64.b64encode(b"something else that is long enough")) == []
