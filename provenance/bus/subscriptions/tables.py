"""Tables of the subscriptions, and the number that rises when what routes messages changes."""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from provenance.core.db import metadata

bus_routings = Table(
    "bus_routings",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("version", BigInteger, nullable=False, comment="raised by every change of a subscription or a schema"),
    PrimaryKeyConstraint("workspace_id"),
)

bus_subscriptions = Table(
    "bus_subscriptions",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Text, nullable=False, comment="as it reads outside; a client may have chosen it"),
    Column("name", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("direction", Text, nullable=False, comment="outbound or inbound"),
    Column("topic_pattern", Text, comment="null for inbound ones"),
    Column("filter", JSONB(none_as_null=True), comment="a CEL condition, or a list of rules"),
    Column("kind", Text, nullable=False, comment="queue, webhook, workflow; inbound"),
    Column("target", JSONB, nullable=False, comment="what may be shown of where messages go or come from"),
    Column("sealed", LargeBinary, comment="the signing secrets and secret headers, a JSON object"),
    Column("delivery", JSONB, nullable=False),
    Column("dead_letter", JSONB, nullable=False),
    Column("status", Text, nullable=False, comment="active or paused"),
    Column("created_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("created_by", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("updated_by", Text, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    UniqueConstraint("workspace_id", "name"),
    Index("ix_bus_subscriptions_id", "id", postgresql_where=text("direction = 'inbound'")),
)
