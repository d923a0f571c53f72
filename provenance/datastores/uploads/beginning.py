"""Asking for an upload: what is announced is checked, and an address given out."""

from provenance.core.actor import Actor
from provenance.core.clock import iso_millis
from provenance.core.db import WriteTx
from provenance.core.ids import new_uuid
from provenance.datastores.errors import ObjectExists, OverLimit
from provenance.datastores.finding import found
from provenance.datastores.keys import checked_key
from provenance.datastores.objects import queries as object_queries
from provenance.datastores.objects.schemas import ADDRESS_SECONDS, AREA
from provenance.datastores.room import Room, room_of
from provenance.datastores.running import Running
from provenance.datastores.schemas import Row, limit_of
from provenance.datastores.signing import upload_address
from provenance.datastores.uploads import queries, settling
from provenance.datastores.uploads.schemas import DIRECT, LASTS_NS, UploadAsked, UploadRow, UploadUrl


async def begin(running: Running, actor: Actor, datastore_id: str, asked: UploadAsked, base_url: str) -> UploadUrl:
    """Give out an address for an object that was announced, good for 15 minutes and for one content.

    Raises DatastoreNotFound, BadKey, OverLimit, PlanLimitReached and, where there must be none, ObjectExists.
    """
    checked_key(asked.key)
    keys = await running.keyring.of(actor.workspace_id)
    await settling.settle(running, actor, datastore_id, asked.key)
    direct = running.presigned and not asked.resumable
    async with running.db.write(actor) as tx:
        datastore = await found(tx, datastore_id)
        room = await room_of(tx, running.ledger.settings)
        row = await _begun(tx, datastore, asked, running.most, room, direct=direct)
    url = upload_address(keys, base_url, actor.workspace_id, row.wire_id)
    headers = {"Content-Type": asked.content_type}
    if direct:
        headers |= running.objects.put_headers
        url = await running.objects.sign("PUT", actor.workspace_id, AREA, row.blob(DIRECT), ADDRESS_SECONDS) or url
    return UploadUrl(
        upload_id=row.wire_id,
        upload_url=url,
        method="PUT",
        headers=headers,
        expires_at=iso_millis(row.expires_at),
    )


async def _begun(tx: WriteTx, datastore: Row, asked: UploadAsked, most: int, room: Room, *, direct: bool) -> UploadRow:
    ensure_fits(datastore, asked.size_bytes, most)
    if asked.if_none_match is not None or room.most is not None:
        before = await object_queries.by_key(tx, datastore.id, asked.key)
        if asked.if_none_match is not None and before is not None:
            raise ObjectExists("There is an object under this key already.")
        room.ensure(asked.size_bytes - (0 if before is None else before.size_bytes))
    digest = None if asked.sha256 is None else bytes.fromhex(asked.sha256)
    row = announced(tx, datastore, asked.key, asked.content_type, asked.size_bytes)
    row = row._replace(sha256=digest, only_new=asked.if_none_match is not None, direct=direct)
    await queries.begin(tx, row)
    return row


def ensure_fits(datastore: Row, size: int, most: int) -> None:
    """Refuse what the datastore does not take. Raises OverLimit."""
    limit = limit_of(datastore, most)
    if size > limit:
        raise OverLimit.at("sizeBytes", f"the datastore {datastore.name} takes objects of {limit:,} bytes at most")


def announced(tx: WriteTx, datastore: Row, key: str, content_type: str, size: int) -> UploadRow:
    """Return an upload that whoever acts has announced just now."""
    actor_id, actor_kind = tx.acting
    return UploadRow(
        id=new_uuid(),
        datastore_id=datastore.id,
        key=key,
        content_type=content_type,
        size_bytes=size,
        sha256=None,
        only_new=False,
        direct=False,
        parts=[],
        received_bytes=0,
        actor_kind=actor_kind,
        actor_id=actor_id,
        created_at=tx.now,
        expires_at=tx.now + LASTS_NS,
        done_at=None,
    )
