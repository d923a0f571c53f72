import json
from pathlib import Path

import pytest

from provenance_client import InvalidRequest
from provenance_client.settings import DEFAULT_API_URL, data_folder, normalise_url, resolve


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"PROVENANCE_DATA_DIR": str(tmp_path)}


def write_credentials(environ: dict[str, str], **fields: str) -> None:
    Path(environ["PROVENANCE_DATA_DIR"], "credentials.json").write_text(json.dumps(fields))


class TestResolve:
    def test_argument_before_environment_before_default(self, environ: dict[str, str]) -> None:
        environ |= {"PROVENANCE_API_URL": "http://one:7300/api", "PROVENANCE_ORIGIN": "ENV"}
        settings = resolve(origin="ARGUMENT", environ=environ)
        assert (settings.api_url, settings.origin) == ("http://one:7300/api", "ARGUMENT")
        assert resolve(environ={}).api_url == DEFAULT_API_URL

    def test_key_of_the_local_server(self, environ: dict[str, str]) -> None:
        write_credentials(environ, apiKey="pv_local_key", apiUrl="https://ledger.example/api")
        assert resolve(environ=environ).api_key == "pv_local_key"
        assert resolve(api_url="https://ledger.example", environ=environ).api_key == "pv_local_key"

    def test_local_key_does_not_travel(self, environ: dict[str, str]) -> None:
        write_credentials(environ, apiKey="pv_local_key")
        assert resolve(api_url="https://elsewhere.example", environ=environ).api_key is None

    @pytest.mark.parametrize("text", ["", "[]", "{", '{"apiKey": 1}'])
    def test_unreadable_key_file_counts_as_none(self, environ: dict[str, str], text: str) -> None:
        Path(environ["PROVENANCE_DATA_DIR"], "credentials.json").write_text(text)
        assert resolve(environ=environ).api_key is None

    def test_key_is_not_shown(self) -> None:
        assert "secret" not in repr(resolve(api_key="pv_a_secret", environ={}))


class TestUrls:
    @pytest.mark.parametrize("url", ["http://h:1", "http://h:1/", "http://h:1/api", " http://h:1/api/ "])
    def test_all_spellings_name_the_same_api(self, url: str) -> None:
        assert normalise_url(url) == "http://h:1/api"

    @pytest.mark.parametrize("url", ["h:1", "ftp://h", "http://", "/api"])
    def test_not_http(self, url: str) -> None:
        with pytest.raises(InvalidRequest) as caught:
            normalise_url(url)
        assert caught.value.code == "invalid_api_url"

    def test_host_url(self) -> None:
        assert resolve(api_url="http://h:1", environ={}).host_url == "http://h:1"


def test_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert data_folder({"XDG_DATA_HOME": "/x"}) == Path("/x/provenance")
    assert data_folder({}) == Path.home() / ".local/share/provenance"
    assert data_folder({"PROVENANCE_DATA_DIR": "/y", "XDG_DATA_HOME": "/x"}) == Path("/y")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert data_folder({"XDG_DATA_HOME": "/x"}) == Path("/var/lib/provenance")
