"""workflows, their versions, secrets and live triggers."""

import sqlalchemy as sa
from alembic import op

revision = "b81e5d0c7a36"
down_revision = "4be0d97a63c1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "workflows",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "family_id", sa.Uuid(), nullable=False, comment="shared with the same workflow in other environments"
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "environment", sa.Text(), nullable=True, comment="null once it is deleted, so that it holds no environment"
        ),
        sa.Column("tags", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False, comment="user_…, or who made it"),
        sa.Column("max_concurrent_runs", sa.Integer(), nullable=True, comment="null: no limit"),
        sa.Column(
            "triggers_off",
            sa.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="types switched off",
        ),
        sa.Column(
            "revision", sa.Integer(), server_default="1", nullable=False, comment="of the metadata, for If-Match"
        ),
        sa.Column("latest_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("live_version", sa.Integer(), nullable=True, comment="null: not deployed"),
        sa.Column("live_checksum", sa.Text(), nullable=True),
        sa.Column("draft", sa.Text(), nullable=False, comment="JSON in canonical form, valid or not"),
        sa.Column("draft_revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column(
            "draft_checksum",
            sa.Text(),
            nullable=False,
            comment="what publishing it would give; of its text when invalid",
        ),
        sa.Column("draft_based_on", sa.Integer(), nullable=True, comment="the version it was begun from"),
        sa.Column("draft_updated_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "environment"],
            ["environments.workspace_id", "environments.slug"],
            name="fk_workflows_environment",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_workflows")),
    )
    op.create_index("ix_workflows_family", "workflows", ["workspace_id", "family_id"], unique=False)
    op.create_index("ix_workflows_updated", "workflows", ["workspace_id", "updated_at", "id"], unique=False)
    op.create_index(
        "uq_workflows_name",
        "workflows",
        ["workspace_id", "environment", "name"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "workflow_versions",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("workflow_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "definition", sa.Text(), nullable=False, comment="JSON in canonical form; its SHA-256 is the checksum"
        ),
        sa.Column("checksum", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("promoted_from", sa.Uuid(), nullable=True, comment="the workflow it was promoted from"),
        sa.Column("promoted_version", sa.Integer(), nullable=True),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
        sa.Column("published_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "workflow_id"],
            ["workflows.workspace_id", "workflows.id"],
            name="fk_workflow_versions_workflow",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "workflow_id", "version", name=op.f("pk_workflow_versions")),
    )
    op.create_table(
        "workflow_secrets",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("workflow_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=True, comment="null: it is the current one"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "workflow_id"],
            ["workflows.workspace_id", "workflows.id"],
            name="fk_workflow_secrets_workflow",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "workflow_id", "id", name=op.f("pk_workflow_secrets")),
    )
    op.create_table(
        "workflow_triggers",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("workflow_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="of the trigger step in the live version"),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("cron", sa.Text(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=True),
        sa.Column("overlap", sa.Text(), nullable=True),
        sa.Column("catch_up", sa.Text(), nullable=True),
        sa.Column(
            "next_at",
            sa.BigInteger(),
            nullable=True,
            comment="nanoseconds since the epoch; null: it never runs again, or is switched off",
        ),
        sa.Column("topic_pattern", sa.Text(), nullable=True),
        sa.Column("filter", sa.Text(), nullable=True, comment="CEL over topic, payload and message"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "workflow_id"],
            ["workflows.workspace_id", "workflows.id"],
            name="fk_workflow_triggers_workflow",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "workflow_id", "key", name=op.f("pk_workflow_triggers")),
    )
    op.create_index(
        "ix_workflow_triggers_event",
        "workflow_triggers",
        ["workspace_id", "type"],
        unique=False,
        postgresql_where=sa.text("topic_pattern IS NOT NULL AND enabled"),
    )
    op.create_index(
        "ix_workflow_triggers_next_at",
        "workflow_triggers",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    # ### end Alembic commands ###
    op.execute(
        "CREATE FUNCTION workflow_versions_stay() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'a published version never changes'; END $$"
    )
    op.execute(
        "CREATE TRIGGER workflow_versions_stay BEFORE UPDATE OR DELETE ON workflow_versions "
        "FOR EACH ROW EXECUTE FUNCTION workflow_versions_stay()"
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")
