"""Tables of the workspaces."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Index, Integer, Table, Text, Uuid, text

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
    Column("default_region", Text, nullable=False, server_default="local"),
    Column("data_retention_days", Integer, nullable=False, server_default="90"),
    Column("plan", Text, nullable=False, server_default="self_hosted"),
    Column("self_approval", Boolean, nullable=False, server_default="false"),
    Column("fresh_login_minutes", Integer, comment="null: the installation's setting"),
    Column(
        "default_approvers",
        ARRAY(Text),
        nullable=False,
        server_default=text("'{group:approvers}'"),
        comment="kind:id each",
    ),
    Column("require_passkey_from", Text, comment="least risk whose approvals a passkey has to sign; null: none"),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False, server_default="system"),
    Column("updated_at", BigInteger, comment="null until the first change"),
    Column("updated_by", Text),
    Index("uq_workspaces_instance", "instance", unique=True, postgresql_where=text("instance")),
)
