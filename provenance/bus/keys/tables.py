"""The table of the bus's own keys."""

from sqlalchemy import BigInteger, Column, LargeBinary, PrimaryKeyConstraint, Table, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from provenance.core.db import metadata

bus_keys = Table(
    "bus_keys",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Text, nullable=False, comment="letters and digits, without the prefix bkey_"),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the secret"),
    Column("topics", ARRAY(Text), nullable=False, comment="patterns of what it may publish to or pull"),
    Column("actions", ARRAY(Text), nullable=False, comment="publish, pull"),
    Column("created_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("created_by", Text, nullable=False),
    Column("revoked_at", BigInteger, comment="nanoseconds since the epoch"),
    PrimaryKeyConstraint("workspace_id", "id"),
    UniqueConstraint("id"),
)
