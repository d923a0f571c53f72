"""Tables of people, memberships and API keys. Names and addresses are sealed under a key of the person's own.

A change that takes power away (a key revoked, a member changed, a session ended, a person erased) raises
``auth_epoch`` by a trigger, so that no caller can forget it and a change by hand counts as well.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from provenance.core.db import metadata

people = Table(
    "people",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("email_sealed", LargeBinary, comment="null once the person is erased"),
    Column("email_digest", LargeBinary, unique=True, comment="MAC of the folded address"),
    Column("name_sealed", LargeBinary),
    Column("password_hash", Text, comment="argon2id; null while the person has none"),
    Column("created_at", BigInteger, nullable=False),
    Column("erased_at", BigInteger),
)

person_keys = Table(
    "person_keys",
    metadata,
    Column("person_id", Uuid, ForeignKey("people.id"), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False, comment="sealed by the installation's keyring"),
)

members = Table(
    "members",
    metadata,
    Column("workspace_id", Uuid, ForeignKey("workspaces.id"), nullable=False),
    Column("person_id", Uuid, ForeignKey("people.id"), nullable=False),
    Column("role", Text, nullable=False),
    Column("joined_at", BigInteger, nullable=False, comment="when invited, until the invitation is accepted"),
    Column("groups", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("status", Text, nullable=False, server_default="active", comment="invited, active or erased"),
    Column("last_seen_at", BigInteger),
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
    Column("expires_at", BigInteger, comment="null: never"),
    Column("networks", ARRAY(Text), comment="where it may be used from; null: anywhere"),
    Column("last_used_at", BigInteger, comment="to the minute"),
    PrimaryKeyConstraint("workspace_id", "id"),
    UniqueConstraint("id"),
)

auth_epoch = Table(
    "auth_epoch",
    metadata,
    Column("single", Boolean, primary_key=True, comment="true: the table has one row"),
    Column("epoch", BigInteger, nullable=False),
)
