"""The secrets of targets: one sealed JSON object a stream, opened only to deliver."""

import uuid

import msgspec

from provenance.core.keyring import Keyring, KeyringError
from provenance.streams.targets.contract import Secrets

PURPOSE = "audit_stream.secrets"


async def seal(keyring: Keyring, workspace_id: uuid.UUID, values: dict[str, str] | None) -> bytes | None:
    """Seal the secrets of a target; None when it has none."""
    if not values:
        return None
    return (await keyring.of(workspace_id)).seal(PURPOSE, msgspec.json.encode(values))


async def opened(keyring: Keyring, workspace_id: uuid.UUID, sealed: bytes | None) -> Secrets:
    """Open the secrets of a target. Raises KeyringError when they can't be."""
    if sealed is None:
        return Secrets()
    try:
        value = (await keyring.of(workspace_id)).open(PURPOSE, sealed)
    except KeyringError:
        keyring.forget(workspace_id)  # another process may have rotated the key since
        value = (await keyring.of(workspace_id)).open(PURPOSE, sealed)
    return Secrets(msgspec.json.decode(value, type=dict[str, str]))
