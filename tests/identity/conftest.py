"""People of these tests: each test has its own, in a workspace of its own, seen from an address of its own."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from functools import cache
from secrets import randbelow
from typing import Any

import httpx
import msgspec
import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr

from provenance.core import ids
from provenance.core.actor import Role
from provenance.core.ids import random_letters
from provenance.core.settings import Settings
from provenance.identity import queries
from provenance.identity import service as people
from provenance.identity.running import Identity
from provenance.identity.sessions.schemas import Method, Proof
from tests.conftest import Running, Tenant, running
from tests.identity.people import admin, make_as

__all__ = ["admin", "make_as"]

PASSWORD = "correct horse battery"


@dataclass
class Someone:
    """A person with a password, and where they belong."""

    id: str
    email: str
    password: str
    workspace: Tenant

    @property
    def credentials(self) -> dict[str, str]:
        return {"email": self.email, "password": self.password}


MakePerson = Callable[..., Awaitable[Someone]]


def identity_of(app: Running) -> Identity:
    found: Identity = app.door.framework.state.identity
    return found


def new_email() -> str:
    return f"{random_letters(10)}@Example.com"


def some_address() -> str:
    """An address of a client, so that no test is slowed by another's guesses."""
    return f"10.{randbelow(256)}.{randbelow(256)}.{randbelow(256)}"


@cache
def password_hash() -> str:
    """What is stored of everybody's password: they all have the same, and each hash takes a tenth of a second."""
    return PasswordHasher().hash(PASSWORD)


async def make_person_of(app: Running, workspace: Tenant, role: Role = Role.EDITOR) -> Someone:
    """As `create_person` does it, but for the hash."""
    email = new_email()
    async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
        found = await people.add_person(tx, identity_of(app).keys, email=email, password_hash=password_hash())
        await queries.insert_member(tx, found, role.name.lower())
    return Someone(ids.encode("user", found), email, PASSWORD, workspace)


@pytest.fixture
def make_person(app: Running, workspace: Tenant) -> MakePerson:
    """A factory of people in the test's workspace."""

    async def make(role: Role = Role.EDITOR) -> Someone:
        return await make_person_of(app, workspace, role)

    return make


@pytest.fixture
async def someone(make_person: MakePerson) -> Someone:
    """An editor of the test's workspace."""
    return await make_person()


@pytest.fixture
async def web(app: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the run's server that sends no credential, at an address of its own, behind a proxy of this host."""
    headers = {"x-forwarded-for": some_address()}
    async with httpx.AsyncClient(base_url=app.url, headers=headers, timeout=30, verify=False) as found:
        yield found


async def sign_in(web: httpx.AsyncClient, someone: Someone, **more: Any) -> dict[str, Any]:
    """Sign in with the password; return the answer."""
    answer = await web.post("/auth/login", json={**someone.credentials, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def bearer(signed_in: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {signed_in['accessToken']}"}


async def events(app: Running, workspace: str | None, user: str | None = None) -> list[tuple[str, dict[str, Any]]]:
    """Return the platform's rows of a workspace (None: the installation's) about auth and members, oldest first."""
    workspace_id = identity_of(app).instance.workspace_id if workspace is None else ids.decode("ws", workspace)
    sql = """SELECT r.mnemonic AS type, a.mnemonic AS action, i.resource_id, i.content FROM interactions i
             JOIN catalogue r ON r.workspace_id = i.workspace_id AND r.id = i.resource_type_id
             JOIN catalogue a ON a.workspace_id = i.workspace_id AND a.id = i.action_id
             WHERE i.workspace_id = $1 AND r.mnemonic IN ('AUTH', 'MEMBER') ORDER BY i.number"""
    async with app.ledger.db.housekeeping() as tx:
        rows = (await tx.driver_sql(sql, (workspace_id,))).all()
    return [
        (f"{row.type}.{row.action}".lower(), msgspec.json.decode(row.content)["interaction"])
        for row in rows
        if user in (None, row.resource_id)
    ]


class MailCatcher:
    """A mail server of the loopback that keeps what it is sent."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.url = ""
        self._came = asyncio.Condition()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"smtp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def to(self, address: str) -> str:
        """Wait for a mail to an address, take it out, and return its text."""
        async with asyncio.timeout(30), self._came:
            while True:
                for mail in self.mails:
                    if mail["To"] == address:
                        self.mails.remove(mail)
                        return str(mail.get_content())
                await self._came.wait()

    def to_now(self, address: str) -> int:
        return sum(mail["To"] == address for mail in self.mails)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 catcher\r\n")
        while line := await reader.readline():
            word = line[:4].upper()
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                raw = await reader.readuntil(b"\r\n.\r\n")
                found = message_from_bytes(raw[:-5].replace(b"\r\n..", b"\r\n."), policy=default_policy)
                assert isinstance(found, EmailMessage)
                async with self._came:
                    self.mails.append(found)
                    self._came.notify_all()
            writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            await writer.drain()
            if word == b"QUIT":
                break
        writer.close()


@pytest.fixture(scope="session")
async def mails() -> AsyncIterator[MailCatcher]:
    """The run's mail server."""
    catcher = MailCatcher()
    await catcher.start()
    yield catcher
    await catcher.stop()


@pytest.fixture(scope="session")
async def mailing(settings: Settings, mails: MailCatcher, app: Running) -> AsyncIterator[Running]:
    """A second server over the run's database, another process in all but name, which sends mail."""
    url = SecretStr(mails.url)
    async with running(settings.model_copy(update={"smtp_url": url, "mail_from": "us@example.com"})) as found:
        yield found


@pytest.fixture
async def mail_web(mailing: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the server that sends mail."""
    headers = {"x-forwarded-for": some_address()}
    async with httpx.AsyncClient(base_url=mailing.url, headers=headers, timeout=30, verify=False) as found:
        yield found


def token_in(text: str) -> str:
    """Return the token of a mailed link."""
    found = re.search(r"#token=(\S+)", text)
    assert found is not None, text
    return found[1]


async def age_session(app: Running, signed_in: dict[str, Any], minutes: int) -> None:
    """Let a sign-in have happened so long ago."""
    sql = "UPDATE sessions SET signed_in_at = signed_in_at - $1, ended_at = NULL WHERE person_id = $2"
    async with app.ledger.db.housekeeping() as tx:
        await tx.driver_sql(sql, (minutes * 60 * 10**9, ids.decode("user", signed_in["user"]["userId"])))


@pytest.fixture
async def made(app: Running, someone: Someone) -> Proof:
    """Someone who just proved who they are."""
    person_id = ids.decode("user", someone.id)
    assert person_id is not None
    async with app.ledger.db.housekeeping() as tx:
        person = await people.person_by_id(tx, identity_of(app).keys, person_id)
    assert person is not None
    return Proof(person, (Method.PASSWORD,))
