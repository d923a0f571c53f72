"""Datastores on the wire and in hand (spec/automation.md, 4.12 and 5.10)."""

import uuid
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from provenance.core.clock import iso_millis
from provenance.core.cursors import DEFAULT_LIMIT, MAX_LIMIT
from provenance.core.ids import encode

PREFIX = "ds"
MOST_BYTES = 2**53 - 1
"""The largest number that every JSON reader takes for what it is."""


class DatastoreEvent(StrEnum):
    """What can happen to a datastore and to the objects in it."""

    CREATED = "datastore.created"
    UPDATED = "datastore.updated"
    DELETED = "datastore.deleted"
    OBJECT_WRITTEN = "object.written"
    OBJECT_DELETED = "object.deleted"


class Row(NamedTuple):
    """A datastore as stored. Times are nanoseconds since the epoch, sizes bytes."""

    id: uuid.UUID
    name: str
    description: str | None
    environment: str | None
    retention_days: int | None
    max_object_bytes: int | None
    quota_bytes: int | None
    object_count: int
    total_bytes: int
    created_at: int
    created_by: str
    updated_at: int
    updated_by: str

    @property
    def wire_id(self) -> str:
        """The id as it reads outside."""
        return encode(PREFIX, self.id)


class Wire(BaseModel):
    """A body or an answer of these routes: snake_case here, camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Strict(Wire):
    """A body, in which a member that is not known is an error."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


NAME_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9_ ./-]{0,126}[A-Za-z0-9])?$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, examples=["reports"])]
Description = Annotated[str | None, Field(max_length=2_000)]
Environment = Annotated[str | None, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
RetentionDays = Annotated[
    int | None, Field(ge=1, le=36_500, description="Days after which an object that was not written again is deleted.")
]
MaxObjectBytes = Annotated[
    int | None, Field(ge=1, le=MOST_BYTES, description="Largest object; unset: what the installation takes.")
]
QuotaBytes = Annotated[
    int | None, Field(ge=1, le=MOST_BYTES, description="Most bytes of all objects together; unset: no limit.")
]


class DatastoreCreate(Strict):
    """A datastore to be made."""

    name: Name
    description: Description = None
    environment: Environment = None
    retention_days: RetentionDays = None
    max_object_bytes: MaxObjectBytes = None
    quota_bytes: QuotaBytes = None


class DatastoreUpdate(Strict):
    """What is to change; null takes a limit away."""

    name: Name | None = None
    description: Description = None
    environment: Environment = None
    retention_days: RetentionDays = None
    max_object_bytes: MaxObjectBytes = None
    quota_bytes: QuotaBytes = None


class Asked(Wire):
    """The query of a page of datastores."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: Annotated[str | None, Field(max_length=512, description="nextCursor of the page before.")] = None


class Datastore(Wire):
    """A datastore, with how much is in it."""

    datastore_id: str
    workspace_id: str
    name: str
    description: str | None
    environment: str | None
    retention_days: int | None
    max_object_bytes: Annotated[int, Field(description="Largest object it takes now.")]
    quota_bytes: int | None
    object_count: int
    total_bytes: int
    created_at: str
    created_by: str
    updated_at: str
    updated_by: str


class Datastores(Wire):
    """A page of datastores, newest first."""

    items: list[Datastore]
    next_cursor: str | None


class Deleted(Wire):
    """A datastore that is gone."""

    deleted: Literal[True]


def limit_of(row: Row, most: int) -> int:
    """Return the largest object that a datastore takes, where the installation takes at ``most`` so much."""
    return most if row.max_object_bytes is None else min(most, row.max_object_bytes)


def shown(row: Row, workspace_id: uuid.UUID, most: int) -> Datastore:
    """Return a datastore as it reads on the wire."""
    return Datastore(
        datastore_id=row.wire_id,
        workspace_id=encode("ws", workspace_id),
        name=row.name,
        description=row.description,
        environment=row.environment,
        retention_days=row.retention_days,
        max_object_bytes=limit_of(row, most),
        quota_bytes=row.quota_bytes,
        object_count=row.object_count,
        total_bytes=row.total_bytes,
        created_at=iso_millis(row.created_at),
        created_by=row.created_by,
        updated_at=iso_millis(row.updated_at),
        updated_by=row.updated_by,
    )
