"""What an address of ours takes: the whole content at once, or parts in their order, each kept once it is here.

A part that breaks off is sent again from where the one before ended. Parts are blobs of their own; when the last is
there they are read once more, in constant memory, into the one blob that is shown.
"""

import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import NamedTuple

from provenance.core import ids
from provenance.core.objects import ObjectDiffers, ObjectStoreAway
from provenance.datastores.errors import BadContentRange, UploadIncomplete, UploadNotFound, UploadOutOfStep, UploadUsed
from provenance.datastores.objects.schemas import AREA
from provenance.datastores.running import Running
from provenance.datastores.signing import signed_upload
from provenance.datastores.uploads import queries
from provenance.datastores.uploads.parts import placed
from provenance.datastores.uploads.schemas import LASTS_NS, MOST_PARTS, PREFIX, Uploaded, UploadRow, progress
from provenance.datastores.uploads.showing import show


class Address(NamedTuple):
    """What an upload's address says: the upload, its workspace, and the signature that makes it ours."""

    upload_id: str
    workspace: str
    signature: str


class Sent(NamedTuple):
    """What came with a PUT; ``size`` is its Content-Length, None where it has none."""

    content: AsyncIterator[bytes]
    size: int | None
    content_range: str | None


class _Under(NamedTuple):
    """An upload, and where it is under way."""

    running: Running
    workspace_id: uuid.UUID
    row: UploadRow


async def state(running: Running, address: Address) -> Uploaded:
    """Return how far an upload is. Raises UploadNotFound."""
    return progress((await _found(running, address)).row)


async def take(running: Running, address: Address, sent: Sent) -> Uploaded:
    """Take a content, or the next part of it.

    Raises UploadNotFound, UploadUsed, UploadOutOfStep, BadContentRange, ObjectDiffers, ObjectTooLarge, ObjectExists,
    DatastoreFull, PlanLimitReached and ObjectStoreAway.
    """
    under = await _found(running, address)
    if under.row.done_at is not None or under.row.direct:
        raise UploadUsed("This address was used; ask for another one.")
    if sent.content_range is None:
        return await _whole(under, sent)
    place = placed(sent.content_range, under.row.size_bytes)
    if place is not None:
        under = await _with_part(under, sent, *place)
    if under.row.received_bytes < under.row.size_bytes:
        return progress(under.row)
    return await _assembled(under)


async def _found(running: Running, address: Address) -> _Under:
    workspace_id, upload_id = ids.decode("ws", address.workspace), ids.decode(PREFIX, address.upload_id)
    row = None
    if workspace_id is not None and upload_id is not None:
        async with running.db.housekeeping(workspace_id) as tx:
            row = await queries.by_id(tx, upload_id)
    if row is None or workspace_id is None:
        raise UploadNotFound("No upload has this address, or its time is over.")
    # Only now: the keys of a workspace that is not there would be made.
    if not signed_upload(await running.keyring.of(workspace_id), address.upload_id, address.signature):
        raise UploadNotFound("No upload has this address, or its time is over.")
    return _Under(running, workspace_id, row)


async def _whole(under: _Under, sent: Sent) -> Uploaded:
    announced = under.row.size_bytes
    if sent.size is not None and sent.size != announced:
        raise ObjectDiffers(f"The content has {sent.size:,} bytes; {announced:,} were announced.")
    return await _stored(under, sent.content)


async def _stored(under: _Under, content: AsyncIterator[bytes]) -> Uploaded:
    running, workspace_id, row = under
    blob = row.blob(ids.new_uuid().hex)  # of each attempt its own: two at once must not write into each other
    stored = await running.objects.put(
        workspace_id, AREA, blob, content, size=row.size_bytes, sha256=row.sha256, content_type=row.content_type
    )
    return progress(row, await show(running, workspace_id, row, blob, stored))


async def _with_part(under: _Under, sent: Sent, start: int, end: int) -> _Under:
    running, workspace_id, row = under
    if start != row.received_bytes:
        raise UploadOutOfStep(f"The next part begins at {row.received_bytes}.")
    if len(row.parts) >= MOST_PARTS:
        raise BadContentRange.at("Content-Range", f"an upload has {MOST_PARTS:,} parts at most")
    part = row.blob(f"part-{start}-{ids.new_uuid().hex}")
    await running.objects.put(workspace_id, AREA, part, sent.content, size=end - start)
    async with running.db.housekeeping(workspace_id) as tx:
        added = await queries.add_part(tx, row, part, end - start, tx.now + LASTS_NS)
    if not added:
        await running.objects.delete(workspace_id, AREA, part)
        raise UploadOutOfStep("Another request sent this part meanwhile.")
    return under._replace(row=row._replace(parts=[*row.parts, part], received_bytes=end))


async def _assembled(under: _Under) -> Uploaded:
    running, workspace_id, row = under
    if row.received_bytes != row.size_bytes:
        raise UploadIncomplete(f"{row.size_bytes - row.received_bytes:,} bytes are missing.")
    shown = await _stored(under, _joined(under))
    with contextlib.suppress(ObjectStoreAway):  # they are swept with the upload at the latest
        await running.objects.delete(workspace_id, AREA, row.parts)
    return shown


async def _joined(under: _Under) -> AsyncIterator[bytes]:
    for part in under.row.parts:
        async for piece in under.running.objects.open(under.workspace_id, AREA, part):
            yield piece
