"""A master key that AWS KMS holds: bound to its place, asked once, moved to and from, refused, away."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from provenance.cli.doctor import Subject, _master_key
from provenance.core.aws_kms import KmsKey, kms_of
from provenance.core.db import Database
from provenance.core.errors import Unavailable
from provenance.core.holders import holders_of, wrapping
from provenance.core.ids import new_uuid
from provenance.core.key_services import KeyAway, check
from provenance.core.keyring import MASTER_KEY_FILE, Keyring, KeyringError, load_masters
from provenance.core.rewrapping import count_by_master, rewrap
from provenance.core.settings import Settings
from tests.conftest import fresh_database
from tests.core.kms import ACCESS_KEY_ID, ARN, KEY_ID, REGION, Kms
from tests.core.vault import Vault


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "REGION", "DEFAULT_REGION"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)


@pytest.fixture
async def db(postgres_url: str) -> AsyncIterator[Database]:
    async with fresh_database(postgres_url) as url:
        found = Database(url, pool_size=4)
        yield found
        await found.close()


@pytest.fixture
async def kms() -> AsyncIterator[Kms]:
    found = Kms()
    await found.start()
    yield found
    await found.stop()


def by_kms(folder: Path, kms: Kms, **more: Any) -> Settings:
    given = {
        "master_key": "aws-kms",
        "aws_kms_key": ARN,
        "aws_kms_endpoint": kms.url,
        "aws_access_key_id": SecretStr(ACCESS_KEY_ID),
        "aws_secret_access_key": SecretStr(kms.secret_access_key),
        **more,
    }
    return Settings(database_url="postgresql://nowhere", data_dir=folder, **given)


def held(kms: Kms, **more: Any) -> KmsKey:
    found = kms_of(by_kms(Path(), kms, **more))
    assert found is not None
    return found


async def begun(settings: Settings) -> None:
    """Try the key as a start does, without a database."""
    holder = wrapping(settings, holders_of(settings))
    assert holder is not None
    await check(holder)


async def test_wraps_opens_and_is_bound_to_its_place(kms: Kms) -> None:
    key = held(kms)
    wrapped = await key.wrap(b"s" * 32, b"here")
    assert await key.unwrap(wrapped, b"here") == b"s" * 32
    with pytest.raises(KeyringError, match="moved to another place"):
        await key.unwrap(wrapped, b"there")
    with pytest.raises(KeyringError, match="moved to another place"):
        await key.renewed(wrapped, b"there")
    kms.rotate()
    renewed = await key.renewed(wrapped, b"here")
    assert (wrapped[0], renewed[0]) == (1, 2), "the stand-in says which material wrapped"
    assert await key.unwrap(renewed, b"here") == await key.unwrap(wrapped, b"here")
    assert kms.asked[0] == ("Encrypt", {"provenance": b"here".hex()})


async def test_the_id_of_the_key_means_the_same_as_its_arn(kms: Kms) -> None:
    by_id, by_arn = held(kms, aws_kms_key=KEY_ID, aws_kms_region=REGION), held(kms)
    assert by_id.id == by_arn.id == f"aws-kms:{KEY_ID}"
    assert await by_id.unwrap(await by_arn.wrap(b"k", b"c"), b"c") == b"k"
    assert held(kms, aws_kms_endpoint=None).where == "https://kms.eu-central-1.amazonaws.com"


async def test_the_usual_variables_are_read_whole_or_not_at_all(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    kms.session_token = "the token/of+this=hour"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", kms.secret_access_key)
    monkeypatch.setenv("AWS_SESSION_TOKEN", kms.session_token)
    await check(held(kms, aws_access_key_id=None, aws_secret_access_key=None))
    with pytest.raises(KeyringError, match="set PROVENANCE_AWS_SECRET_ACCESS_KEY"):
        await check(held(kms, aws_secret_access_key=None))
    with pytest.raises(KeyringError, match="session token"):
        await check(held(kms))
    await check(held(kms, aws_session_token=SecretStr(kms.session_token)))


async def test_is_asked_once_for_a_workspace(db: Database, tmp_path: Path, kms: Kms) -> None:
    settings = by_kms(tmp_path, kms)
    ring, workspace = Keyring(await load_masters(settings, db), db), new_uuid()
    sealed = (await ring.of(workspace)).seal("p", b"v")
    assert not (tmp_path / MASTER_KEY_FILE).exists()
    again = Keyring(await load_masters(settings, db), db)
    kms.asked.clear()
    for _ in range(3):
        assert (await again.of(workspace)).open("p", sealed) == b"v"
    assert kms.asked == [("Decrypt", {"provenance": f"{workspace.hex}00000001"})]
    for away in (
        (400, "ThrottlingException"),
        (400, "ExpiredTokenException"),
        (500, "KMSInternalException"),
        (503, "?!"),
    ):
        kms.refusal = away
        assert (await again.of(workspace)).open("p", sealed) == b"v", "what is in memory needs nobody"
        with pytest.raises(Unavailable) as refused:
            await again.of(new_uuid())
        assert refused.value.code == "master_key_away"


async def test_takes_over_from_a_file_then_vault_takes_over(db: Database, tmp_path: Path, kms: Kms) -> None:
    by_file = Settings(database_url="postgresql://nowhere", data_dir=tmp_path)
    workspace, vault = new_uuid(), Vault()
    sealed = (await Keyring(await load_masters(by_file, db), db).of(workspace)).seal("p", b"v")
    masters = await load_masters(by_kms(tmp_path, kms), db)
    assert await rewrap(masters, db) == (1, 1)
    (tmp_path / MASTER_KEY_FILE).unlink()
    kms.rotate()
    assert await rewrap(masters, db) == (1, 1), "the same key, its newest material"
    await vault.start()
    try:
        both = {"vault_url": vault.url, "vault_token": SecretStr(vault.token), "master_key": "vault"}
        moved = await load_masters(by_kms(tmp_path, kms, **both), db)
        assert (await Keyring(moved, db).of(workspace)).open("p", sealed) == b"v"
        assert await rewrap(moved, db) == (1, 1)
        assert dict(await count_by_master(db)) == {"vault:transit/provenance": 1}
        with pytest.raises(KeyringError):
            await load_masters(by_kms(tmp_path, kms), db)
    finally:
        await vault.stop()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"aws_access_key_id": SecretStr("AKIAUNKNOWN")}, "PROVENANCE_AWS_ACCESS_KEY_ID"),
        ({"aws_secret_access_key": SecretStr("nonsense")}, "PROVENANCE_AWS_SECRET_ACCESS_KEY"),
        ({"aws_access_key_id": None}, "set PROVENANCE_AWS_ACCESS_KEY_ID"),
        ({"aws_access_key_id": None, "aws_secret_access_key": None}, "set AWS_ACCESS_KEY_ID"),
        ({"aws_kms_key": f"{ARN[:-1]}c"}, "PROVENANCE_AWS_KMS_KEY is not there"),
        ({"aws_kms_key": "alias/provenance"}, "an alias will not do"),
        ({"aws_kms_key": KEY_ID}, "PROVENANCE_AWS_KMS_REGION has to say"),
        ({"aws_kms_region": "example.com/"}, "PROVENANCE_AWS_KMS_REGION has to say"),
        ({"aws_kms_endpoint": "http://127.0.0.1:9"}, "AWS KMS at 127.0.0.1 does not answer"),
        ({"aws_kms_endpoint": "nonsense"}, "PROVENANCE_AWS_KMS_ENDPOINT is no address"),
        ({"aws_kms_key": None}, "PROVENANCE_AWS_KMS_KEY has to say"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
async def test_what_is_wrong_is_said_in_a_line(kms: Kms, wrong: dict[str, Any], said: str) -> None:
    settings = by_kms(Path(), kms, **wrong)
    with pytest.raises(KeyringError, match=said) as refused:
        await begun(settings)
    told = str(refused.value)
    assert kms.secret_access_key not in told
    assert "\n" not in told
    assert "said of" not in told, "what KMS says may repeat a token"


async def test_the_doctor_tries_the_key(kms: Kms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"MASTER_KEY": "aws-kms", "AWS_KMS_KEY": ARN, "AWS_KMS_ENDPOINT": kms.url}
    for name, value in {**given, "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID}.items():
        monkeypatch.setenv(f"PROVENANCE_{name}", value)
    subject = Subject(tmp_path, "127.0.0.1", 7300, None, "auto")
    monkeypatch.setenv("PROVENANCE_AWS_SECRET_ACCESS_KEY", kms.secret_access_key)
    findings = await asyncio.to_thread(lambda: list(_master_key(subject)))
    assert findings == [("master key", "ok", f"{kms.url} wraps and opens with aws-kms:{KEY_ID}")]
    monkeypatch.setenv("PROVENANCE_AWS_SECRET_ACCESS_KEY", "nonsense")
    with pytest.raises(KeyringError, match="PROVENANCE_AWS_SECRET_ACCESS_KEY"):
        await asyncio.to_thread(lambda: list(_master_key(subject)))


@pytest.mark.parametrize("kind", ["AccessDeniedException", "DisabledException", "a <strange> kind"])
async def test_a_refusal_is_no_absence(kms: Kms, kind: str) -> None:
    kms.refusal = 400, kind
    with pytest.raises(KeyringError) as refused:
        await check(held(kms))
    assert not isinstance(refused.value, KeyAway)
    assert "strange" not in str(refused.value)
