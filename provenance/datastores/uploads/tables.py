"""The table of the uploads under way: what may be in the object store without an object that shows it."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)

from provenance.core.db import metadata

datastore_uploads = Table(
    "datastore_uploads",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False, comment="all its bytes are below this name in the object store"),
    Column("datastore_id", Uuid, nullable=False, comment="no foreign key: its bytes outlive the datastore"),
    Column("key", Text(collation="C"), nullable=False),
    Column("content_type", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False, comment="announced"),
    Column("sha256", LargeBinary, comment="announced, or null"),
    Column("only_new", Boolean, nullable=False, comment="ifNoneMatch was asked for"),
    Column("direct", Boolean, nullable=False, comment="the address is the object store's own"),
    Column("parts", ARRAY(Text), nullable=False, comment="what came in parts, in order"),
    Column("received_bytes", BigInteger, nullable=False, comment="of all parts"),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("done_at", BigInteger),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("ix_datastore_uploads_expires_at", "expires_at"),
    Index(
        "ix_datastore_uploads_direct",
        "workspace_id",
        "datastore_id",
        postgresql_where=text("direct AND done_at IS NULL"),
    ),
)
