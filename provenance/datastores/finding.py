"""Finding a datastore by its id on the wire, for every subject of this feature."""

from provenance.core.db import ReadTx
from provenance.core.ids import decode
from provenance.datastores import queries
from provenance.datastores.errors import DatastoreNotFound
from provenance.datastores.schemas import PREFIX, Row


async def found(tx: ReadTx, datastore_id: str, *, lock: bool = False) -> Row:
    """Return a datastore of the transaction's workspace. Raises DatastoreNotFound."""
    known = decode(PREFIX, datastore_id)
    row = None if known is None else await queries.by_id(tx, known, lock=lock)
    if row is None:
        raise DatastoreNotFound("This workspace has no datastore with this id.")
    return row


async def named(tx: ReadTx, text: str, *, lock: bool = False) -> Row | None:
    """Return the datastore of an id or, as steps may have it, of a name; None when there is none."""
    known = decode(PREFIX, text)
    return await (queries.by_name(tx, text, lock=lock) if known is None else queries.by_id(tx, known, lock=lock))
