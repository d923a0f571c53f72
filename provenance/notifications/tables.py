"""Tables of notifications: the settings of each workspace, and what is still to be told."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from provenance.core.db import metadata

notification_settings = Table(
    "notification_settings",
    metadata,
    Column("workspace_id", Uuid, primary_key=True),
    Column("channels", JSONB, nullable=False, comment="what may be shown, without recipients"),
    Column("rules", JSONB, nullable=False),
    Column("recipients", LargeBinary, nullable=False, comment="of mail, sealed"),
    Column("secret", LargeBinary, comment="of the webhook, sealed"),
    Column("updated_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("updated_by", Text, nullable=False),
)

notification_deliveries = Table(
    "notification_deliveries",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("number", BigInteger, nullable=False, comment="of the event's row"),
    Column("channel", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("due_at", BigInteger, nullable=False, comment="nanoseconds since the epoch; not told before"),
    Column("lease", Uuid, comment="of the worker that has it in hand"),
    Column("leased_until", BigInteger, nullable=False, comment="nanoseconds since the epoch; then another may"),
    Column("failures", Integer, nullable=False),
    PrimaryKeyConstraint("workspace_id", "number", "channel"),
    Index("ix_notification_deliveries_due", "due_at"),
    postgresql_with={"fillfactor": "70"},
)
