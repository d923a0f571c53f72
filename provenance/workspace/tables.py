"""Tables of the workspaces."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Table, Text, Uuid, text

from provenance.core.db import metadata

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column(
        "instance",
        Boolean,
        nullable=False,
        comment="the one workspace that holds the installation's own events",
    ),
    Column("created_at", BigInteger, nullable=False),
    Index("uq_workspaces_instance", "instance", unique=True, postgresql_where=text("instance")),
)
