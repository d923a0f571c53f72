"""Uploads on the wire and in hand."""

import uuid
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from provenance.core.actor import Actor, Kind
from provenance.core.clock import NANOS
from provenance.core.ids import encode
from provenance.datastores.objects.schemas import ADDRESS_SECONDS, Object, ObjectRow
from provenance.datastores.objects.schemas import shown as shown_object
from provenance.datastores.schemas import MOST_BYTES, Strict, Wire

PREFIX = "upl"
LASTS_NS = ADDRESS_SECONDS * NANOS
MOST_PARTS = 10_000
DIRECT = "sent"
"""The name, below the upload, that an address of the object store itself writes to."""
CONTENT_TYPE = r"^[A-Za-z0-9!#$&^_.+-]{1,100}/[A-Za-z0-9!#$&^_.+-]{1,100}(;[\x20-\x7e]{0,100})?$"


class UploadRow(NamedTuple):
    """An upload as stored."""

    id: uuid.UUID
    datastore_id: uuid.UUID
    key: str
    content_type: str
    size_bytes: int
    sha256: bytes | None
    only_new: bool
    direct: bool
    parts: Sequence[str]
    received_bytes: int
    actor_kind: str
    actor_id: str
    created_at: int
    expires_at: int
    done_at: int | None

    @property
    def wire_id(self) -> str:
        """The id as it reads outside."""
        return encode(PREFIX, self.id)

    def blob(self, name: str) -> str:
        """Return where bytes of this upload are in the object store."""
        return f"{self.id}/{name}"

    def actor(self, workspace_id: uuid.UUID) -> Actor:
        """Return who asked for the upload: the bytes are theirs, whoever has the address."""
        return Actor(Kind(self.actor_kind), self.actor_id, workspace_id)


class UploadAsked(Strict):
    """What is to be uploaded."""

    key: Annotated[str, Field(examples=["reports/2026-05-01.csv"])]
    content_type: Annotated[str, Field(pattern=CONTENT_TYPE, examples=["text/csv"])]
    size_bytes: Annotated[int, Field(ge=0, le=MOST_BYTES)]
    sha256: Annotated[
        str | None, Field(pattern=r"^[0-9a-fA-F]{64}$", description="Of the content, in hex: it is checked.")
    ] = None
    if_none_match: Annotated[
        Literal["*"] | None, Field(description="`*`: there must be no object under the key yet.")
    ] = None
    resumable: Annotated[
        bool, Field(description="The address takes parts, and is this server's own whatever the store.")
    ] = False


class UploadUrl(Wire):
    """Where the bytes go: one PUT with these headers, or several with a Content-Range each."""

    upload_id: str
    upload_url: str
    method: Literal["PUT"]
    headers: dict[str, str]
    expires_at: str


class Uploaded(Wire):
    """How far an upload is; ``object`` is there once it is complete."""

    upload_id: str
    size_bytes: int
    received_bytes: int
    complete: bool
    object: Object | None


def progress(row: UploadRow, shown: ObjectRow | None = None) -> Uploaded:
    """Return how far an upload is, complete with the object that shows it."""
    done = shown is not None or row.done_at is not None
    return Uploaded(
        upload_id=row.wire_id,
        size_bytes=row.size_bytes,
        received_bytes=row.size_bytes if done else row.received_bytes,
        complete=done,
        object=None if shown is None else shown_object(shown),
    )
