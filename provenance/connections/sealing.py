"""What is secret of a connection, sealed for its place: the credential that was sent, the tokens that were given."""

import uuid
from typing import Any

import msgspec

from provenance.connections.oauth import Tokens
from provenance.connections.schemas import Row
from provenance.core.keyring import WorkspaceKeys

_CREDENTIAL, _TOKENS = "connection.credential", "connection.tokens"


def seal_credential(keys: WorkspaceKeys, place: tuple[uuid.UUID, uuid.UUID], credential: dict[str, Any]) -> bytes:
    """Seal a credential for its place: workspace and connection."""
    return keys.seal(_CREDENTIAL, msgspec.json.encode(credential), _context(place))


def credential_of(keys: WorkspaceKeys, workspace_id: uuid.UUID, row: Row) -> dict[str, Any]:
    """Return a connection's credential, with references to secrets as they were sent; empty when it has none."""
    if row.credential_sealed is None:
        return {}
    found: dict[str, Any] = msgspec.json.decode(
        keys.open(_CREDENTIAL, row.credential_sealed, _context((workspace_id, row.id)))
    )
    return found


def seal_tokens(keys: WorkspaceKeys, place: tuple[uuid.UUID, uuid.UUID], tokens: Tokens) -> bytes:
    """Seal tokens for their place: workspace and connection."""
    return keys.seal(_TOKENS, msgspec.json.encode(tokens), _context(place))


def tokens_of(keys: WorkspaceKeys, workspace_id: uuid.UUID, row: Row) -> Tokens | None:
    """Return a connection's tokens; None when it has none."""
    if row.tokens_sealed is None:
        return None
    return msgspec.json.decode(keys.open(_TOKENS, row.tokens_sealed, _context((workspace_id, row.id))), type=Tokens)


def _context(place: tuple[uuid.UUID, uuid.UUID]) -> bytes:
    return place[0].bytes + place[1].bytes
