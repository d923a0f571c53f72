"""People of these tests: each test has its own, in a workspace of its own, seen from an address of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from secrets import randbelow
from typing import Any

import httpx
import pytest

from provenance.core import ids
from provenance.core.actor import Role
from provenance.core.ids import random_letters
from provenance.identity import service as people
from provenance.identity.running import Identity
from tests.conftest import Running, Tenant

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


async def make_person_of(app: Running, workspace: Tenant, role: Role = Role.EDITOR) -> Someone:
    email = new_email()
    async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
        found = await people.create_person(tx, identity_of(app).keys, email=email, password=PASSWORD, role=role)
    return Someone(found, email, PASSWORD, workspace)


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
    import msgspec

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
