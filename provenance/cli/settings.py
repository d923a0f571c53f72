"""Which server, which key, which origin.

By flag, then environment, then the configuration file (spec: Command line).
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from provenance.cli.errors import Misused

KEYS = {"api-url": "PROVENANCE_API_URL", "api-key": "PROVENANCE_API_KEY", "origin": "PROVENANCE_ORIGIN"}
"""The settings a person may keep, each with its environment variable."""

DEFAULT_ORIGIN = "CLI"


@dataclass(frozen=True, slots=True)
class Connection:
    """A settled choice: `api_url` ends in `/api`, `api_key` may be missing, `origin` is a mnemonic."""

    api_url: str
    api_key: str | None
    origin: str
    token: str | None = None
    """The access token of `provenance login`, where nobody chose a key."""


def key_id(api_key: str | None) -> str | None:
    """Return a key's public part, `pv_<id>`, or None when it has no such form."""
    prefix, _, rest = (api_key or "").partition("_")
    name, _, secret = rest.partition("_")
    return f"{prefix}_{name}" if prefix == "pv" and name and secret else None


def config_path() -> Path:
    """Return the configuration file's place in the platform's config folder."""
    from platformdirs import user_config_path

    return user_config_path("provenance", appauthor=False) / "config.json"


def load_config() -> dict[str, str]:
    """Return what the configuration file holds; an absent file is an empty one.

    Raises Misused on a damaged one.
    """
    path = config_path()
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Misused(f"Cannot read {path}: {error}\nRepair or remove that file.") from error
    if not isinstance(found, dict):
        raise Misused(f"{path} does not hold a JSON object. Repair or remove that file.")
    return {key: str(value) for key, value in found.items() if key in KEYS and value}


def save_config(values: dict[str, str]) -> Path:
    """Write the configuration file, readable by its owner alone, in one atomic step."""
    path = config_path()
    write_private(path, json.dumps(values, indent=2) + "\n")
    return path


def write_private(path: Path, text: str) -> None:
    """Replace a file's content atomically; the file is 0600 from its first byte on.

    Raises Misused when it cannot.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside.unlink(missing_ok=True)
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        aside.replace(path)
    except OSError as error:
        raise Misused(f"Cannot write {path}: {error}") from error


def chosen(key: str, flag: str | None, config: dict[str, str]) -> str | None:
    """Return one setting: the flag, else its environment variable, else the file's value, else None."""
    return flag or os.environ.get(KEYS[key]) or config.get(key) or None


def resolve(api_url: str | None = None, api_key: str | None = None, origin: str | None = None) -> Connection:
    """Settle the three settings; what nobody set comes from the local server's key file and the defaults.

    Raises Misused when the URL is not an http(s) URL.
    """
    from provenance_client import settings as client_settings
    from provenance_client.errors import InvalidRequest

    config = load_config()
    url = chosen("api-url", api_url, config) or _local_api_url()
    try:
        found = client_settings.resolve(
            api_url=url, api_key=chosen("api-key", api_key, config), origin=chosen("origin", origin, config)
        )
    except InvalidRequest as error:
        raise Misused(f"{error.detail}\nGive the server's address as http(s)://host:port/api.") from error
    return Connection(found.api_url, found.api_key, found.origin or DEFAULT_ORIGIN)


def _local_api_url() -> str | None:
    """Return the address the local server wrote down: it may listen on another port than the default one."""
    from provenance_client.settings import data_folder

    try:
        written = json.loads((data_folder() / "credentials.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    url = written.get("apiUrl") if isinstance(written, dict) else None
    return url if isinstance(url, str) else None
