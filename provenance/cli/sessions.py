"""The sessions of `provenance login`: one a server, in a file of their owner's alone, renewed when they run out."""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from provenance.cli.errors import from_client
from provenance.cli.settings import config_path, write_private

EARLY_SECONDS = 60
"""A token is renewed so long before it runs out, that it lasts through a command."""


def sessions_path() -> Path:
    """Return the place of the sessions, beside the configuration."""
    return config_path().with_name("sessions.json")


def load(api_url: str) -> dict[str, Any] | None:
    """Return the session with a server, or None."""
    found = _all().get(api_url)
    return found if isinstance(found, dict) else None


def save(api_url: str, answer: dict[str, Any] | None) -> None:
    """Keep the answer to a sign-in as the session with a server; None forgets it."""
    with _locked():
        _store(api_url, answer)


def token_for(api_url: str) -> str | None:
    """Return an access token for a server, renewed if need be; None when nobody is signed in there.

    One process at a time renews: a refresh token works once, and a second use would end the session. Raises Refused
    when the session is over, ServerAway when the server does not answer.
    """
    session = load(api_url)
    if session is None:
        return None
    if session["expiresAt"] - time.time() < EARLY_SECONDS:
        with _locked():
            session = load(api_url)
            if session is not None and session["expiresAt"] - time.time() < EARLY_SECONDS:
                session = _renewed(api_url, session)
    return None if session is None else str(session["accessToken"])


def _renewed(api_url: str, session: dict[str, Any]) -> dict[str, Any]:
    from provenance_client import Client, ProvenanceError

    body = {"refreshToken": session["refreshToken"]}
    try:
        with Client(api_url=api_url, token="") as client:
            answer = client.call("POST", "/auth/refresh", json=body, at_root=True)
    except ProvenanceError as error:
        if error.code == "session_over":
            _store(api_url, None)
        raise from_client(error) from error
    return _store(api_url, answer)


def _store(api_url: str, answer: dict[str, Any] | None) -> dict[str, Any]:
    kept = {url: session for url, session in _all().items() if url != api_url}
    session: dict[str, Any] = {}
    if answer is not None:
        names = ("accessToken", "refreshToken", "user", "workspace")
        session = {**{name: answer[name] for name in names}, "expiresAt": time.time() + answer["expiresIn"]}
        kept[api_url] = session
    write_private(sessions_path(), json.dumps(kept, indent=2) + "\n")
    return session


def _all() -> dict[str, Any]:
    try:
        found = json.loads(sessions_path().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def _locked() -> Iterator[None]:
    """Keep other commands of this person from renewing at the same time."""
    path = sessions_path().with_name(".sessions.lock")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
