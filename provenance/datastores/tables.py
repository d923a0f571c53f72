"""Tables of the datastores themselves."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from provenance.core.db import metadata

datastores = Table(
    "datastores",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("environment", Text),
    Column("retention_days", Integer, comment="null: objects stay"),
    Column("max_object_bytes", BigInteger, comment="null: the installation's"),
    Column("quota_bytes", BigInteger, comment="null: none"),
    Column("object_count", BigInteger, nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("updated_by", Text, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    UniqueConstraint("workspace_id", "name"),
    postgresql_with={"fillfactor": "80"},  # counted in place
)

datastore_references = Table(
    "datastore_references",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("datastore_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False, comment="what works with it, such as workflow"),
    Column("referrer", Text, nullable=False, comment="its id on the wire"),
    PrimaryKeyConstraint("workspace_id", "datastore_id", "kind", "referrer"),
    ForeignKeyConstraint(["workspace_id", "datastore_id"], ["datastores.workspace_id", "datastores.id"]),
    Index("ix_datastore_references_referrer", "workspace_id", "kind", "referrer"),
)
