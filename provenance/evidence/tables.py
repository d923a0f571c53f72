"""The table of evidence: what was asked, what was found, and the heads that prove it."""

from sqlalchemy import (
    ARRAY,
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
)

from provenance.core.db import metadata

evidence_packs = Table(
    "evidence_packs",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("digest", LargeBinary, nullable=False, comment="of the filter, the head and the numbers found"),
    Column("asked", Text, nullable=False, comment="the filter as canonical JSON"),
    Column("numbers", ARRAY(BigInteger), nullable=False, comment="the rows that satisfied it, ascending"),
    Column("records", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("size", BigInteger, nullable=False, comment="of the oldest head kept that covers all rows"),
    Column("checkpoint", Text, nullable=False, comment="that head as it was signed when the pack was made"),
    Column("signed_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("newest_size", BigInteger, nullable=False),
    Column("newest_checkpoint", Text, nullable=False, comment="the newest head when the pack was made"),
    Column("completeness", Text, comment="the map's answer when the pack was made"),
    Column("created_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("created_by", Text, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    UniqueConstraint("workspace_id", "digest"),
    Index("ix_evidence_packs_created_at", "workspace_id", "created_at", "id"),
)
