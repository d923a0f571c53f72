"""Tables of the objects: what is there, and which bytes are not needed any more."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)

from provenance.core.db import metadata

datastore_objects = Table(
    "datastore_objects",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("datastore_id", Uuid, nullable=False),
    Column("key", Text(collation="C"), nullable=False, comment="listed in byte order"),
    Column("id", Uuid, nullable=False, comment="what the ledger calls it; stays when it is written again"),
    Column("blob", Text, nullable=False, comment="its bytes in the object store; another one at each write"),
    Column("size_bytes", BigInteger, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("run_id", Uuid, comment="the run that wrote it"),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("updated_by", Text, nullable=False),
    PrimaryKeyConstraint("workspace_id", "datastore_id", "key"),
    ForeignKeyConstraint(["workspace_id", "datastore_id"], ["datastores.workspace_id", "datastores.id"]),
    Index("ix_datastore_objects_updated_at", "workspace_id", "datastore_id", "updated_at"),
)

datastore_garbage = Table(
    "datastore_garbage",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("blob", Text, nullable=False),
    Column("after", BigInteger, nullable=False, comment="when nobody can be reading it any more"),
    PrimaryKeyConstraint("workspace_id", "blob"),
    Index("ix_datastore_garbage_after", "after"),
)
