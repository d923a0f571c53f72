import json
import stat
from pathlib import Path

import pytest

from provenance.cli import settings
from provenance.cli.errors import Misused
from tests.cli.process import Shell


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("PROVENANCE_API_URL", "PROVENANCE_API_KEY", "PROVENANCE_ORIGIN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PROVENANCE_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def write_credentials(home: Path, api_url: str, api_key: str = "pv_local_secret") -> None:
    (home / "data").mkdir()
    (home / "data" / "credentials.json").write_text(json.dumps({"apiUrl": api_url, "apiKey": api_key}))


class TestResolve:
    def test_nothing_set_means_the_default_address_and_origin(self) -> None:
        found = settings.resolve()

        assert found == settings.Connection("http://127.0.0.1:7300/api", None, "CLI")

    def test_the_local_servers_key_file_is_the_fall_back(self, own_home: Path) -> None:
        write_credentials(own_home, "http://127.0.0.1:7455/api")

        found = settings.resolve()

        assert (found.api_url, found.api_key) == ("http://127.0.0.1:7455/api", "pv_local_secret")

    def test_the_local_key_does_not_travel_to_another_host(self, own_home: Path) -> None:
        write_credentials(own_home, "http://127.0.0.1:7300/api")

        assert settings.resolve(api_url="https://elsewhere.example/api").api_key is None

    def test_flag_wins_over_environment_wins_over_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.save_config({"api-url": "http://file:1/api", "api-key": "file-key", "origin": "FILE"})
        monkeypatch.setenv("PROVENANCE_API_KEY", "env-key")
        monkeypatch.setenv("PROVENANCE_ORIGIN", "ENV")

        found = settings.resolve(origin="FLAG")

        assert found == settings.Connection("http://file:1/api", "env-key", "FLAG")

    def test_an_address_that_is_none_is_misuse(self) -> None:
        with pytest.raises(Misused, match="not an http"):
            settings.resolve(api_url="ftp://host")

    def test_a_damaged_file_is_named(self) -> None:
        path = settings.save_config({})
        path.write_text("{")

        with pytest.raises(Misused, match=r"config\.json"):
            settings.resolve()


class TestConfigCommand:
    def test_set_get_list_path(self, shell: Shell) -> None:
        assert shell.run("config", "set", "api-url", "http://localhost:7301/").returncode == 0
        assert shell.run("config", "set", "api-key", "pv_abc_topsecret").returncode == 0

        got = shell.run("config", "get", "api-url")
        listed = shell.run("config", "list")
        path = Path(shell.run("config", "path").stdout.strip())

        assert got.stdout == "http://localhost:7301/api\n"
        assert "pv_abc_…" in listed.stdout
        assert "topsecret" not in listed.stdout
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_list_shows_what_is_in_force_and_where_it_comes_from(self, shell: Shell) -> None:
        listed = shell.run("config", "list", env={"PROVENANCE_ORIGIN": "CI"})

        assert listed.stdout.splitlines() == [
            "api-url\thttp://127.0.0.1:7300/api\tdefault",
            "api-key\t-\tdefault",
            "origin\tCI\tPROVENANCE_ORIGIN",
        ]

    def test_a_file_open_to_others_is_closed_when_written(self, shell: Shell) -> None:
        shell.run("config", "set", "origin", "A")
        path = Path(shell.run("config", "path").stdout.strip())
        path.chmod(0o644)

        shell.run("config", "set", "origin", "B")

        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_a_script_pipes_the_key_in(self, shell: Shell) -> None:
        shell.run("config", "set", "api-key", stdin="pv_abc_topsecret\n")

        assert shell.run("config", "get", "api-key").stdout == "pv_abc_topsecret\n"

    def test_an_unknown_key_is_usage(self, shell: Shell) -> None:
        done = shell.run("config", "set", "colour", "red")

        assert done.returncode == 2
        assert "api-url, api-key, origin" in done.stderr

    def test_get_of_nothing_is_refused(self, shell: Shell) -> None:
        assert shell.run("config", "get", "origin").returncode == 1

    def test_an_empty_value_forgets(self, shell: Shell) -> None:
        shell.run("config", "set", "origin", "A")
        shell.run("config", "set", "origin", "")

        assert shell.run("config", "get", "origin").returncode == 1
