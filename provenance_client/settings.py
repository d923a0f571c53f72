"""Where the server is and who we are.

By argument, then by environment, then by the local server's key file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from provenance_client.errors import InvalidRequest

DEFAULT_API_URL = "http://127.0.0.1:7300/api"


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """The three things every call needs.

    `api_url` (ends in `/api`), `api_key` and the default `origin` mnemonic.
    """

    api_url: str
    api_key: str | None = field(repr=False)
    origin: str | None
    token: str | None = field(default=None, repr=False)
    """Access token of a signed-in person; sent instead of a key."""

    @property
    def host_url(self) -> str:
        """The server's root, for the few routes that live outside `/api`."""
        return self.api_url.removesuffix("/api")

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine's loopback."""
        return _is_loopback(self.api_url)

    def as_person(self, token: str | None) -> ClientSettings:
        """The same server for a signed-in person, or with an empty token for nobody; None leaves the key in force."""
        return self if token is None else replace(self, api_key=None, token=token or None)


def resolve(
    *,
    api_url: str | None = None,
    api_key: str | None = None,
    origin: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> ClientSettings:
    """Settle each setting: the argument, else `PROVENANCE_API_URL`, `PROVENANCE_API_KEY`,
    `PROVENANCE_ORIGIN`, else the default.

    The default key is `apiKey` of the local server's `credentials.json`. It is only used towards the
    loopback or the address that file names: a key found on disk must not travel to a server it was not made
    for.

    Raises InvalidRequest when the URL is not http(s).
    """
    env = os.environ if environ is None else environ
    url = normalise_url(api_url or env.get("PROVENANCE_API_URL") or DEFAULT_API_URL)
    key = api_key or env.get("PROVENANCE_API_KEY") or _local_key(url, env)
    return ClientSettings(url, key, origin or env.get("PROVENANCE_ORIGIN") or None)


def normalise_url(url: str) -> str:
    """`http://host:7300/`, `http://host:7300/api/` and `http://host:7300/api` all name the same API."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequest(f"not an http(s) URL: {url!r}", code="invalid_api_url")
    bare = url.strip().rstrip("/")
    return bare if bare.endswith("/api") else bare + "/api"


def data_folder(environ: Mapping[str, str] | None = None) -> Path:
    """The default data folder of a server on this machine (it holds `credentials.json`)."""
    env = os.environ if environ is None else environ
    if chosen := env.get("PROVENANCE_DATA_DIR"):
        return Path(chosen).expanduser()
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/provenance")
    if xdg := env.get("XDG_DATA_HOME"):
        return Path(xdg) / "provenance"
    return Path.home() / ".local" / "share" / "provenance"


def _local_key(url: str, env: Mapping[str, str]) -> str | None:
    credentials = _read_credentials(data_folder(env) / "credentials.json")
    key, made_for = credentials.get("apiKey"), credentials.get("apiUrl")
    if not isinstance(key, str):
        return None
    same_server = isinstance(made_for, str) and made_for.rstrip("/") == url
    return key if same_server or _is_loopback(url) else None


def _read_credentials(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
