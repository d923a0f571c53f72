"""The table of audit digests: one row a workspace."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from provenance.core.db import metadata

audit_digests = Table(
    "audit_digests",
    metadata,
    Column("workspace_id", Uuid, primary_key=True),
    Column("enabled", Boolean, nullable=False),
    Column("frequency", Text, nullable=False),
    Column("recipients", LargeBinary, nullable=False, comment="sealed"),
    Column("risk_levels", ARRAY(Text), nullable=False),
    Column("hour_utc", Integer, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("include_csv", Boolean, nullable=False),
    Column("number", BigInteger, nullable=False, comment="of the last row that a digest covered"),
    Column("run_at", BigInteger, comment="nanoseconds since the epoch; when the next one is for, null when off"),
    Column("due_at", BigInteger, comment="nanoseconds since the epoch; when it is tried next, null when off"),
    Column("phase", Text, nullable=False, comment="waiting, or handing_over while the mail server has the text"),
    Column("lease", Uuid, comment="of the worker that has it in hand"),
    Column("leased_until", BigInteger, nullable=False, comment="nanoseconds since the epoch; then another may"),
    Column("failures", Integer, nullable=False, comment="in a row"),
    Column("said", Text, comment="why it was not sent the last time"),
    Column("last_sent_at", BigInteger, comment="nanoseconds since the epoch"),
    Column("updated_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("updated_by", Text, nullable=False),
    Index("ix_audit_digests_due", "due_at"),
)
