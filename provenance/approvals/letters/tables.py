"""The table of letters: mails to people about approvals that are still to be sent."""

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, Integer, PrimaryKeyConstraint, Table, Text, Uuid

from provenance.core.db import metadata

approval_letters = Table(
    "approval_letters",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("approval_id", Uuid, nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("number", BigInteger, nullable=False, comment="of the row that it tells of"),
    Column("occasion", Text, nullable=False, comment="requested, overdue, escalated or changed"),
    Column("created_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("due_at", BigInteger, nullable=False, comment="nanoseconds since the epoch; not sent before"),
    Column("lease", Uuid, comment="of the worker that has it in hand"),
    Column("leased_until", BigInteger, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("workspace_id", "approval_id", "person_id", "number"),
    ForeignKeyConstraint(
        ["workspace_id", "approval_id"],
        ["approvals.workspace_id", "approvals.id"],
        name="fk_approval_letters_approval",
        ondelete="CASCADE",
    ),
    Index("ix_approval_letters_due", "due_at"),
    postgresql_with={"fillfactor": "70"},
)
