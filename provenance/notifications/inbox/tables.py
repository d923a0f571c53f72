"""Tables of the inbox: what each person was told in one workspace, and how they want to be told."""

from sqlalchemy import BigInteger, Boolean, Column, Index, PrimaryKeyConstraint, SmallInteger, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from provenance.core.db import metadata

notification_inbox = Table(
    "notification_inbox",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("number", BigInteger, nullable=False, comment="of the event's row"),
    Column("id", Uuid, nullable=False, comment="of the event's row"),
    Column("event", Text, nullable=False),
    Column("risk", Text),
    Column("resource_id", Text),
    Column("title", Text, comment="of what it is about, where that has one"),
    Column("uow_id", Uuid, nullable=False, comment="the run, of what happens in one"),
    Column("recorded_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("created_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("read_at", BigInteger),
    PrimaryKeyConstraint("workspace_id", "person_id", "number"),
    Index("ix_notification_inbox_unread", "workspace_id", "person_id", postgresql_where=text("read_at IS NULL")),
    Index("ix_notification_inbox_arrived", "workspace_id", "person_id", "created_at"),
    Index("ix_notification_inbox_uow", "workspace_id", "uow_id"),
    Index("ix_notification_inbox_created", "created_at"),
)

notification_preferences = Table(
    "notification_preferences",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("approval_mail", Boolean, nullable=False, comment="a mail for each approval that is asked of the person"),
    Column("quiet_hours", JSONB, comment="from, to, timezone; null: none"),
    Column("digest", Text, nullable=False, comment="off, daily or weekly"),
    Column("digest_hour", SmallInteger, nullable=False, comment="of the day in the time zone"),
    Column("timezone", Text, nullable=False),
    Column("digest_due_at", BigInteger, comment="null: none is to come"),
    Column("digest_told", BigInteger, nullable=False, server_default="0", comment="number up to which one told"),
    Column("lease", Uuid, comment="of the worker that has the digest in hand"),
    Column("leased_until", BigInteger, nullable=False, server_default="0"),
    Column("updated_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace_id", "person_id"),
    Index("ix_notification_preferences_due", "digest_due_at", postgresql_where=text("digest_due_at IS NOT NULL")),
)
