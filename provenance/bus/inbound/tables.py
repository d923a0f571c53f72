"""The table of what arrived, by which a repeat is told for a day."""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, PrimaryKeyConstraint, Table, Text, Uuid

from provenance.core.db import metadata

bus_arrivals = Table(
    "bus_arrivals",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("subscription_id", Text, nullable=False),
    Column("key", LargeBinary, nullable=False, comment="SHA-256 of what names the delivery, or of the body"),
    Column("message_id", Uuid, nullable=False),
    Column("at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    PrimaryKeyConstraint("workspace_id", "subscription_id", "key"),
    Index("ix_bus_arrivals_at", "at"),
)
