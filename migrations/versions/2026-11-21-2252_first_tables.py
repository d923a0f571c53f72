"""first tables."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

_APPEND = Path(__file__).resolve().parent.parent / "ledger_append_1.sql"


revision = "b1a522d2cf9b"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "catalogue",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("mnemonic", sa.Text(), nullable=False),
        sa.Column(
            "folded",
            sa.Text(collation="C"),
            nullable=False,
            comment="the mnemonic in lower case: unique ignoring case",
        ),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("icon", sa.Text(), nullable=True),
        sa.Column("font_color_hex", sa.Text(), nullable=True),
        sa.Column("bg_color_hex", sa.Text(), nullable=True),
        sa.Column("is_system", sa.Boolean(), nullable=False),
        sa.Column("auto_created", sa.Boolean(), nullable=False),
        sa.Column("edited", sa.Boolean(), nullable=False),
        sa.Column("used", sa.Boolean(), nullable=False, comment="an interaction names it; never unset"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_catalogue")),
        sa.UniqueConstraint("workspace_id", "kind", "folded", name=op.f("uq_catalogue_workspace_id_kind_folded")),
    )
    op.create_table(
        "data_keys",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("master_key_id", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "generation", name=op.f("pk_data_keys")),
    )
    op.create_table(
        "feed_cursors",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("handler", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("workspace_id", "handler", name=op.f("pk_feed_cursors")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "interaction_fields",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("resource_type_id", sa.Uuid(), nullable=False),
        sa.Column("action_id", sa.Uuid(), nullable=False),
        sa.Column("path", sa.Text(collation="C"), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace_id",
            "resource_type_id",
            "action_id",
            "path",
            "type",
            name=op.f("pk_interaction_fields"),
        ),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "interaction_keys",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False, comment="HMAC of the dedupe key, 16 bytes"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="HMAC of what the client sent, 16 bytes"),
        sa.PrimaryKeyConstraint("workspace_id", "key", name=op.f("pk_interaction_keys")),
    )
    op.create_table(
        "interaction_related",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("resource_id", sa.Text(collation="C"), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace_id", "resource_id", "number", "position", name=op.f("pk_interaction_related")
        ),
    )
    op.create_table(
        "interactions",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("resource_type_id", sa.Uuid(), nullable=False),
        sa.Column("action_id", sa.Uuid(), nullable=False),
        sa.Column("origin_id", sa.Uuid(), nullable=False),
        sa.Column("resource_id", sa.Text(collation="C"), nullable=True),
        sa.Column("user_id", sa.Text(collation="C"), nullable=True),
        sa.Column("external_reference", sa.Text(collation="C"), nullable=True),
        sa.Column("uow_id", sa.Uuid(), nullable=False),
        sa.Column("span_id", sa.Uuid(), nullable=True),
        sa.Column("parent_span_id", sa.Uuid(), nullable=True),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("platform", sa.Boolean(), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("sequence_index", sa.BigInteger(), nullable=True),
        sa.Column("risk", sa.Text(), nullable=True),
        sa.Column("domain", sa.Text(), nullable=True),
        sa.Column("corrects", sa.Uuid(), nullable=True),
        sa.Column(
            "content",
            sa.Text(),
            nullable=True,
            comment="canonical JSON of every erasable field; null once erased",
        ),
        sa.Column("salt", sa.LargeBinary(), nullable=True, comment="16 bytes; null once erased"),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("resource_key", sa.LargeBinary(), nullable=False, comment="keys.r of the envelope"),
        sa.Column("user_key", sa.LargeBinary(), nullable=True, comment="keys.u of the envelope"),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "number", name=op.f("pk_interactions")),
        sa.UniqueConstraint("workspace_id", "id", name=op.f("uq_interactions_workspace_id_id")),
        postgresql_with={
            "autovacuum_vacuum_insert_scale_factor": "0.05",
            "autovacuum_analyze_scale_factor": "0.05",
        },
    )
    op.create_index("ix_interactions_action", "interactions", ["workspace_id", "action_id", "number"], unique=False)
    op.create_index(
        "ix_interactions_external",
        "interactions",
        ["workspace_id", "external_reference", "number"],
        unique=False,
        postgresql_where=sa.text("external_reference IS NOT NULL"),
    )
    op.create_index("ix_interactions_occurred", "interactions", ["workspace_id", "occurred_at", "number"], unique=False)
    op.create_index(
        "ix_interactions_platform",
        "interactions",
        ["workspace_id", "number"],
        unique=False,
        postgresql_where=sa.text("platform"),
    )
    op.create_index("ix_interactions_resource", "interactions", ["workspace_id", "resource_id", "number"], unique=False)
    op.create_index(
        "ix_interactions_resource_type",
        "interactions",
        ["workspace_id", "resource_type_id", "number"],
        unique=False,
    )
    op.create_index(
        "ix_interactions_span",
        "interactions",
        ["workspace_id", "span_id"],
        unique=False,
        postgresql_where=sa.text("span_id IS NOT NULL"),
    )
    op.create_index("ix_interactions_uow", "interactions", ["workspace_id", "uow_id", "number"], unique=False)
    op.create_index(
        "ix_interactions_user",
        "interactions",
        ["workspace_id", "user_id", "number"],
        unique=False,
        postgresql_where=sa.text("user_id IS NOT NULL"),
    )
    op.create_table(
        "ledger_settings",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("catalogue_version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("strict_catalogue", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("queue_generation", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_ledger_settings")),
    )
    op.create_table(
        "people",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("email_digest", sa.LargeBinary(), nullable=False, comment="MAC of the folded address"),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("email_digest", name=op.f("uq_people_email_digest")),
    )
    op.create_table(
        "workspaces",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "instance",
            sa.Boolean(),
            nullable=False,
            comment="the one workspace that holds the installation's own events",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workspaces")),
        sa.UniqueConstraint("slug", name=op.f("uq_workspaces_slug")),
    )
    op.create_index(
        "uq_workspaces_instance",
        "workspaces",
        ["instance"],
        unique=True,
        postgresql_where=sa.text("instance"),
    )
    op.create_table(
        "api_keys",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="the middle part of pv_<id>_<secret>"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the secret"),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_api_keys_workspace_id")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("id", name=op.f("uq_api_keys_id")),
    )
    op.create_table(
        "members",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("joined_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_members_person_id")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_members_workspace_id")),
        sa.PrimaryKeyConstraint("workspace_id", "person_id", name=op.f("pk_members")),
    )
    op.execute(_APPEND.read_text("utf-8"))


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")
