"""Tables of the connections."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from provenance.core.db import metadata

connections = Table(
    "connections",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("integration", Text, nullable=False),
    Column("auth_type", Text, nullable=False),
    Column("environment", Text),
    Column("config", JSONB, nullable=False),
    Column("status", Text, nullable=False, comment="pending, active, paused or error"),
    Column("account_id", Text),
    Column("account_label", Text),
    Column("scopes", ARRAY(Text), nullable=False, comment="granted, or to be asked for"),
    Column("credential_sealed", LargeBinary, comment="what was sent as the credential"),
    Column("tokens_sealed", LargeBinary, comment="what the provider gave out"),
    Column("tokens_revision", Integer, nullable=False, comment="counts what the provider gave out"),
    Column("expires_at", BigInteger, comment="of the access token, nanoseconds since the epoch"),
    Column("lease", Uuid, comment="whoever fetches tokens right now"),
    Column("lease_until", BigInteger),
    Column("last_refreshed_at", BigInteger),
    Column("last_used_at", BigInteger, comment="to the minute"),
    Column("last_error", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("updated_by", Text, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    UniqueConstraint("workspace_id", "name"),
    postgresql_with={"fillfactor": "80"},  # stamped in place
)

connection_authorizations = Table(
    "connection_authorizations",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the state"),
    Column("connection_id", Uuid, nullable=False),
    Column("person", Text, nullable=False, comment="who asked"),
    Column("sealed", LargeBinary, nullable=False, comment="the proof key and what was asked for"),
    Column("expires_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace_id", "digest"),
    ForeignKeyConstraint(
        ["workspace_id", "connection_id"], ["connections.workspace_id", "connections.id"], ondelete="CASCADE"
    ),
)

connection_references = Table(
    "connection_references",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("connection_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False, comment="what works with it, such as workflow"),
    Column("referrer", Text, nullable=False, comment="its id on the wire"),
    PrimaryKeyConstraint("workspace_id", "connection_id", "kind", "referrer"),
    ForeignKeyConstraint(["workspace_id", "connection_id"], ["connections.workspace_id", "connections.id"]),
    Index("ix_connection_references_referrer", "workspace_id", "kind", "referrer"),
)
