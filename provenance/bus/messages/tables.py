"""Tables of the messages: what was published, and payloads too large to lie in the row."""

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, SmallInteger, Table, Text, Uuid, text

from provenance.core.db import metadata

bus_messages = Table(
    "bus_messages",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("topic", Text, nullable=False),
    Column("topic_key", Text),
    Column("payload", Text, comment="canonical JSON; null when it lies in bus_payloads"),
    Column("payload_bytes", Integer, nullable=False),
    Column("attributes", Text, comment="JSON: the context attributes of a CloudEvent"),
    Column("producer_id", Text, nullable=False),
    Column("producer_kind", Text, nullable=False, comment="agent, workflow, system or webhook"),
    Column("correlation_id", Text),
    Column("hop_count", SmallInteger, nullable=False, comment="messages before it that caused it"),
    Column("origin_run_id", Uuid),
    Column(
        "uow_id", Uuid, nullable=False, comment="the unit of work that it belongs to; its own id when none is known"
    ),
    Column("schema_id", Uuid),
    Column("schema_version", Integer),
    Column("schema_faults", SmallInteger, nullable=False, comment="that the schema's mode let pass"),
    Column("matched", SmallInteger, nullable=False, comment="subscriptions that got it"),
    Column("filtered", SmallInteger, nullable=False, comment="subscriptions to its topic whose filter it did not pass"),
    Column("published_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("expires_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("ix_bus_messages_topic", "workspace_id", "topic", "id"),
    Index(
        "ix_bus_messages_correlation",
        "workspace_id",
        "correlation_id",
        "id",
        postgresql_where=text("correlation_id IS NOT NULL"),
    ),
    Index("ix_bus_messages_expires_at", "expires_at"),
)

bus_payloads = Table(
    "bus_payloads",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("message_id", Uuid, nullable=False),
    Column("payload", Text, nullable=False, comment="canonical JSON"),
    PrimaryKeyConstraint("workspace_id", "message_id"),
)
