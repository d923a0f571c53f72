"""Tables of the webhooks."""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, PrimaryKeyConstraint, Table, Text, Uuid

from provenance.core.db import metadata

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("workflow_id", Uuid, nullable=False),
    Column("delivery", LargeBinary, nullable=False, comment="keyed hash of what names it"),
    Column("run_id", Uuid, nullable=False, comment="the run that the first of its requests started"),
    Column("status", Text, nullable=False, comment="of the run, as that request was answered"),
    Column("at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    PrimaryKeyConstraint("workspace_id", "workflow_id", "delivery"),
    Index("ix_webhook_deliveries_at", "at"),
)
