"""Tables of the deliveries: one row for a message and a subscription, and how each target is doing."""

from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)

from provenance.core.db import metadata

OPEN = text("state = 'open'")

bus_deliveries = Table(
    "bus_deliveries",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("subscription_id", Text, nullable=False),
    Column("seq", BigInteger, Identity(always=True), nullable=False, comment="the order of one topic and key"),
    Column("message_id", Uuid, nullable=False),
    Column("lane", BigInteger, comment="hash of topic and key; null: no order"),
    Column("state", Text, nullable=False, comment="open, delivered, dead, expired or dropped"),
    Column("due_at", BigInteger, nullable=False, comment="nanoseconds since the epoch; nobody takes it before"),
    Column("lease", Uuid, comment="of whoever has it in hand until due_at"),
    Column("attempts", SmallInteger, nullable=False),
    Column("published_at", BigInteger, nullable=False, comment="of the message, nanoseconds since the epoch"),
    Column("expires_at", BigInteger, nullable=False, comment="of the message, nanoseconds since the epoch"),
    Column("settled_at", BigInteger, comment="nanoseconds since the epoch"),
    Column("log", Text, comment="JSON: what became of each attempt"),
    PrimaryKeyConstraint("workspace_id", "subscription_id", "seq"),
    Index("ix_bus_deliveries_open", "workspace_id", "subscription_id", "due_at", postgresql_where=OPEN),
    Index(
        "ix_bus_deliveries_lanes",
        "workspace_id",
        "subscription_id",
        "lane",
        "seq",
        postgresql_where=text("state = 'open' AND lane IS NOT NULL"),
    ),
    Index(
        "ix_bus_deliveries_leased",
        "workspace_id",
        "subscription_id",
        "due_at",
        postgresql_where=text("state = 'open' AND lease IS NOT NULL"),
    ),
    Index("ix_bus_deliveries_message", "workspace_id", "message_id"),
    Index("ix_bus_deliveries_dead", "workspace_id", "seq", postgresql_where=text("state = 'dead'")),
    postgresql_with={"fillfactor": "80"},
)

bus_targets = Table(
    "bus_targets",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("subscription_id", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="of the subscription's target"),
    Column("room", Integer, nullable=False, comment="deliveries that may be in hand at once; 0: paused"),
    Column("lease_seconds", Integer, nullable=False, comment="how long a taker has"),
    Column("failures", Integer, nullable=False, comment="in a row"),
    Column("closed_until", BigInteger, nullable=False, comment="nanoseconds since the epoch: the circuit is open"),
    Column("delivered", BigInteger, nullable=False),
    Column("retried", BigInteger, nullable=False),
    Column("dead", BigInteger, nullable=False),
    Column("said", Text, comment="by the target, the last time it failed"),
    Column("failed_at", BigInteger, comment="nanoseconds since the epoch"),
    Column("delivered_at", BigInteger, comment="nanoseconds since the epoch"),
    PrimaryKeyConstraint("workspace_id", "subscription_id"),
    postgresql_with={"fillfactor": "50"},
)
