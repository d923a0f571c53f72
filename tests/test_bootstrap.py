"""The first start of an installation: what it makes, what it takes from the environment, and that it happens once."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher

from provenance.bootstrap import CREDENTIALS_FILE, first_start
from provenance.core.keyring import Keyring, load_master_key
from provenance.core.settings import Settings
from provenance.identity.errors import WeakKey, WeakPassword
from provenance.identity.schemas import ApiKey
from provenance.ledger.service import Ledger
from tests.conftest import Running, fresh_database, running

CHOSEN = "pv_firstkey_" + "aB3dEfGhIjKlMnOpQrStUvWxYz012345"
COUNTS = """
SELECT (SELECT count(*) FROM workspaces), (SELECT count(*) FROM people), (SELECT count(*) FROM api_keys),
       (SELECT count(*) FROM interactions)
"""


@pytest.fixture
async def url(postgres_url: str) -> AsyncIterator[str]:
    """A migrated database in which nothing was ever made."""
    async with fresh_database(postgres_url) as found:
        yield found


def settings_of(url: str, data: Path, **more: Any) -> Settings:
    return Settings(database_url=url, data_dir=data, port=7399, min_free_bytes=0, **more)


@asynccontextmanager
async def ledger_of(settings: Settings) -> AsyncIterator[Ledger]:
    assert settings.database_url is not None
    ledger = Ledger(settings, settings.database_url)
    ledger.use(Keyring(await load_master_key(settings.data_dir, ledger.db), ledger.db))
    try:
        yield ledger
    finally:
        await ledger.db.close()


async def counts(ledger: Ledger) -> tuple[int, ...]:
    async with ledger.db.housekeeping() as tx:
        return tuple((await tx.driver_sql(COUNTS)).one())


async def get(server: Running, key: str, path: str = "/api/interactions") -> httpx.Response:
    async with httpx.AsyncClient(base_url=server.url, headers={"x-api-key": key}, verify=False) as client:
        return await client.get(path)


class TestWhatIsMade:
    async def test_credentials_that_work_in_a_file_for_its_owner(self, url: str, tmp_path: Path) -> None:
        async with running(settings_of(url, tmp_path)) as server:
            path = tmp_path / CREDENTIALS_FILE
            assert path.stat().st_mode & 0o777 == 0o600
            made = json.loads(path.read_text())
            assert set(made) == {"apiUrl", "apiKey", "adminEmail", "adminPassword", "workspace"}
            assert (made["apiUrl"], made["adminEmail"]) == ("http://127.0.0.1:7399/api", "admin@localhost")
            assert re.fullmatch(r"pv_[A-Za-z0-9]{20}_[A-Za-z0-9]{43}", made["apiKey"])
            assert len(made["adminPassword"]) >= 12
            assert made["workspace"].startswith("ws_")
            answer = await get(server, made["apiKey"])
            assert (answer.status_code, answer.json()["pagination"]["total"]) == (200, 0)
        assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []

    async def test_nothing_secret_is_stored_as_it_is(self, url: str, tmp_path: Path) -> None:
        async with ledger_of(settings_of(url, tmp_path)) as ledger:
            made = await first_start(settings_of(url, tmp_path), ledger)
            assert made is not None
            async with ledger.db.housekeeping() as tx:
                person = (await tx.driver_sql("SELECT * FROM people")).one()
                key = (await tx.driver_sql("SELECT * FROM api_keys")).one()
                rows = (await tx.driver_sql("SELECT content FROM interactions")).scalars().all()
        stored = repr((person, key, rows))
        for secret in (made.admin_password, made.admin_email, made.api_key.split("_")[2]):
            assert secret not in stored
        assert PasswordHasher().verify(person.password_hash, made.admin_password)

    async def test_its_events_are_the_installations_own(self, url: str, tmp_path: Path) -> None:
        """So the first workspace starts at number 1."""
        async with ledger_of(settings_of(url, tmp_path)) as ledger:
            await first_start(settings_of(url, tmp_path), ledger)
            async with ledger.db.housekeeping() as tx:
                owners = (
                    await tx.driver_sql(
                        "SELECT DISTINCT w.instance FROM interactions i JOIN workspaces w ON w.id = i.workspace_id"
                    )
                ).scalars()
                assert owners.all() == [True]


class TestWhatIsTaken:
    async def test_values_of_the_environment(self, url: str, tmp_path: Path) -> None:
        chosen = {
            "bootstrap_api_key": CHOSEN,
            "bootstrap_admin_email": "ops@example.com",
            "bootstrap_admin_password": "correct horse battery",
        }
        async with running(settings_of(url, tmp_path, **chosen)) as server:
            made = json.loads((tmp_path / CREDENTIALS_FILE).read_text())
            assert (made["apiKey"], made["adminEmail"]) == (CHOSEN, "ops@example.com")
            assert made["adminPassword"] == "correct horse battery"
            assert (await get(server, CHOSEN)).status_code == 200

    @pytest.mark.parametrize(
        "key",
        ["hunter2", "pv_a_b", "pv_firstkey_short", "pv_firstkey_" + "a" * 40, "pv_first-key_" + "aB3dEfGh" * 5, ""],
    )
    async def test_a_weak_key_is_refused_and_not_repeated(self, url: str, tmp_path: Path, key: str) -> None:
        settings = settings_of(url, tmp_path, bootstrap_api_key=key)
        async with ledger_of(settings) as ledger:
            if not key:  # an empty variable is one that was not set
                assert await first_start(settings, ledger) is not None
                return
            with pytest.raises(WeakKey) as refused:
                await first_start(settings, ledger)
            assert key not in str(refused.value)
            assert await counts(ledger) == (0, 0, 0, 0)
        assert not (tmp_path / CREDENTIALS_FILE).exists()

    async def test_a_weak_password_is_refused(self, url: str, tmp_path: Path) -> None:
        settings = settings_of(url, tmp_path, bootstrap_admin_password="elevenchars")
        async with ledger_of(settings) as ledger:
            with pytest.raises(WeakPassword, match="12 characters"):
                await first_start(settings, ledger)
            assert await counts(ledger) == (0, 0, 0, 0)


class TestOnce:
    async def test_a_second_start_changes_nothing(self, url: str, tmp_path: Path) -> None:
        async with running(settings_of(url, tmp_path)) as server:
            before = await counts(server.ledger)
        text = (tmp_path / CREDENTIALS_FILE).read_text()
        other = settings_of(url, tmp_path, bootstrap_api_key=CHOSEN, bootstrap_admin_email="x@example.com")
        async with running(other) as server:
            assert await counts(server.ledger) == before
            assert (await get(server, CHOSEN)).status_code == 401
        assert (tmp_path / CREDENTIALS_FILE).read_text() == text

    async def test_starts_at_once_make_one_installation(self, url: str, tmp_path: Path) -> None:
        settings = settings_of(url, tmp_path)

        async def start() -> object:
            async with ledger_of(settings) as ledger:
                return await first_start(settings, ledger)

        made = await asyncio.gather(*[start() for _ in range(4)])
        assert sum(each is not None for each in made) == 1
        async with ledger_of(settings) as ledger:
            assert (await counts(ledger))[:3] == (2, 1, 1)

    async def test_a_start_that_failed_is_made_good_by_the_next(
        self, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = settings_of(url, tmp_path)
        async with ledger_of(settings) as ledger:

            async def fail(_: object) -> None:
                raise ConnectionError

            monkeypatch.setattr(ledger.db, "_before_commit", fail)
            with pytest.raises(Exception, match="not available"):
                await first_start(settings, ledger)
        async with ledger_of(settings) as ledger:
            assert await counts(ledger) == (0, 0, 0, 0)
            made = await first_start(settings, ledger)
        assert made is not None
        assert json.loads((tmp_path / CREDENTIALS_FILE).read_text())["apiKey"] == made.api_key
        key = ApiKey.parse(made.api_key)
        assert key is not None
