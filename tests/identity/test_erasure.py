"""Erasing a person: nothing names them any more, no way to sign in is left, and the rows stay."""

import httpx
import pytest

from provenance.core import ids
from provenance.core.keyring import KeyringError
from provenance.core.settings import Settings
from provenance.identity import service
from provenance.identity.sealing import PersonKey
from tests.conftest import Running, fresh_database, running
from tests.identity.conftest import Someone, bearer, events, identity_of, sign_in
from tests.identity.passkeys.test_routes import asserted, new_authenticator, registered
from tests.identity.totp.test_routes import enrolled


async def erase(app: Running, someone: Someone) -> bool:
    person_id = ids.decode("user", someone.id)
    assert person_id is not None
    async with app.ledger.db.housekeeping() as tx:
        return await service.erase_person(tx, person_id)


class TestErasePerson:
    async def test_everything_that_names_them_is_gone(
        self, app: Running, web: httpx.AsyncClient, someone: Someone
    ) -> None:
        authenticator = new_authenticator(app)
        await registered(web, authenticator, bearer(await sign_in(web, someone)))
        await enrolled(web, someone)
        before = await events(app, someone.workspace.id, someone.id)
        assert await erase(app, someone)
        person_id = ids.decode("user", someone.id)
        async with app.ledger.db.housekeeping() as tx:
            row = (await tx.driver_sql("SELECT * FROM people WHERE id = $1", (person_id,))).one()
            for table in ("person_keys", "sessions", "tickets", "totp_secrets", "recovery_codes", "passkeys"):
                left = await tx.driver_sql(f"SELECT count(*) FROM {table} WHERE person_id = $1", (person_id,))
                assert left.scalar_one() == 0, table
            assert await service.person_by_email(tx, identity_of(app).keys, someone.email) is None
        assert (row.email_sealed, row.email_digest, row.name_sealed, row.password_hash) == (None,) * 4
        assert (await web.post("/auth/login", json=someone.credentials)).status_code == 401
        assert (await asserted(web, authenticator)).status_code == 401
        assert await events(app, someone.workspace.id, someone.id) == before

    async def test_the_address_is_free_again(self, app: Running, someone: Someone) -> None:
        await erase(app, someone)
        async with app.ledger.db.housekeeping() as tx:
            assert await service.add_person(tx, identity_of(app).keys, email=someone.email)

    async def test_a_second_time_finds_nobody(self, app: Running, someone: Someone) -> None:
        assert [await erase(app, someone) for _ in range(2)] == [True, False]


class TestPersonKey:
    async def test_a_key_opens_what_its_own_person_sealed_for_this_purpose(self, app: Running) -> None:
        keys, ada, bob = identity_of(app).keys, ids.new_uuid(), ids.new_uuid()
        own = PersonKey.random(ada)
        sealed, wrapped = own.seal("email", b"ada"), own.wrap(keys)
        assert PersonKey.unwrap(keys, ada, wrapped).open("email", sealed) == b"ada"
        for wrong in (lambda: own.open("name", sealed), lambda: PersonKey.unwrap(keys, bob, wrapped)):
            with pytest.raises(KeyringError):
                wrong()
        assert b"ada" not in sealed + wrapped


class TestAdoptPeople:
    async def test_people_of_an_earlier_version_get_a_key_and_still_sign_in(
        self, app: Running, web: httpx.AsyncClient, someone: Someone
    ) -> None:
        keys, person_id = identity_of(app).keys, ids.decode("user", someone.id)
        async with app.ledger.db.housekeeping() as tx:
            sealed = keys.seal("person.email", someone.email.encode())
            await tx.driver_sql("DELETE FROM person_keys WHERE person_id = $1", (person_id,))
            await tx.driver_sql("UPDATE people SET email_sealed = $1 WHERE id = $2", (sealed, person_id))
        async with app.ledger.db.housekeeping() as tx:
            assert await service.adopt_people(tx, keys) == 1
            assert await service.adopt_people(tx, keys) == 0
        assert (await sign_in(web, someone))["user"]["email"] == someone.email


async def test_the_first_administrator_signs_in(postgres_url: str, settings: Settings) -> None:
    async with fresh_database(postgres_url) as url, running(settings.model_copy(update={"database_url": url})) as own:
        made = own.door.framework.state.first
        body = {"email": made.admin_email, "password": made.admin_password}
        async with httpx.AsyncClient(base_url=own.url) as web:
            found = (await web.post("/auth/login", json=body)).json()
    assert found["workspace"]["role"] == "admin"
    assert found["workspace"]["slug"] == "default"
