"""Keys: one master key in a file of its own, data keys wrapped by it, and nothing opened by the wrong one."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from hashlib import sha256
from hmac import digest as hmac_digest
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature

from provenance.core.db import Database
from provenance.core.ids import new_uuid
from provenance.core.keyring import MASTER_KEY_FILE, Keyring, KeyringError, MasterKey, WorkspaceKeys, load_master_key
from tests.conftest import fresh_database


@pytest.fixture
async def db(postgres_url: str) -> AsyncIterator[Database]:
    """A database that has never had a key."""
    async with fresh_database(postgres_url) as url:
        found = Database(url, pool_size=4)
        yield found
        await found.close()


class TestMasterKey:
    def test_is_made_once_for_its_owner_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / MASTER_KEY_FILE
        made = MasterKey.create(path)
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o077 == 0
        assert MasterKey.load(path).id == MasterKey.create(path).id == made.id
        assert [each.name for each in path.parent.iterdir()] == [MASTER_KEY_FILE]

    def test_a_draft_left_by_a_crash_does_no_harm(self, tmp_path: Path) -> None:
        (tmp_path / f".{MASTER_KEY_FILE}.{os.getpid()}").write_text("half")
        assert MasterKey.create(tmp_path / MASTER_KEY_FILE).id

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
    def test_open_to_others_is_refused_with_the_cure(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / MASTER_KEY_FILE
        MasterKey.create(path)
        path.chmod(mode)
        with pytest.raises(KeyringError, match="chmod 600"):
            MasterKey.load(path)

    @pytest.mark.parametrize("content", [b"", b"not base64!", b"c2hvcnQ=", b"\xff\xfe", b"A" * 100])
    def test_a_damaged_file_is_refused(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / MASTER_KEY_FILE
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(KeyringError, match="no master key"):
            MasterKey.load(path)

    def test_a_missing_or_unreadable_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(KeyringError, match="is missing"):
            MasterKey.load(tmp_path / MASTER_KEY_FILE)
        (tmp_path / "folder").mkdir(mode=0o700)
        with pytest.raises(KeyringError, match="can't be read"):
            MasterKey.load(tmp_path / "folder")

    def test_a_wrapped_key_opens_in_its_context_alone(self) -> None:
        master = MasterKey(os.urandom(32))
        wrapped = master.wrap(b"k" * 32, b"context")
        assert master.unwrap(wrapped, b"context") == b"k" * 32
        with pytest.raises(KeyringError):
            master.unwrap(wrapped, b"another")
        with pytest.raises(KeyringError):
            MasterKey(os.urandom(32)).unwrap(wrapped, b"context")


class TestWorkspaceKeys:
    keys = WorkspaceKeys({1: b"a" * 32})

    def test_each_purpose_has_a_key_of_its_own(self) -> None:
        assert len({self.keys.derive(purpose) for purpose in ("a", "b", "seal.a", "sign.a")}) == 4
        assert self.keys.derive("a") == WorkspaceKeys({1: b"a" * 32}).derive("a")
        assert self.keys.derive("a") != WorkspaceKeys({1: b"b" * 32}).derive("a")

    def test_a_mac_is_hmac_sha256_on_both_ways(self) -> None:
        for message in (b"", b"x", b"y" * 1000):
            expected = hmac_digest(self.keys.derive("p"), message, "sha256")
            assert self.keys.mac("p", message) == self.keys.fast_mac("p")(message) == expected

    def test_what_is_sealed_opens_for_its_purpose_alone(self) -> None:
        sealed = self.keys.seal("mail", b"user@example.com")
        assert b"user" not in sealed
        assert self.keys.open("mail", sealed) == b"user@example.com"
        with pytest.raises(KeyringError):
            self.keys.open("other", sealed)
        with pytest.raises(KeyringError):
            WorkspaceKeys({1: b"b" * 32}).open("mail", sealed)

    @pytest.mark.parametrize("at", [0, 3, 4, 15, 16, -1])
    def test_a_changed_byte_is_noticed(self, at: int) -> None:
        sealed = bytearray(self.keys.seal("mail", b"value"))
        sealed[at] ^= 1
        with pytest.raises(KeyringError):
            self.keys.open("mail", bytes(sealed))

    @pytest.mark.parametrize("length", [0, 3, 4, 15, 20])
    def test_a_cut_value_is_noticed(self, length: int) -> None:
        with pytest.raises(KeyringError):
            self.keys.open("mail", self.keys.seal("mail", b"value")[:length])

    def test_two_seals_of_one_value_differ(self) -> None:
        assert self.keys.seal("mail", b"v") != self.keys.seal("mail", b"v")

    def test_a_signature_holds_for_its_purpose(self) -> None:
        signature = self.keys.signer("log").sign(b"head")
        self.keys.signer("log").public_key().verify(signature, b"head")
        with pytest.raises(InvalidSignature):
            self.keys.signer("other").public_key().verify(signature, b"head")

    def test_after_a_rotation_old_values_open_and_new_ones_use_the_new_key(self) -> None:
        old = self.keys.seal("mail", b"old")
        both = WorkspaceKeys({1: b"a" * 32, 2: b"b" * 32})
        assert both.open("mail", old) == b"old"
        new = both.seal("mail", b"new")
        assert (new[:4], both.open("mail", new)) == (b"\0\0\0\2", b"new")
        assert both.mac("p", b"m") == self.keys.mac("p", b"m"), "what a MAC made stays checkable"
        with pytest.raises(KeyringError, match="generation 2"):
            self.keys.open("mail", new)


class TestKeyring:
    async def test_one_data_key_per_workspace_whoever_comes_first(self, db: Database, tmp_path: Path) -> None:
        master = await load_master_key(tmp_path, db)
        workspace, other = new_uuid(), new_uuid()
        rings = [Keyring(master, db) for _ in range(3)]
        found = await asyncio.gather(*[ring.of(workspace) for ring in rings for _ in range(3)])
        assert len({keys.derive("p") for keys in found}) == 1
        assert (await rings[0].of(other)).derive("p") != found[0].derive("p")

    async def test_rotation_adds_a_key(self, db: Database, tmp_path: Path) -> None:
        ring = Keyring(await load_master_key(tmp_path, db), db)
        workspace = new_uuid()
        sealed = (await ring.of(workspace)).seal("p", b"old")
        assert await ring.rotate(workspace) == 2
        keys = await ring.of(workspace)
        assert (keys.open("p", sealed), keys.seal("p", b"x")[:4]) == (b"old", b"\0\0\0\2")
        assert await ring.rotate(workspace) == 3

    async def test_another_process_opens_what_the_new_key_sealed(self, db: Database, tmp_path: Path) -> None:
        master = await load_master_key(tmp_path, db)
        here, there = Keyring(master, db), Keyring(master, db)
        workspace = new_uuid()
        mine, theirs = await here.of(workspace), await there.of(workspace)
        await there.rotate(workspace)
        sealed = theirs.seal("p", b"new")
        assert sealed[:4] == b"\0\0\0\2", "keys that somebody holds already seal with the new one"
        assert mine.seal("p", b"x")[:4] == b"\0\0\0\1", "nothing told this process yet"
        assert mine.open("p", sealed) == b"new"
        assert mine.seal("p", b"x")[:4] == b"\0\0\0\2", "from then on it seals with the new one, too"
        assert await here.of(workspace) is mine
        await there.rotate(workspace)
        here.forget(workspace)
        assert here.cached(workspace) is None
        assert await here.of(workspace) is mine
        assert mine.holds(3)

    async def test_signing_keys_of_a_new_generation_are_found_as_well(self, db: Database, tmp_path: Path) -> None:
        master = await load_master_key(tmp_path, db)
        here, there = Keyring(master, db), Keyring(master, db)
        workspace = new_uuid()
        mine = await here.of(workspace)
        generation = await there.rotate(workspace)
        theirs = (await there.of(workspace)).signer("log", generation)
        assert mine.signer("log", generation).public_key() == theirs.public_key()

    async def test_a_generation_that_never_was_is_asked_for_once(
        self, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ring = Keyring(await load_master_key(tmp_path, db), db)
        keys = await ring.of(new_uuid())
        asked = []
        fetch = ring._fetch
        monkeypatch.setattr(ring, "_fetch", lambda workspace_id: asked.append(workspace_id) or fetch(workspace_id))
        for _ in range(3):
            with pytest.raises(KeyringError, match="generation 9"):
                keys.open("p", b"\0\0\0\x09" + bytes(40))
        assert len(asked) == 1

    async def test_without_a_database_an_unknown_generation_is_an_error_like_any(
        self, postgres_url: str, tmp_path: Path
    ) -> None:
        async with fresh_database(postgres_url) as url:
            db = Database(url, pool_size=2)
            keys = await Keyring(await load_master_key(tmp_path, db), db).of(new_uuid())
            await db.close()
        with pytest.raises(KeyringError, match="generation 9"):
            keys.open("p", b"\0\0\0\x09" + bytes(40))

    async def test_a_key_made_in_a_transaction_that_is_rolled_back_is_not_kept(
        self, db: Database, tmp_path: Path
    ) -> None:
        ring = Keyring(await load_master_key(tmp_path, db), db)
        workspace = new_uuid()

        async def lose() -> None:
            async with db.housekeeping(workspace) as tx:
                lost.append((await ring.within(tx)).derive("p"))
                raise LookupError

        lost: list[bytes] = []
        with pytest.raises(LookupError):
            await lose()
        assert ring.cached(workspace) is None
        assert (await ring.of(workspace)).derive("p") != lost[0]

    async def test_a_rotation_of_a_workspace_that_has_no_key_yet(self, db: Database, tmp_path: Path) -> None:
        ring = Keyring(await load_master_key(tmp_path, db), db)
        assert await ring.rotate(new_uuid()) == 1

    async def test_a_key_moved_to_another_workspace_is_refused(self, db: Database, tmp_path: Path) -> None:
        ring = Keyring(await load_master_key(tmp_path, db), db)
        one, two = new_uuid(), new_uuid()
        await ring.of(one)
        async with db.housekeeping() as tx:
            await tx.driver_sql("UPDATE data_keys SET workspace_id = $1 WHERE workspace_id = $2", (two, one))
        with pytest.raises(KeyringError):
            await Keyring(await load_master_key(tmp_path, db), db).of(two)


class TestLoadMasterKey:
    async def test_a_missing_key_is_refused_when_the_database_needs_it(self, db: Database, tmp_path: Path) -> None:
        await Keyring(await load_master_key(tmp_path, db), db).of(uuid.uuid4())
        (tmp_path / MASTER_KEY_FILE).unlink()
        with pytest.raises(KeyringError, match="only it can open"):
            await load_master_key(tmp_path, db)
        assert not (tmp_path / MASTER_KEY_FILE).exists()

    async def test_another_installations_key_is_refused(self, db: Database, tmp_path: Path) -> None:
        await Keyring(await load_master_key(tmp_path / "one", db), db).of(uuid.uuid4())
        MasterKey.create(tmp_path / "two" / MASTER_KEY_FILE)
        with pytest.raises(KeyringError, match="is not the master key"):
            await load_master_key(tmp_path / "two", db)

    async def test_two_starts_at_once_share_one_key(self, db: Database, tmp_path: Path) -> None:
        found = await asyncio.gather(*[load_master_key(tmp_path, db) for _ in range(8)])
        assert len({master.id for master in found}) == 1

    async def test_the_file_never_holds_what_the_database_holds(self, db: Database, tmp_path: Path) -> None:
        ring = Keyring(await load_master_key(tmp_path, db), db)
        keys = await ring.of(uuid.uuid4())
        async with db.housekeeping() as tx:
            wrapped = (await tx.driver_sql("SELECT wrapped FROM data_keys")).scalar_one()
        assert keys._generations[1] not in wrapped
        assert sha256(keys._generations[1]).digest() not in wrapped
