"""Objects on the wire and in hand."""

import uuid
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from provenance.core.clock import NANOS, iso_millis
from provenance.core.cursors import DEFAULT_LIMIT, MAX_LIMIT
from provenance.core.ids import encode
from provenance.datastores.schemas import Wire

PREFIX = "obj"
AREA = "datastores"
"""Our corner of the object store."""
ADDRESS_SECONDS = 900
"""How long an address for bytes, up or down, is good."""
UNREAD_AFTER_NS = ADDRESS_SECONDS * NANOS
"""How long bytes outlive their object: an address of the store itself may still be read from."""
CURSOR_LENGTH = 4_096
"""A cursor holds a key, which may have 1,024 bytes."""


class ObjectRow(NamedTuple):
    """An object as stored."""

    key: str
    id: uuid.UUID
    blob: str
    size_bytes: int
    content_type: str
    sha256: bytes
    run_id: uuid.UUID | None
    created_at: int
    updated_at: int
    updated_by: str

    @property
    def etag(self) -> str:
        """The ETag as it reads in a header."""
        return f'"{self.sha256.hex()}"'


class Written(NamedTuple):
    """Bytes that are in the store, and under which key they are to be seen."""

    key: str
    blob: str
    size_bytes: int
    content_type: str
    sha256: bytes


class ByRun(NamedTuple):
    """The run that acts, and the span of its step: what is recorded lands in its trace."""

    id: uuid.UUID
    span: str


class ObjectsAsked(Wire):
    """The query of a page of objects."""

    prefix: Annotated[str | None, Field(max_length=1_024, description="Only keys that begin so.")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: Annotated[str | None, Field(max_length=CURSOR_LENGTH, description="nextCursor of the page before.")] = None


class Object(Wire):
    """What is known of an object besides its bytes."""

    key: str
    object_id: Annotated[str, Field(description="What the ledger calls it.")]
    size_bytes: int
    content_type: str
    etag: str
    sha256: str
    updated_at: str
    run_id: Annotated[str | None, Field(description="The run whose step wrote it.")]


class Objects(Wire):
    """A page of objects, in the byte order of their keys."""

    items: list[Object]
    next_cursor: str | None


class DeletedObject(Wire):
    """An object that is gone."""

    key: str
    deleted: Literal[True]


class DownloadUrl(Wire):
    """An address that gives the bytes to whoever has it, until it runs out."""

    download_url: str
    expires_at: str


def shown(row: ObjectRow) -> Object:
    """Return an object as it reads on the wire."""
    return Object(
        key=row.key,
        object_id=encode(PREFIX, row.id),
        size_bytes=row.size_bytes,
        content_type=row.content_type,
        etag=row.etag,
        sha256=row.sha256.hex(),
        updated_at=iso_millis(row.updated_at),
        run_id=None if row.run_id is None else encode("run", row.run_id),
    )
