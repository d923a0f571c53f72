"""People and keys: addresses are stored sealed, credentials resolve to actors, and lookups are shared."""

import asyncio
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from provenance.core import ids
from provenance.core.actor import Kind, Role, Scope
from provenance.core.db import WriteTx
from provenance.identity import service
from provenance.identity.access.epoch import Epoch
from provenance.identity.access.service import KeyResolver
from provenance.identity.errors import WeakPassword
from tests.conftest import MakeTenant, Running, Tenant


async def make_person(app: Running, workspace: Tenant, email: str, password: str = "correct horse battery") -> str:
    keys = app.door.framework.state.identity.keys
    async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
        return await service.create_person(tx, keys, email=email, password=password, role=Role.VIEWER)


class TestCreatePerson:
    async def test_the_address_is_sealed_under_the_persons_own_key_and_found_by_its_mac(
        self, app: Running, workspace: Tenant
    ) -> None:
        person = await make_person(app, workspace, " Ada@Example.com ")
        assert person.startswith("user_")
        keys = app.door.framework.state.identity.keys
        async with app.ledger.db.housekeeping() as tx:
            person_id = ids.decode("user", person)
            row = (await tx.driver_sql("SELECT * FROM people WHERE id = $1", (person_id,))).one()
            found = await service.person_by_email(tx, keys, "ADA@example.com ")
        assert b"xample" not in row.email_sealed
        assert found is not None
        assert (found.id, found.email) == (person_id, "Ada@Example.com")
        assert row.email_digest == keys.mac("person.email", b"ada@example.com")
        assert row.password_hash.startswith("$argon2id$")

    async def test_one_person_per_address_whatever_its_case(self, app: Running, workspace: Tenant) -> None:
        await make_person(app, workspace, "grace@example.com")
        with pytest.raises(IntegrityError):
            await make_person(app, workspace, "GRACE@example.com")

    async def test_a_short_password_is_refused(self, app: Running, workspace: Tenant) -> None:
        with pytest.raises(WeakPassword, match="12 characters"):
            await make_person(app, workspace, "x@example.com", "elevenchars")


class TestKeyResolver:
    async def test_a_key_resolves_to_its_workspace_and_scopes(self, app: Running, make_tenant: MakeTenant) -> None:
        tenant = await make_tenant(("interactions:read",))
        actor = await KeyResolver(app.ledger.db, Epoch(app.ledger.db.url))({b"x-api-key": tenant.key.encode()})
        assert actor is not None
        assert (actor.kind, actor.workspace_id) == (Kind.KEY, ids.decode("ws", tenant.id))
        assert actor.id == "key_" + tenant.key.split("_")[1]
        assert actor.may(Scope.INTERACTIONS_READ, Role.VIEWER)
        assert not actor.may(Scope.INTERACTIONS_WRITE, Role.EDITOR)
        assert not actor.reads_platform_rows

    @pytest.mark.parametrize("sent", [b"", b"\xff\xfe", b"pv_x", b"pv_nobodyhas_" + b"thissecret" * 5, b"\x00" * 100])
    async def test_whatever_else_is_nobody(self, app: Running, sent: bytes) -> None:
        assert await KeyResolver(app.ledger.db, Epoch(app.ledger.db.url))({b"x-api-key": sent}) is None

    async def test_no_header_asks_nothing(self, app: Running) -> None:
        assert await KeyResolver(app.ledger.db, Epoch(app.ledger.db.url))({}) is None

    async def test_requests_that_come_together_share_one_look_up(
        self, app: Running, make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tenant, looked = await make_tenant(), 0
        plain = WriteTx.execute

        async def counting(tx: WriteTx, *arguments: Any) -> Any:
            nonlocal looked
            looked += "api_keys" in str(arguments[0])
            return await plain(tx, *arguments)

        monkeypatch.setattr(WriteTx, "execute", counting)
        resolver = KeyResolver(app.ledger.db, Epoch(app.ledger.db.url))
        found = await asyncio.gather(*[resolver({b"x-api-key": tenant.key.encode()}) for _ in range(20)])
        assert len({actor.id for actor in found if actor}) == 1
        assert looked == 1

    async def test_it_keeps_no_key_in_memory(self, app: Running, workspace: Tenant) -> None:
        resolver = KeyResolver(app.ledger.db, Epoch(app.ledger.db.url))
        await resolver({b"x-api-key": workspace.key.encode()})
        assert workspace.key.split("_")[2] not in repr(vars(resolver))

    async def test_a_cancelled_request_does_not_spoil_the_others(self, app: Running, workspace: Tenant) -> None:
        resolver = KeyResolver(app.ledger.db, Epoch(app.ledger.db.url))
        first = asyncio.create_task(resolver({b"x-api-key": workspace.key.encode()}))
        second = asyncio.create_task(resolver({b"x-api-key": workspace.key.encode()}))
        await asyncio.sleep(0)
        first.cancel()
        assert await second is not None
