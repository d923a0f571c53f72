"""Giving out the bytes of an object: to who may read, or to who has a signed address."""

import uuid
from base64 import b64encode
from collections.abc import Mapping
from email.utils import formatdate
from typing import NamedTuple
from urllib.parse import quote

from fastapi import Response
from fastapi.responses import StreamingResponse

from provenance.core import ids
from provenance.core.actor import Actor
from provenance.core.clock import NANOS, iso_millis, now_ns
from provenance.datastores.errors import DownloadRefused
from provenance.datastores.finding import found
from provenance.datastores.objects import service
from provenance.datastores.objects.ranges import asked_range, names_etag
from provenance.datastores.objects.schemas import (
    ADDRESS_SECONDS,
    AREA,
    DeletedObject,
    DownloadUrl,
    ObjectRow,
    Objects,
    ObjectsAsked,
)
from provenance.datastores.running import Running
from provenance.datastores.signing import download_address, signed_download
from provenance.datastores.uploads import settling

_SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'none'"
"""What somebody stored is theirs: a browser that opens it here must not run it as ours."""


class Signed(NamedTuple):
    """What a download's address says besides the datastore and the key; ``expires`` is seconds since the epoch."""

    workspace: str
    expires: int
    signature: str


async def page(running: Running, actor: Actor, datastore_id: str, asked: ObjectsAsked) -> Objects:
    """Return a page of objects, those that arrived just now among them. Raises DatastoreNotFound and BadCursor."""
    keys = await running.keyring.of(actor.workspace_id)
    await settling.settle(running, actor, datastore_id)
    async with running.db.read(actor) as tx:
        return await service.page(tx, keys, datastore_id, asked)


async def located(running: Running, actor: Actor, datastore_id: str, key: str) -> ObjectRow:
    """Return an object, also one that arrived just now. Raises DatastoreNotFound and ObjectNotFound."""
    await settling.settle(running, actor, datastore_id, key)
    async with running.db.read(actor) as tx:
        return await service.find(tx, await found(tx, datastore_id), key)


async def delete(running: Running, actor: Actor, datastore_id: str, key: str) -> DeletedObject:
    """Delete an object, also one that arrived just now. Raises DatastoreNotFound and ObjectNotFound."""
    await settling.settle(running, actor, datastore_id, key)
    async with running.db.write(actor) as tx:
        return await service.delete(tx, datastore_id, key)


async def address(running: Running, actor: Actor, datastore_id: str, key: str, base_url: str) -> DownloadUrl:
    """Give out an address for an object's bytes. Raises DatastoreNotFound, ObjectNotFound and ObjectStoreAway."""
    row = await located(running, actor, datastore_id, key)
    expires = now_ns() // NANOS + ADDRESS_SECONDS
    url = None
    if running.presigned:
        url = await running.objects.sign("GET", actor.workspace_id, AREA, row.blob, ADDRESS_SECONDS)
    if url is None:
        keys = await running.keyring.of(actor.workspace_id)
        url = download_address(keys, base_url, actor.workspace_id, datastore_id, key, expires)
    return DownloadUrl(download_url=url, expires_at=iso_millis(expires * NANOS))


async def by_address(
    running: Running, datastore_id: str, key: str, signed: Signed, headers: Mapping[str, str]
) -> Response:
    """Answer to who has a signed address. Raises DownloadRefused and ObjectNotFound."""
    workspace_id = ids.decode("ws", signed.workspace)
    if workspace_id is None or signed.expires <= now_ns() // NANOS:
        raise DownloadRefused("The address has run out, or was changed.")
    async with running.db.housekeeping(workspace_id) as tx:
        datastore = await found(tx, datastore_id)
        # Only now: the keys of a workspace that is not there would be made.
        keys = await running.keyring.within(tx)
        if not signed_download(keys, datastore_id, key, signed.expires, signed.signature):
            raise DownloadRefused("The address has run out, or was changed.")
        row = await service.find(tx, datastore, key)
    return answer(running, workspace_id, row, headers)


def answer(running: Running, workspace_id: uuid.UUID, row: ObjectRow, asked: Mapping[str, str]) -> Response:
    """Answer with an object's bytes, with those of a range, or that they are known already. Raises RangeOutside."""
    headers = _headers(row)
    if names_etag(asked.get("if-none-match"), row.etag):
        return Response(status_code=304, headers=headers)
    same = asked.get("if-range") in (None, row.etag)
    part = asked_range(asked.get("range") if same else None, row.size_bytes)
    start, end = part or (0, row.size_bytes)
    headers |= {"Content-Length": str(end - start), "Content-Type": row.content_type}
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{row.size_bytes}"
    body = running.objects.open(workspace_id, AREA, row.blob, start, end)
    return StreamingResponse(body, 200 if part is None else 206, headers=headers)


def _headers(row: ObjectRow) -> dict[str, str]:
    name = quote(row.key.rstrip("/").rpartition("/")[2], safe="")
    return {
        "ETag": row.etag,
        "Accept-Ranges": "bytes",
        "Last-Modified": formatdate(row.updated_at // NANOS, usegmt=True),
        "Repr-Digest": f"sha-256=:{b64encode(row.sha256).decode()}:",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        "Content-Security-Policy": _SANDBOX,
    }
