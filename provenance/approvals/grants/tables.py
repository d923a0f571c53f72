"""The table of grants."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
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

_NONE = text("'{}'")

approval_grants = Table(
    "approval_grants",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("kind", Text, nullable=False, comment="action_class or substitute"),
    Column("grantor", Text, nullable=False, comment="user_… whose authority it is"),
    Column("grantee", Text, nullable=False, comment="user_… who confirms it; of a substitute also who decides"),
    Column("workflow_ids", ARRAY(Uuid), nullable=False, server_default=_NONE, comment="empty: any"),
    Column("step_keys", ARRAY(Text), nullable=False, server_default=_NONE, comment="empty: any"),
    Column("action", Text, comment="null: any"),
    Column("max_risk", Text, nullable=False),
    Column("payload_rules", Text, nullable=False, comment="JSON list of path, op, value"),
    Column("status", Text, nullable=False, comment="pending, active, denied or revoked"),
    Column("max_uses", Integer, comment="null: any number"),
    Column("uses", Integer, nullable=False, server_default="0"),
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_until", BigInteger, nullable=False),
    Column("reason", Text),
    Column("created_from", Uuid, comment="the approval with which it was made"),
    Column("token_digest", LargeBinary, comment="SHA-256; null once it was used"),
    Column("token_until", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("decided_at", BigInteger),
    Column("comment", Text, comment="of who confirmed or denied it"),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("ix_approval_grants_active", "workspace_id", "valid_until", postgresql_where=text("status = 'active'")),
)
