"""The table of links: which person may decide on which state of an approval by which mail."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Uuid,
)

from provenance.core.db import metadata

approval_links = Table(
    "approval_links",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("approval_id", Uuid, nullable=False),
    Column("person_id", Uuid, nullable=False, comment="who alone may decide by it"),
    Column("revision", Integer, nullable=False, comment="of the approval that the mail told of"),
    Column("statement_digest", LargeBinary, nullable=False, comment="SHA-256 of what the mail told of"),
    Column("token_digest", LargeBinary, nullable=False, comment="SHA-256"),
    Column("made_at", BigInteger, nullable=False),
    Column("good_until", BigInteger, nullable=False),
    Column("used_at", BigInteger, comment="null: still to be used"),
    PrimaryKeyConstraint("workspace_id", "id"),
    ForeignKeyConstraint(
        ["workspace_id", "approval_id"],
        ["approvals.workspace_id", "approvals.id"],
        name="fk_approval_links_approval",
        ondelete="CASCADE",
    ),
    Index("ix_approval_links_person", "workspace_id", "approval_id", "person_id"),
)
