"""The verbs of API keys."""

from typing import Any, TypedDict

from provenance.audit import service as audit
from provenance.core import cursors
from provenance.core.clock import MAX_NANOS, iso_millis, nanos
from provenance.core.db import ReadTx, WriteTx
from provenance.core.errors import Invalid
from provenance.core.keyring import WorkspaceKeys
from provenance.identity import queries as identity_queries
from provenance.identity.api_keys import queries
from provenance.identity.api_keys.errors import UnknownKey
from provenance.identity.api_keys.schemas import (
    ApiKeyCreate,
    ApiKeyDetails,
    ApiKeyMade,
    ApiKeyRevoked,
    ApiKeys,
)
from provenance.identity.running import Identity
from provenance.identity.schemas import ApiKey, IdentityEvent

_LIST = cursors.binding("api_keys")
_PREFIX = "key_"


class _Position(TypedDict):
    at: int
    id: str


async def page(tx: ReadTx, keys: WorkspaceKeys, *, limit: int, cursor: str | None) -> ApiKeys:
    """Return a page of the workspace's keys, revoked ones among them. Raises BadCursor."""
    after = None if cursor is None else cursors.read(keys, _LIST, cursor, _Position)
    rows = await queries.page(tx, limit=limit + 1, after=None if after is None else (after["at"], after["id"]))
    more = len(rows) > limit
    rows = rows[:limit]
    position = {"at": rows[-1].created_at, "id": rows[-1].id} if more else None
    return ApiKeys(
        items=[ApiKeyDetails(**_shown(row)) for row in rows],
        next_cursor=None if position is None else cursors.write(keys, _LIST, position),
    )


async def create(tx: WriteTx, asked: ApiKeyCreate) -> ApiKeyMade:
    """Make a key of the workspace; it is shown in this answer alone. Raises Invalid for a past ``expiresAt``."""
    key = ApiKey.random()
    scopes = sorted(set(asked.scopes))
    networks = list(dict.fromkeys(asked.ip_allow_list or ())) or None
    expires_at = None if asked.expires_at is None else nanos(asked.expires_at)
    if expires_at is not None and not tx.now < expires_at <= MAX_NANOS:
        raise Invalid.at("expiresAt", "must lie ahead, and before the year 2262")
    await identity_queries.insert_key(
        tx,
        key,
        name=asked.name,
        scopes=scopes,
        created_by=tx.actor.id,
        expires_at=expires_at,
        networks=networks,
    )
    data = {
        "name": asked.name,
        "scopes": scopes,
        "expiresAt": None if expires_at is None else iso_millis(expires_at),
        "networks": len(networks or ()),  # where somebody works from is theirs; how many places is enough to know
    }
    audit.record(tx, IdentityEvent.KEY_CREATED, _PREFIX + key.id, data, risk=audit.Risk.HIGH)
    return ApiKeyMade(**_shown(await queries.row_of(tx, key.id)), key=key.text)


async def revoke(tx: WriteTx, identity: Identity, key_id: str) -> ApiKeyRevoked:
    """Make a key worthless at once; one that is already stays as it is, without an event. Raises UnknownKey."""
    row = await queries.row_of(tx, key_id.removeprefix(_PREFIX)) if key_id.startswith(_PREFIX) else None
    if row is None:
        raise UnknownKey("This workspace has no API key with this id.")
    if await queries.revoke(tx, row.id):
        audit.record(tx, IdentityEvent.KEY_REVOKED, _PREFIX + row.id, {"name": row.name}, risk=audit.Risk.HIGH)
        tx.after_commit.append(identity.authenticate.forget)
        row = await queries.row_of(tx, row.id)
    return ApiKeyRevoked(key_id=_PREFIX + row.id, revoked_at=iso_millis(row.revoked_at))


def _shown(row: Any) -> dict[str, Any]:
    return {
        "key_id": _PREFIX + row.id,
        "name": row.name,
        "scopes": row.scopes,
        "prefix": f"pv_{row.id}",
        "created_at": iso_millis(row.created_at),
        "created_by": row.created_by,
        "last_used_at": _moment(row.last_used_at),
        "revoked_at": _moment(row.revoked_at),
        "expires_at": _moment(row.expires_at),
        "ip_allow_list": row.networks or [],
    }


def _moment(ns: int | None) -> str | None:
    return None if ns is None else iso_millis(ns)
