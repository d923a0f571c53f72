"""The first start of an installation: instance workspace, default workspace, an administrator, one API key.

Runs in one transaction under a lock, so that several processes may start at once. What was made is written to
``credentials.json`` (0600) in the data folder before the transaction commits: a key that nobody can read would be
lost for ever, a file without its key is simply replaced by the next start.
"""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import text

from provenance.core.actor import Role, Scope
from provenance.core.ids import random_letters
from provenance.core.settings import Settings
from provenance.identity import service as identity
from provenance.identity.errors import WeakPassword
from provenance.identity.schemas import ApiKey
from provenance.ledger.service import Ledger
from provenance.workspace import queries as workspace_queries
from provenance.workspace import service as workspace

CREDENTIALS_FILE = "credentials.json"
DEFAULT_SLUG = "default"
_LOCK = 7_300_000_002


class Credentials(msgspec.Struct, frozen=True, rename="camel"):
    """What the first start made."""

    api_url: str
    api_key: str
    admin_email: str
    admin_password: str
    workspace: str


async def first_start(settings: Settings, ledger: Ledger) -> Credentials | None:
    """Make the installation's first things; None when it has them.

    Raises WeakKey and WeakPassword for weak values in the environment.
    """
    key, password = _chosen(settings)
    email = settings.bootstrap_admin_email or "admin@localhost"
    async with ledger.db.housekeeping() as tx:
        await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        started = await workspace_queries.instance_workspace(tx)
        if started is not None:
            await identity.adopt_people(tx, await ledger.keyring.within(tx.inside(started)))
            return None
        instance = await workspace.create_instance(tx)
        default = await workspace.create(tx, slug=DEFAULT_SLUG, name="Default")
        inside = tx.inside(default.id)
        keys = await ledger.keyring.within(tx.inside(instance.id))
        person = await identity.create_person(inside, keys, email=email, password=password, role=Role.ADMIN)
        scopes = [scope.value for scope in Scope]
        await identity.create_key(inside, key, name="first key", scopes=scopes, created_by=person)
        identity.record_first(tx.inside(instance.id), person, key, scopes)
        made = Credentials(
            api_url=f"{settings.scheme}://127.0.0.1:{settings.port}/api",
            api_key=key.text,
            admin_email=email,
            admin_password=password,
            workspace=default.wire_id,
        )
        _write(settings.data_dir / CREDENTIALS_FILE, made)
    return made


def _chosen(settings: Settings) -> tuple[ApiKey, str]:
    sent = settings.bootstrap_api_key
    key = ApiKey.chosen(sent.get_secret_value()) if sent else ApiKey.random()
    chosen = settings.bootstrap_admin_password
    password = chosen.get_secret_value() if chosen else random_letters(20)
    try:
        identity.ensure_strong(password)
    except WeakPassword as error:
        raise WeakPassword(f"PROVENANCE_BOOTSTRAP_ADMIN_PASSWORD: {error.detail}") from None
    return key, password


def _write(path: Path, made: Credentials) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    body: dict[str, Any] = msgspec.to_builtins(made)
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
