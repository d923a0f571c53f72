"""Tables of identity: people, memberships, API keys. Names and addresses are stored sealed."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ForeignKey,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from provenance.core.db import metadata

people = Table(
    "people",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("email_sealed", LargeBinary, nullable=False),
    Column("email_digest", LargeBinary, nullable=False, unique=True, comment="MAC of the folded address"),
    Column("password_hash", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

members = Table(
    "members",
    metadata,
    Column("workspace_id", Uuid, ForeignKey("workspaces.id"), nullable=False),
    Column("person_id", Uuid, ForeignKey("people.id"), nullable=False),
    Column("role", Text, nullable=False),
    Column("joined_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace_id", "person_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("workspace_id", Uuid, ForeignKey("workspaces.id"), nullable=False),
    Column("id", Text, nullable=False, comment="the middle part of pv_<id>_<secret>"),
    Column("name", Text, nullable=False),
    Column("secret_digest", LargeBinary, nullable=False, comment="SHA-256 of the secret"),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("revoked_at", BigInteger),
    PrimaryKeyConstraint("workspace_id", "id"),
    UniqueConstraint("id"),
)
