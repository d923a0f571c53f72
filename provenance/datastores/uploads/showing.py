"""The last step of every upload: the bytes are in the store, and one transaction lets them be seen."""

import contextlib
import uuid

from provenance.core.errors import Conflict, NotFound
from provenance.core.objects import ObjectStoreAway, Stored
from provenance.datastores import queries as datastore_queries
from provenance.datastores.errors import UploadNotFound, UploadUsed
from provenance.datastores.objects import service as objects
from provenance.datastores.objects.schemas import AREA, ByRun, ObjectRow, Written
from provenance.datastores.room import locked_room
from provenance.datastores.running import Running
from provenance.datastores.uploads import queries
from provenance.datastores.uploads.schemas import UploadRow


async def show(
    running: Running, workspace_id: uuid.UUID, row: UploadRow, blob: str, stored: Stored, by: ByRun | None = None
) -> ObjectRow:
    """Let an upload's bytes be seen, once.

    Bytes that can't be seen any more are destroyed. After a lost connection nobody knows whether they can: those stay,
    and are swept when the upload's time is over. Raises UploadUsed, UploadNotFound, ObjectExists, DatastoreFull and
    PlanLimitReached.
    """
    try:
        async with running.db.write(row.actor(workspace_id)) as tx:
            datastore = await datastore_queries.by_id(tx, row.datastore_id, lock=True)
            if datastore is None:
                raise UploadNotFound("The datastore is gone.")
            if not await queries.end(tx, row.id):
                raise UploadUsed("What was announced has arrived already, or the upload is over.")
            written = Written(row.key, blob, stored.size, row.content_type, stored.sha256)
            room = await locked_room(tx, running.ledger.settings)
            return await objects.show(tx, datastore, written, room, only_new=row.only_new, by=by)
    except (Conflict, NotFound):
        with contextlib.suppress(ObjectStoreAway):
            await running.objects.delete(workspace_id, AREA, blob)
        raise
