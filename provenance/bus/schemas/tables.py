"""Tables of the schemas: each as it holds now, and every version that there was."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from provenance.core.db import metadata

bus_schemas = Table(
    "bus_schemas",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("topic_pattern", Text, nullable=False),
    Column("mode", Text, nullable=False, comment="reject or warn"),
    Column("compatibility", Text, nullable=False, comment="none or backward"),
    Column("version", Integer, nullable=False),
    Column("schema", JSONB, nullable=False, comment="JSON Schema 2020-12"),
    Column("created_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("created_by", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("updated_by", Text, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    UniqueConstraint("workspace_id", "name"),
)

bus_schema_versions = Table(
    "bus_schema_versions",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("schema_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("schema", JSONB, nullable=False),
    Column("created_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("created_by", Text, nullable=False),
    PrimaryKeyConstraint("workspace_id", "schema_id", "version"),
    ForeignKeyConstraint(
        ["workspace_id", "schema_id"], ["bus_schemas.workspace_id", "bus_schemas.id"], ondelete="CASCADE"
    ),
)
