"""Tables of the streams: what is configured, and how far each has come."""

from sqlalchemy import (
    BigInteger,
    Boolean,
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

audit_streams = Table(
    "audit_streams",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("target", JSONB, nullable=False, comment="what may be shown"),
    Column("sealed", LargeBinary, comment="the target's secrets, a JSON object of texts"),
    Column("filter", JSONB, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("created_by", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("updated_by", Text, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    UniqueConstraint("workspace_id", "name"),
)

audit_stream_cursors = Table(
    "audit_stream_cursors",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("stream_id", Uuid, nullable=False),
    Column("number", BigInteger, nullable=False, comment="of the last row acknowledged or passed by"),
    Column("pinned_upto", BigInteger, comment="the end of the batch in hand: it stays the same when it is sent again"),
    Column("due_at", BigInteger, nullable=False, comment="nanoseconds since the epoch; nothing is sent before"),
    Column("lease", Uuid, comment="of the worker that has it in hand"),
    Column("leased_until", BigInteger, nullable=False, comment="nanoseconds since the epoch; then another may"),
    Column("delivered", BigInteger, nullable=False, comment="events acknowledged, repeats counted again"),
    Column("refused", BigInteger, nullable=False, comment="events that a target took and threw away"),
    Column("failures", Integer, nullable=False, comment="in a row"),
    Column("said", Text, comment="by the target, the last time"),
    Column("failed_at", BigInteger, comment="nanoseconds since the epoch"),
    Column("acknowledged_at", BigInteger, comment="nanoseconds since the epoch"),
    PrimaryKeyConstraint("workspace_id", "stream_id"),
    ForeignKeyConstraint(
        ["workspace_id", "stream_id"], ["audit_streams.workspace_id", "audit_streams.id"], ondelete="CASCADE"
    ),
    Index("ix_audit_stream_cursors_due", "due_at"),
    postgresql_with={"fillfactor": "50"},
)
