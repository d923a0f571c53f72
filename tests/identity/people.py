"""People who are signed in already, without the work that a password makes; and what is recorded of them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import msgspec
import pytest

from provenance.core import ids
from provenance.core.actor import Role
from provenance.core.ids import random_letters
from provenance.identity import queries
from provenance.identity import service as people
from provenance.identity.running import Identity
from provenance.identity.sessions import service as sessions
from provenance.identity.sessions.schemas import Method, Mode, Proof
from tests.conftest import Running, Tenant


class As(httpx.AsyncClient):
    """A client of the run's server that acts as somebody."""

    id: str
    email: str
    name: str
    workspace: Tenant

    async def say(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Return the status of an answer, and the code when it is a refusal."""
        answer = await self.request(method, path, json=body)
        return answer.status_code, answer.json().get("code", "")


MakeAs = Callable[..., Awaitable[As]]


async def as_person(app: Running, workspace: Tenant, role: Role, groups: tuple[str, ...] = ()) -> As:
    """Make a person, a member of the workspace, who is signed in there."""
    identity: Identity = app.door.framework.state.identity
    email, name = f"{random_letters(12)}@example.com", f"Zz{random_letters(10)}"
    async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
        person_id = await people.add_person(tx, identity.keys, email=email, name=name)
        await queries.insert_member(tx, person_id, role.name.lower(), groups=groups)
        person = await people.person_by_id(tx, identity.keys, person_id)
    assert person is not None
    started = await sessions.start(identity, Proof(person, (Method.PASSWORD,)), Mode.TOKEN)
    headers = {"authorization": f"Bearer {started.access_token}"}
    found = As(base_url=app.url, headers=headers, timeout=30, verify=False)
    found.id, found.email, found.name, found.workspace = person.wire_id, email, name, workspace
    return found


async def also_in(app: Running, someone: As, workspace: Tenant, role: Role) -> None:
    """Make somebody a member of one more workspace."""
    person_id = ids.decode("user", someone.id)
    assert person_id is not None
    async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
        await queries.insert_member(tx, person_id, role.name.lower())


@pytest.fixture
async def make_as(app: Running, workspace: Tenant) -> AsyncIterator[MakeAs]:
    """A factory of signed-in people: ``await make_as(Role.ADMIN, workspace)``."""
    async with AsyncExitStack() as open_clients:

        async def make(role: Role = Role.ADMIN, into: Tenant | None = None, groups: tuple[str, ...] = ()) -> As:
            return await open_clients.enter_async_context(await as_person(app, into or workspace, role, groups))

        yield make


@pytest.fixture
async def admin(make_as: MakeAs) -> As:
    """An administrator of the test's workspace."""
    return await make_as(Role.ADMIN)


async def rows(app: Running, workspace: str | None, *types: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (event, subject, data) of a workspace's platform rows of these resource types, oldest first."""
    identity: Identity = app.door.framework.state.identity
    workspace_id = identity.instance.workspace_id if workspace is None else ids.decode("ws", workspace)
    sql = """SELECT r.mnemonic AS type, a.mnemonic AS action, i.resource_id, i.content FROM interactions i
             JOIN catalogue r ON r.workspace_id = i.workspace_id AND r.id = i.resource_type_id
             JOIN catalogue a ON a.workspace_id = i.workspace_id AND a.id = i.action_id
             WHERE i.workspace_id = $1 AND i.platform AND r.mnemonic = ANY($2) ORDER BY i.number"""
    async with app.ledger.db.housekeeping() as tx:
        found = (await tx.driver_sql(sql, (workspace_id, list(types)))).all()
    return [
        (f"{row.type}.{row.action}".lower(), row.resource_id, msgspec.json.decode(row.content)["interaction"])
        for row in found
    ]
