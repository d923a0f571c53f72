"""Tables of the secrets."""

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
    Uuid,
    text,
)

from provenance.core.db import metadata

secrets = Table(
    "secrets",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("description", Text),
    Column("tags", ARRAY(Text), nullable=False),
    Column("version", Integer, nullable=False, comment="the current one, from 1"),
    Column("rotation_mode", Text, nullable=False, comment="manual, interval or generated"),
    Column("every_days", Integer),
    Column("grace_minutes", Integer, nullable=False),
    Column("next_at", BigInteger, comment="when the next rotation is due, nanoseconds since the epoch"),
    Column("last_at", BigInteger, comment="of the last rotation"),
    Column("due_told_at", BigInteger, comment="when secret.rotation_due was recorded for this next_at"),
    Column("last_accessed_at", BigInteger, comment="to the minute"),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("updated_by", Text, nullable=False),
    Column("purge_at", BigInteger, comment="set when it is deleted: when its values are destroyed"),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("uq_secrets_name", "workspace_id", "name", unique=True, postgresql_where=text("purge_at IS NULL")),
    postgresql_with={"fillfactor": "80"},  # stamped in place
)

secret_versions = Table(
    "secret_versions",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("secret_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("sealed", LargeBinary, comment="null once the version is retired"),
    Column("created_at", BigInteger, nullable=False),
    Column("valid_until", BigInteger, comment="end of its grace; null while it is the current one"),
    PrimaryKeyConstraint("workspace_id", "secret_id", "version"),
    ForeignKeyConstraint(["workspace_id", "secret_id"], ["secrets.workspace_id", "secrets.id"], ondelete="CASCADE"),
)

secret_references = Table(
    "secret_references",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("secret_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False, comment="what refers to it, such as connection"),
    Column("referrer", Text, nullable=False, comment="its id on the wire"),
    Column("since", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace_id", "secret_id", "kind", "referrer"),
    ForeignKeyConstraint(["workspace_id", "secret_id"], ["secrets.workspace_id", "secrets.id"], ondelete="CASCADE"),
    Index("ix_secret_references_referrer", "workspace_id", "kind", "referrer"),
)
