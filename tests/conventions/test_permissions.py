"""The permission table, every cell of it: a real request of each kind of caller on each route.

Bodies are no JSON and ids nobody's, so that a call that passes is answered whatever else, but neither 401 nor 403.
"""

import re
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import text

from provenance.core import ids
from provenance.core.actor import Role, Scope
from provenance.core.door import Access, Door
from provenance.core.permissions import (
    ALL_SCOPES_KEY,
    CALLERS,
    NO_SCOPE_KEY,
    NOBODY,
    ONE_SCOPE_KEYS,
    PEOPLE,
    Caller,
    Verdict,
    verdict,
)
from provenance.core.routing import access_of
from provenance.core.settings import Settings
from provenance.identity import queries as people_queries
from provenance.identity import service as people
from provenance.identity.access.dependencies import RequirePerson
from provenance.identity.running import Identity
from provenance.identity.schemas import ApiKey
from provenance.identity.sessions import service as sessions
from provenance.identity.sessions.schemas import Method, Mode, Proof
from provenance.ledger.service import Ledger
from provenance.main import create_app
from provenance.openapi import declared_routes
from tests.asking import ask
from tests.conftest import Running, Tenant, make_tenant_of
from tests.identity.conftest import new_email

ID = "0a1b2c3d-0000-4000-8000-00000000000a"
OWN_CREDENTIAL = {"auth.logout": "ends the session whose token it is shown"}
"""Open routes that would spend the callers' own credentials, and why."""


class Cell(NamedTuple):
    """One route and method, with its declaration."""

    method: str
    path: str
    operation: str
    access: Access | None


class Shown(NamedTuple):
    """One caller of the test: a kind of the table, and the headers of a credential of that kind."""

    name: str
    kind: Caller
    headers: dict[str, str]


def cells(app: Door) -> list[Cell]:
    return [
        Cell(method, route.path_format, route.operation_id or "", access_of(route.dependant))
        for route in declared_routes(app.framework)
        for method in sorted(route.methods or ())
    ]


CELLS = cells(create_app(Settings(database_url="postgresql://nobody@localhost/nothing")))


class Cast:
    """Makes the callers: people without the price of a password, keys, and credentials that are no good any more."""

    def __init__(self, app: Running) -> None:
        self.ledger: Ledger = app.ledger
        self.identity: Identity = app.door.framework.state.identity

    async def person(self, home: Tenant, role: Role, groups: tuple[str, ...] = ()) -> Proof:
        workspace_id = ids.decode("ws", home.id)
        assert workspace_id is not None
        async with self.ledger.db.housekeeping(workspace_id) as tx:
            person_id = await people.add_person(tx, self.identity.keys, email=new_email(), password_hash=None)
            await people_queries.insert_member(tx, person_id, role.name.lower(), groups=groups)
            found = await people.person_by_id(tx, self.identity.keys, person_id)
        assert found is not None
        return Proof(found, (Method.PASSKEY,), workspace_id)

    async def signed_in(self, home: Tenant, role: Role, groups: tuple[str, ...] = ()) -> dict[str, str]:
        started = await sessions.start(self.identity, await self.person(home, role, groups), Mode.TOKEN)
        return bearer(started.access_token)

    async def key(self, home: Tenant, scopes: frozenset[Scope]) -> dict[str, str]:
        made = await make_tenant_of(self.ledger, tuple(scope.value for scope in scopes), into=home.id)
        return {"x-api-key": made.key}

    async def revoked(self, home: Tenant) -> dict[str, str]:
        key = await self.key(home, frozenset(Scope))
        async with self.ledger.db.housekeeping() as tx:
            revoke = text("UPDATE api_keys SET revoked_at = 1 WHERE id = :id")
            await tx.execute(revoke, {"id": key["x-api-key"].split("_")[1]})
        return key

    async def expired(self, home: Tenant) -> dict[str, str]:
        """A token of a good session, signed by the right key, whose hour is over."""
        proof = await self.person(home, Role.ADMIN)
        started = await sessions.start(self.identity, proof, Mode.TOKEN)
        claims = await self.identity.signing.verified(started.access_token.encode())
        assert claims is not None
        return bearer(self.identity.signing.sign({**claims, "exp": int(time.time()) - 1}))

    async def ended(self, home: Tenant) -> dict[str, str]:
        """A token that is good for an hour, of a session that was ended."""
        headers = await self.signed_in(home, Role.ADMIN)
        claims = await self.identity.signing.verified(headers["authorization"].split()[1].encode())
        assert claims is not None
        async with self.ledger.db.housekeeping() as tx:
            end = text("UPDATE sessions SET ended_at = 1 WHERE id = :id")
            await tx.execute(end, {"id": uuid.UUID(claims["sid"])})
        return headers

    async def removed(self, home: Tenant) -> dict[str, str]:
        """A token of someone who is no member any more."""
        proof = await self.person(home, Role.ADMIN)
        started = await sessions.start(self.identity, proof, Mode.TOKEN)
        async with self.ledger.db.housekeeping() as tx:
            remove = text("DELETE FROM members WHERE person_id = :id")
            await tx.execute(remove, {"id": proof.person.id})
        return bearer(started.access_token)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def mangled(headers: dict[str, str]) -> dict[str, str]:
    """The same token with one letter of its signature changed."""
    head, _, signature = headers["authorization"].rpartition(".")
    return {"authorization": f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"}


@pytest.fixture(scope="module")
async def callers(app: Running) -> list[Shown]:
    """Everybody who calls."""
    cast = Cast(app)
    home, abroad = await make_tenant_of(app.ledger), await make_tenant_of(app.ledger)
    shown = [Shown("no credential", NOBODY, {})]
    for kind in PEOPLE:
        assert kind.role is not None
        shown.append(Shown(kind.name, kind, await cast.signed_in(home, kind.role)))
        also = await cast.signed_in(home, kind.role, ("approvers",))
        shown.append(Shown(f"{kind.name} among the approvers", kind, also))
    for kind in (*ONE_SCOPE_KEYS, ALL_SCOPES_KEY, NO_SCOPE_KEY):
        assert kind.scopes is not None
        shown.append(Shown(kind.name, kind, await cast.key(home, kind.scopes)))
    admin = PEOPLE[-1]
    shown += [
        Shown("expired token", NOBODY, await cast.expired(home)),
        Shown("token with another signature", NOBODY, mangled(await cast.signed_in(home, Role.ADMIN))),
        Shown("ended session", NOBODY, await cast.ended(home)),
        Shown("removed member", NOBODY, await cast.removed(home)),
        Shown("revoked key", NOBODY, await cast.revoked(home)),
        Shown("unknown key", NOBODY, {"x-api-key": ApiKey.random().text}),
        Shown("admin of another workspace", admin, await cast.signed_in(abroad, Role.ADMIN)),
        Shown("key of another workspace", ALL_SCOPES_KEY, {"x-api-key": abroad.key}),
    ]
    return shown


async def status_of(door: Door, cell: Cell, headers: dict[str, str]) -> int:
    """Send one request; return its status."""
    return (await ask(door, cell.method, re.sub(r"\{\w+(:\w+)?\}", ID, cell.path), headers)).status


def told(status: int) -> Verdict:
    return Verdict(str(status)) if status in (401, 403) else Verdict.PASS


class TestEveryCell:
    @pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.method} {cell.path}")
    async def test_is_answered_as_the_table_says(self, app: Running, callers: list[Shown], cell: Cell) -> None:
        wrong = {}
        open_to_all = await status_of(app.door, cell, {}) if cell.access is None else 0
        for shown in callers:
            if cell.operation in OWN_CREDENTIAL:
                continue
            status = await status_of(app.door, cell, shown.headers)
            expected = told(open_to_all) if cell.access is None else verdict(cell.access, shown.kind)
            if told(status) is not expected:
                wrong[shown.name] = status
        assert wrong == {}


class TestTheTable:
    def test_has_every_route_that_is_served(self, app: Running) -> None:
        served = {
            (method.upper(), path)
            for path, methods in app.door.framework.openapi()["paths"].items()
            for method in methods
        }
        known = {(cell.method, cell.path) for cell in cells(app.door)}
        assert served <= known
        assert set(app.door._hot) <= known
        assert {("POST", path.decode()) for path in app.door.express} <= known

    def test_has_every_kind_of_caller(self, callers: list[Shown]) -> None:
        assert {shown.kind for shown in callers} == set(CALLERS)
        assert len({shown.name for shown in callers}) == len(callers) >= 32

    def test_every_scope_and_role_opens_what_it_names(self) -> None:
        for scope in Scope:
            for role in Role:
                for access in (Access(scope, role), Access(None, role)):
                    keys = {caller for caller in ONE_SCOPE_KEYS if verdict(access, caller) is Verdict.PASS}
                    assert {caller.name for caller in keys} == ({f"key with {scope.value}"} if access.scope else set())
                    passing = [caller.role for caller in PEOPLE if verdict(access, caller) is Verdict.PASS]
                    assert passing == [each for each in Role if each >= role]
                    assert verdict(access, NOBODY) is Verdict.UNKNOWN


class TestWords:
    @pytest.fixture
    async def refused(self, app: Running, callers: list[Shown]) -> AsyncIterator[Any]:
        async with httpx.AsyncClient(base_url=app.url, timeout=30, verify=False) as client:
            by_name = {shown.name: shown.headers for shown in callers}

            async def ask(who: str, method: str, path: str) -> httpx.Response:
                return await client.request(method, path, headers=by_name[who])

            yield ask

    async def test_a_person_is_told_which_role(self, refused: Any) -> None:
        answer = (await refused("viewer", "POST", "/api/actions")).json()
        assert (answer["code"], answer["detail"]) == ("missing_role", "This needs the role editor; yours is viewer.")

    async def test_a_key_is_told_which_scope(self, refused: Any) -> None:
        answer = (await refused("key with bus:read", "GET", "/api/actions")).json()
        assert (answer["code"], answer["detail"]) == ("missing_scope", "This needs the scope interactions:read.")

    async def test_a_key_is_told_where_only_people_pass(self, refused: Any) -> None:
        assert (await refused("key with every scope", "GET", "/auth/me")).json()["code"] == "people_only"

    @pytest.mark.parametrize("who", ["no credential", "expired token", "revoked key"])
    async def test_nobody_is_told_of_both_credentials(self, refused: Any, who: str) -> None:
        answer = await refused(who, "GET", "/api/actions")
        assert answer.status_code == 401
        assert "x-api-key" in answer.json()["detail"]
        assert "Bearer" in answer.json()["detail"]
        assert answer.headers["www-authenticate"] == 'Bearer realm="provenance"'


def test_what_needs_a_fresh_sign_in_is_for_people_only() -> None:
    routes = declared_routes(create_app(Settings(database_url="postgresql://nobody@localhost/nothing")).framework)
    fresh = [route for route in routes if any(_is_fresh(each) for each in route.dependant.dependencies)]
    assert fresh
    for route in fresh:
        assert isinstance(route, APIRoute)
        access = access_of(route.dependant)
        assert access is not None
        assert access.people_only


def _is_fresh(dependant: Any) -> bool:
    return isinstance(dependant.call, RequirePerson) and dependant.call.fresh
