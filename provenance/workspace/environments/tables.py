"""The table of environments."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, PrimaryKeyConstraint, Table, Text, Uuid

from provenance.core.db import metadata

environments = Table(
    "environments",
    metadata,
    Column("workspace_id", Uuid, ForeignKey("workspaces.id"), nullable=False),
    Column("slug", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("protected", Boolean, nullable=False, comment="changes there ask for an extra confirmation"),
    Column("position", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace_id", "slug"),
)
