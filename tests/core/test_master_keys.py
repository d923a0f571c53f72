"""Master keys: replaced while they are in use, held by Vault, missing, refused, away."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from provenance.core.db import Database
from provenance.core.errors import Unavailable
from provenance.core.ids import new_uuid
from provenance.core.key_services import KeyAway, check
from provenance.core.keyring import MASTER_KEY_FILE, Keyring, KeyringError, MasterKey, load_masters
from provenance.core.master_keys import KeyFiles
from provenance.core.rewrapping import count_by_master, rewrap
from provenance.core.settings import Settings
from provenance.core.vault import VaultKey, vault_of
from tests.conftest import fresh_database
from tests.core.vault import Vault


@pytest.fixture
async def db(postgres_url: str) -> AsyncIterator[Database]:
    async with fresh_database(postgres_url) as url:
        found = Database(url, pool_size=4)
        yield found
        await found.close()


@pytest.fixture
async def vault() -> AsyncIterator[Vault]:
    found = Vault()
    await found.start()
    yield found
    await found.stop()


def by_file(folder: Path, **more: Any) -> Settings:
    return Settings(database_url="postgresql://nowhere", data_dir=folder, **more)


def by_vault(folder: Path, vault: Vault, **more: Any) -> Settings:
    given = {"master_key": "vault", "vault_url": vault.url, "vault_token": SecretStr(vault.token), **more}
    return by_file(folder, **given)


def held(vault: Vault) -> VaultKey:
    found = vault_of(by_vault(Path(), vault))
    assert found is not None
    return found


class TestKeyFiles:
    def test_a_new_key_takes_the_place_and_the_old_one_stays_beside_it(self, tmp_path: Path) -> None:
        first = MasterKey.create(tmp_path / MASTER_KEY_FILE)
        files, elsewhere = KeyFiles(tmp_path), KeyFiles(tmp_path)
        assert elsewhere.current().id == first.id
        old, new = files.rotate()
        assert (old.id, new.id == old.id) == (first.id, False)
        assert elsewhere.current().id == new.id, "whoever read the file before reads it again"
        assert elsewhere.ids() == {old.id, new.id}
        assert elsewhere.named(old.id).unwrap(first.wrap(b"k", b"c"), b"c") == b"k"
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}

    def test_a_key_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        MasterKey.create(tmp_path / MASTER_KEY_FILE)
        with pytest.raises(KeyringError, match=r"as master\.key\.0123456789ab"):
            KeyFiles(tmp_path).named("0123456789ab")


class TestRotation:
    async def test_every_data_key_is_wrapped_anew_and_opens_the_same(self, db: Database, tmp_path: Path) -> None:
        settings = by_file(tmp_path)
        masters, running = await load_masters(settings, db), Keyring(await load_masters(settings, db), db)
        workspaces = [new_uuid() for _ in range(5)]
        sealed = [(await running.of(each)).seal("p", each.bytes) for each in workspaces]
        await running.rotate(workspaces[0])
        old, new = masters.files.rotate()
        late = new_uuid()
        await running.of(late)
        assert dict(await count_by_master(db)) == {old.id: 6, new.id: 1}, "who runs already wraps by the new one"
        assert await rewrap(masters, db) == (7, 6)
        assert await rewrap(masters, db) == (7, 0)
        fresh = Keyring(await load_masters(settings, db), db)
        for each, value in zip(workspaces, sealed, strict=True):
            assert (await fresh.of(each)).open("p", value) == each.bytes
        (tmp_path / f"{MASTER_KEY_FILE}.{old.id}").unlink()
        assert (await Keyring(await load_masters(settings, db), db).of(late)).holds(1)

    async def test_without_the_old_key_nothing_starts_before_all_is_wrapped_anew(
        self, db: Database, tmp_path: Path
    ) -> None:
        masters = await load_masters(by_file(tmp_path), db)
        await Keyring(masters, db).of(new_uuid())
        old, _ = masters.files.rotate()
        (tmp_path / f"{MASTER_KEY_FILE}.{old.id}").unlink()
        with pytest.raises(KeyringError, match=f"it needs {old.id}"):
            await load_masters(by_file(tmp_path), db)


class TestVault:
    async def test_wraps_opens_and_notices_a_moved_key(self, vault: Vault) -> None:
        key = held(vault)
        wrapped = await key.wrap(b"s" * 32, b"here")
        assert wrapped.startswith(b"vault:v1:")
        assert await key.unwrap(wrapped, b"here") == b"s" * 32
        with pytest.raises(KeyringError, match="moved"):
            await key.unwrap(wrapped, b"there")
        vault.rotate()
        renewed = await key.renewed(wrapped, b"here")
        assert renewed.startswith(b"vault:v2:")
        assert await key.unwrap(renewed, b"here") == await key.unwrap(wrapped, b"here")

    async def test_is_asked_once_for_a_workspace(self, db: Database, tmp_path: Path, vault: Vault) -> None:
        settings = by_vault(tmp_path, vault, vault_namespace="team")
        ring, workspace = Keyring(await load_masters(settings, db), db), new_uuid()
        sealed = (await ring.of(workspace)).seal("p", b"v")
        assert not (tmp_path / MASTER_KEY_FILE).exists()
        again = Keyring(await load_masters(settings, db), db)
        vault.asked.clear()
        for _ in range(3):
            assert (await again.of(workspace)).open("p", sealed) == b"v"
        assert vault.asked == [("decrypt", "team")]
        vault.sealed = True
        assert (await again.of(workspace)).open("p", sealed) == b"v", "what is in memory needs nobody"
        with pytest.raises(Unavailable) as refused:
            await again.of(new_uuid())
        assert refused.value.code == "master_key_away"

    async def test_takes_over_from_a_file_and_gives_back(self, db: Database, tmp_path: Path, vault: Vault) -> None:
        before = Keyring(await load_masters(by_file(tmp_path), db), db)
        old, new = new_uuid(), new_uuid()
        sealed = (await before.of(old)).seal("p", b"v")
        masters = await load_masters(by_vault(tmp_path, vault), db)
        both = Keyring(masters, db)
        assert (await both.of(old)).open("p", sealed) == b"v"
        await both.of(new)
        assert await rewrap(masters, db) == (2, 2), "one by Vault now, one renewed"
        assert dict(await count_by_master(db)) == {"vault:transit/provenance": 2}
        (tmp_path / MASTER_KEY_FILE).unlink()
        alone = Keyring(await load_masters(by_vault(tmp_path, vault), db), db)
        assert (await alone.of(old)).open("p", sealed) == b"v"
        with pytest.raises(KeyringError):
            await load_masters(by_file(tmp_path), db)
        known = by_vault(tmp_path, vault, master_key="file")
        back = await load_masters(known, db)
        assert (await rewrap(back, db)).changed == 2
        assert (await Keyring(await load_masters(by_file(tmp_path), db), db).of(old)).open("p", sealed) == b"v"

    async def test_what_is_wrong_is_said_at_the_start(self, db: Database, tmp_path: Path, vault: Vault) -> None:
        token_file = tmp_path / "token"
        for wrong, said in (
            ({"vault_token": SecretStr("nonsense")}, "the token may not use the key"),
            ({"vault_key": "other"}, "there is no such transit engine or key"),
            ({"vault_token": None}, "set PROVENANCE_VAULT_TOKEN"),
            ({"vault_token_file": token_file}, "can't be read"),
            ({"vault_url": "http://127.0.0.1:9"}, "does not answer"),
            ({"vault_url": "nonsense"}, "is no address"),
            ({"vault_url": None}, "PROVENANCE_VAULT_URL has to say"),
        ):
            with pytest.raises(KeyringError, match=said) as refused:
                await load_masters(by_vault(tmp_path, vault, **wrong), db)
            assert vault.token not in str(refused.value)
        vault.sealed = True
        with pytest.raises(KeyAway, match="Vault is sealed"):
            await load_masters(by_vault(tmp_path, vault), db)

    async def test_a_token_in_a_file_is_read_at_each_call(self, tmp_path: Path, vault: Vault) -> None:
        (tmp_path / "token").write_text("old\n")
        found = vault_of(by_vault(tmp_path, vault, vault_token_file=tmp_path / "token"))
        assert found is not None
        with pytest.raises(KeyringError, match="status 403"):
            await check(found)
        (tmp_path / "token").write_text(vault.token + "\n")
        await check(found)
