"""Tables of the bridges: the rules, how far each is, what has arrived, and what could not go over."""

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

bus_bridges = Table(
    "bus_bridges",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("direction", Text, nullable=False, comment="consume or publish"),
    Column("rule", JSONB, nullable=False, comment="servers, stream and mapping; secrets by reference"),
    Column("status", Text, nullable=False, comment="active or paused"),
    Column("created_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("created_by", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("updated_by", Text, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    UniqueConstraint("workspace_id", "name"),
)


def _of_bridge() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["workspace_id", "bridge_id"], ["bus_bridges.workspace_id", "bus_bridges.id"], ondelete="CASCADE"
    )


bus_bridge_states = Table(
    "bus_bridge_states",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("bridge_id", Uuid, nullable=False),
    Column("number", BigInteger, nullable=False, comment="of publish: up to it everything went over"),
    Column("ahead", JSONB, nullable=False, comment="numbers beyond it that went over as well"),
    Column("due_at", BigInteger, nullable=False, comment="nanoseconds since the epoch; nobody takes it before"),
    Column("lease", Uuid, comment="of the worker that has it in hand"),
    Column("leased_until", BigInteger, nullable=False, comment="nanoseconds since the epoch; then another may"),
    Column("connected", Boolean, nullable=False, comment="whether the holder of the lease reached the servers"),
    Column("lag", BigInteger, nullable=False, comment="messages to go, when a worker last looked"),
    Column("passed", BigInteger, nullable=False),
    Column("repeated", BigInteger, nullable=False),
    Column("expired", BigInteger, nullable=False),
    Column("dead", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False, comment="in a row"),
    Column("said", Text, comment="why it failed the last time"),
    Column("failed_at", BigInteger, comment="nanoseconds since the epoch"),
    Column("passed_at", BigInteger, comment="nanoseconds since the epoch"),
    PrimaryKeyConstraint("workspace_id", "bridge_id"),
    _of_bridge(),
    Index("ix_bus_bridge_states_due", "due_at"),
    postgresql_with={"fillfactor": "50"},
)

bus_bridge_arrivals = Table(
    "bus_bridge_arrivals",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("bridge_id", Uuid, nullable=False),
    Column("key", LargeBinary, nullable=False, comment="digest of Nats-Msg-Id, else of stream and sequence"),
    Column("sequence", BigInteger, nullable=False, comment="in the stream"),
    Column("at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    PrimaryKeyConstraint("workspace_id", "bridge_id", "key"),
    _of_bridge(),
    Index("ix_bus_bridge_arrivals_at", "workspace_id", "bridge_id", "at"),
)

bus_bridge_dead_letters = Table(
    "bus_bridge_dead_letters",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("bridge_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("subject", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("payload_bytes", Integer, nullable=False),
    Column("payload", LargeBinary, comment="as it arrived; null when it is larger than a message may be"),
    Column("message_id", Uuid, comment="of the bus, that could not be sent"),
    Column("code", Text, nullable=False),
    Column("said", Text, nullable=False),
    Column("at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    PrimaryKeyConstraint("workspace_id", "bridge_id", "id"),
    _of_bridge(),
    Index("ix_bus_bridge_dead_letters_at", "at"),
)
