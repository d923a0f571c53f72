"""Tables of the workflows: the workflow with its draft, its immutable versions, its secrets, its live triggers."""

from sqlalchemy import (
    ARRAY,
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
    Uuid,
    text,
)

from provenance.core.db import metadata

_NONE = text("'{}'")
_OF_WORKFLOW = (["workspace_id", "workflow_id"], ["workflows.workspace_id", "workflows.id"])

workflows = Table(
    "workflows",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("family_id", Uuid, nullable=False, comment="shared with the same workflow in other environments"),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("environment", Text, comment="null once it is deleted, so that it holds no environment"),
    Column("tags", ARRAY(Text), nullable=False, server_default=_NONE),
    Column("owner", Text, nullable=False, comment="user_…, or who made it"),
    Column("max_concurrent_runs", Integer, comment="null: no limit"),
    Column("triggers_off", ARRAY(Text), nullable=False, server_default=_NONE, comment="types switched off"),
    Column("revision", Integer, nullable=False, server_default="1", comment="of the metadata, for If-Match"),
    Column("latest_version", Integer, nullable=False, server_default="0"),
    Column("live_version", Integer, comment="null: not deployed"),
    Column("live_checksum", Text),
    Column("draft", Text, nullable=False, comment="JSON in canonical form, valid or not"),
    Column("draft_revision", Integer, nullable=False, server_default="1"),
    Column("draft_checksum", Text, nullable=False, comment="what publishing it would give; of its text when invalid"),
    Column("draft_based_on", Integer, comment="the version it was begun from"),
    Column("draft_updated_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("updated_by", Text, nullable=False),
    Column("deleted_at", BigInteger),
    PrimaryKeyConstraint("workspace_id", "id"),
    ForeignKeyConstraint(
        ["workspace_id", "environment"],
        ["environments.workspace_id", "environments.slug"],
        name="fk_workflows_environment",
    ),
    Index(
        "uq_workflows_name",
        "workspace_id",
        "environment",
        "name",
        unique=True,
        postgresql_where=text("deleted_at IS NULL"),
    ),
    Index("ix_workflows_updated", "workspace_id", "updated_at", "id"),
    Index("ix_workflows_family", "workspace_id", "family_id"),
)

workflow_versions = Table(
    "workflow_versions",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("workflow_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("definition", Text, nullable=False, comment="JSON in canonical form; its SHA-256 is the checksum"),
    Column("checksum", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("promoted_from", Uuid, comment="the workflow it was promoted from"),
    Column("promoted_version", Integer),
    Column("published_at", BigInteger, nullable=False),
    Column("published_by", Text, nullable=False),
    PrimaryKeyConstraint("workspace_id", "workflow_id", "version"),
    ForeignKeyConstraint(*_OF_WORKFLOW, name="fk_workflow_versions_workflow"),
)

workflow_secrets = Table(
    "workflow_secrets",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("workflow_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("valid_until", BigInteger, comment="null: it is the current one"),
    PrimaryKeyConstraint("workspace_id", "workflow_id", "id"),
    ForeignKeyConstraint(*_OF_WORKFLOW, name="fk_workflow_secrets_workflow"),
)

workflow_triggers = Table(
    "workflow_triggers",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("workflow_id", Uuid, nullable=False),
    Column("key", Text, nullable=False, comment="of the trigger step in the live version"),
    Column("type", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("cron", Text),
    Column("timezone", Text),
    Column("overlap", Text),
    Column("catch_up", Text),
    Column("next_at", BigInteger, comment="nanoseconds since the epoch; null: it never runs again, or is switched off"),
    Column("topic_pattern", Text),
    Column("filter", Text, comment="CEL over topic, payload and message"),
    PrimaryKeyConstraint("workspace_id", "workflow_id", "key"),
    ForeignKeyConstraint(*_OF_WORKFLOW, name="fk_workflow_triggers_workflow"),
    Index("ix_workflow_triggers_next_at", "next_at", postgresql_where=text("next_at IS NOT NULL")),
    Index(
        "ix_workflow_triggers_event",
        "workspace_id",
        "type",
        postgresql_where=text("topic_pattern IS NOT NULL AND enabled"),
    ),
)
