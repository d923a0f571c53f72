"""The verbs of bus keys."""

from typing import Any, TypedDict

from provenance.audit import service as audit
from provenance.bus.events import BusEvent
from provenance.bus.keys import queries
from provenance.bus.keys.errors import KeyIdNeeded, UnknownBusKey
from provenance.bus.keys.resolving import Credentials
from provenance.bus.keys.schemas import (
    PREFIX,
    BusKey,
    BusKeyCreate,
    BusKeyDetails,
    BusKeyMade,
    BusKeyRevoked,
    BusKeys,
)
from provenance.core import cursors
from provenance.core.clock import iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.keyring import WorkspaceKeys

_LIST = cursors.binding("bus.keys")


class _Position(TypedDict):
    at: int
    id: str


async def page(tx: ReadTx, keys: WorkspaceKeys, *, limit: int, cursor: str | None) -> BusKeys:
    """Return a page of the workspace's bus keys, revoked ones among them. Raises BadCursor."""
    after = None if cursor is None else cursors.read(keys, _LIST, cursor, _Position)
    rows = await queries.page(tx, limit=limit + 1, after=None if after is None else (after["at"], after["id"]))
    kept = rows[:limit]
    position = {"at": kept[-1].created_at, "id": kept[-1].id} if len(rows) > limit else None
    return BusKeys(
        items=[BusKeyDetails(**_shown(row)) for row in kept],
        next_cursor=None if position is None else cursors.write(keys, _LIST, position),
    )


async def create(tx: WriteTx, asked: BusKeyCreate) -> BusKeyMade:
    """Make a bus key; it is shown in this answer alone."""
    key = BusKey.random()
    topics, actions = list(dict.fromkeys(asked.topics)), sorted(set(asked.actions))
    await queries.insert_key(
        tx,
        {
            "id": key.id,
            "name": asked.name,
            "digest": key.digest,
            "topics": topics,
            "actions": actions,
            "created_at": tx.now,
            "created_by": tx.actor.id,
            "revoked_at": None,
        },
    )
    data = {"name": asked.name, "topics": topics, "actions": actions}
    audit.record(tx, BusEvent.KEY_CREATED, PREFIX + key.id, data, risk=audit.Risk.HIGH)
    return BusKeyMade(**_shown(await queries.row_of(tx, key.id)), key=key.text)


async def revoke(tx: WriteTx, credentials: Credentials, key_id: str | None) -> BusKeyRevoked:
    """Make a bus key worthless at once; one that is already stays as it is. Raises UnknownBusKey and KeyIdNeeded."""
    if key_id is None:
        raise KeyIdNeeded.at("keyId", "is needed where the address has no id")
    row = await queries.row_of(tx, key_id.removeprefix(PREFIX)) if key_id.startswith(PREFIX) else None
    if row is None:
        raise UnknownBusKey("This workspace has no bus key with this id.")
    if await queries.revoke(tx, row.id):
        audit.record(tx, BusEvent.KEY_REVOKED, PREFIX + row.id, {"name": row.name}, risk=audit.Risk.HIGH)
        tx.after_commit.append(credentials.forget)
        row = await queries.row_of(tx, row.id)
    return BusKeyRevoked(key_id=PREFIX + row.id, revoked_at=iso_millis(row.revoked_at))


def _shown(row: Any) -> dict[str, Any]:
    return {
        "key_id": PREFIX + row.id,
        "name": row.name,
        "topics": row.topics,
        "actions": row.actions,
        "prefix": f"pvb_{row.id}",
        "created_at": iso_millis(row.created_at),
        "created_by": row.created_by,
        "revoked_at": None if row.revoked_at is None else iso_millis(row.revoked_at),
    }
