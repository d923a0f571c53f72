"""Settings: from the environment, described, checked, and secrets never shown."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from provenance.core.plans import LIMITS
from provenance.core.settings import Settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take what the machine that runs the tests may have set out of the way."""
    for name in Settings.model_fields:
        monkeypatch.delenv("PROVENANCE_" + name.upper(), raising=False)
    for name in ("DATABASE_URL", "PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)


def test_the_defaults_start_a_server_on_the_loopback() -> None:
    found = Settings()
    assert (found.host, found.port, found.database_url, found.hot_dispatch) == ("127.0.0.1", 7300, None, True)
    assert found.cors_origins == []


def test_each_is_read_from_its_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVENANCE_PORT", "7301")
    monkeypatch.setenv("PROVENANCE_DATA_DIR", "/somewhere")
    monkeypatch.setenv("PROVENANCE_CORS_ORIGINS", '["https://a.example"]')
    found = Settings()
    assert (found.port, found.data_dir, found.cors_origins) == (7301, Path("/somewhere"), ["https://a.example"])


@pytest.mark.parametrize("prefix", ["", "PROVENANCE_"])
def test_two_are_also_read_without_the_prefix(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    monkeypatch.setenv(prefix + "DATABASE_URL", "postgresql://a/b")
    monkeypatch.setenv(prefix + "PUBLIC_URL", "https://a.example")
    assert (Settings().database_url, Settings().public_url) == ("postgresql://a/b", "https://a.example")


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "70000"), ("PORT", "x"), ("LOG_LEVEL", "loud"), ("POOL_SIZE", "0")]
)
def test_what_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("PROVENANCE_" + name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_limits_that_are_shown_alone_are_taken_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"self_hosted": dict.fromkeys(LIMITS, 0), "team": {}}
    monkeypatch.setenv("PROVENANCE_PLAN_LIMITS", json.dumps(limits))
    assert Settings().plan_limits == limits


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ('{"team": {"runs": 1, "messages": 1}}', rf"team\.messages is no limit; known are {', '.join(LIMITS)}\."),
        ('{"team": {"runs": -1}}', "greater than or equal to 0"),
        ('{"team": {"runs": "many"}}', "valid integer"),
        ('{"runs": 1}', "valid dictionary"),
    ],
)
def test_limits_of_another_name_or_size_are_refused(monkeypatch: pytest.MonkeyPatch, limits: str, said: str) -> None:
    monkeypatch.setenv("PROVENANCE_PLAN_LIMITS", limits)
    with pytest.raises(ValidationError, match=said):
        Settings()


def test_secrets_do_not_show() -> None:
    found = Settings(bootstrap_api_key=SecretStr("pv_secret"), bootstrap_admin_password=SecretStr("hunter2hunter2"))
    assert "pv_secret" not in repr(found)
    assert "hunter2" not in str(found)


def test_every_field_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
