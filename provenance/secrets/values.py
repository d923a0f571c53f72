"""Values of secrets: what is taken as one, how it is sealed, and how a new one is made.

A sealed value is bound to its workspace, its secret and its version: a row that is copied over another opens nothing.
"""

import secrets as randomness
import uuid
from typing import Any

import msgspec

from provenance.core.keyring import WorkspaceKeys
from provenance.secrets.errors import NotGenerated, SecretTooLarge, SecretValueUnfit
from provenance.secrets.schemas import GENERATED_TYPES, SecretType

MAX_BYTES = 64 * 1024
GENERATED_BYTES = 32
_PURPOSE = "secret"
_PADDED_TO = 64
"""Sealed values have lengths in steps, so that a dump does not tell how long a password is."""

Plain = str | dict[str, Any] | list[Any]


def checked(type_: SecretType, value: Plain) -> Plain:
    """Return a value that may be kept. Raises SecretValueUnfit and SecretTooLarge, which don't quote it."""
    if type_ is SecretType.JSON:
        if isinstance(value, str):
            value = _parsed(value)
    elif not isinstance(value, str):
        raise SecretValueUnfit.at("value", "must be a text, unless the type is json")
    if not value:
        raise SecretValueUnfit.at("value", "must not be empty")
    size = len(value.encode() if isinstance(value, str) else msgspec.json.encode(value))
    if size > MAX_BYTES:
        raise SecretTooLarge.at("value", f"has {size:,} bytes, {MAX_BYTES:,} at most")
    return value


def _parsed(text: str) -> Plain:
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        found = None
    if not isinstance(found, dict | list):
        raise SecretValueUnfit.at("value", "must be a JSON object or array, for the type is json")
    return found


def generated(type_: SecretType) -> str:
    """Make a random value of 256 bits. Raises NotGenerated for a type whose values someone else makes."""
    ensure_generated(type_)
    return randomness.token_urlsafe(GENERATED_BYTES)


def ensure_generated(type_: SecretType) -> None:
    """Raise NotGenerated for a type whose values someone else makes."""
    if type_ not in GENERATED_TYPES:
        raise NotGenerated.at("rotation.mode", f"a secret of the type {type_.value} can't be generated")


def seal(keys: WorkspaceKeys, place: tuple[uuid.UUID, uuid.UUID, int], value: Plain) -> bytes:
    """Seal a value for its place: workspace, secret, version."""
    raw = msgspec.json.encode(value)
    padded = raw + b" " * (-len(raw) % _PADDED_TO)  # blanks after a JSON text mean nothing
    return keys.seal(_PURPOSE, padded, _context(place))


def unseal(keys: WorkspaceKeys, place: tuple[uuid.UUID, uuid.UUID, int], sealed: bytes) -> Plain:
    """Open a value. Raises KeyringError when it was changed, or sealed for another place."""
    found: Plain = msgspec.json.decode(keys.open(_PURPOSE, sealed, _context(place)))
    return found


def _context(place: tuple[uuid.UUID, uuid.UUID, int]) -> bytes:
    workspace_id, secret_id, version = place
    return workspace_id.bytes + secret_id.bytes + version.to_bytes(4, "big")
