"""The table of tickets."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table, Text, Uuid

from provenance.core.db import metadata

tickets = Table(
    "tickets",
    metadata,
    Column("digest", LargeBinary, primary_key=True, comment="SHA-256 of the token"),
    Column("purpose", Text, nullable=False),
    Column("person_id", Uuid, ForeignKey("people.id")),
    Column("place", Uuid, ForeignKey("workspaces.id"), comment="the workspace that an invitation is for"),
    Column("sealed", LargeBinary, comment="what else belongs to it, sealed by the installation's keyring"),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    Index("ix_tickets_person_id", "person_id"),
)
