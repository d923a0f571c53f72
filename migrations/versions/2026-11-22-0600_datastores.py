"""datastores."""

import sqlalchemy as sa
from alembic import op

revision = "7d3e91b6f0a2"
down_revision = "9a1d7e42c0f6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "datastore_garbage",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("blob", sa.Text(), nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False, comment="when nobody can be reading it any more"),
        sa.PrimaryKeyConstraint("workspace_id", "blob", name=op.f("pk_datastore_garbage")),
    )
    op.create_index("ix_datastore_garbage_after", "datastore_garbage", ["after"], unique=False)
    op.create_table(
        "datastore_uploads",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False, comment="all its bytes are below this name in the object store"),
        sa.Column("datastore_id", sa.Uuid(), nullable=False, comment="no foreign key: its bytes outlive the datastore"),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="announced"),
        sa.Column("sha256", sa.LargeBinary(), nullable=True, comment="announced, or null"),
        sa.Column("only_new", sa.Boolean(), nullable=False, comment="ifNoneMatch was asked for"),
        sa.Column("direct", sa.Boolean(), nullable=False, comment="the address is the object store's own"),
        sa.Column("parts", sa.ARRAY(sa.Text()), nullable=False, comment="what came in parts, in order"),
        sa.Column("received_bytes", sa.BigInteger(), nullable=False, comment="of all parts"),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_datastore_uploads")),
    )
    op.create_index(
        "ix_datastore_uploads_direct",
        "datastore_uploads",
        ["workspace_id", "datastore_id"],
        unique=False,
        postgresql_where=sa.text("direct AND done_at IS NULL"),
    )
    op.create_index("ix_datastore_uploads_expires_at", "datastore_uploads", ["expires_at"], unique=False)
    op.create_table(
        "datastores",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("environment", sa.Text(), nullable=True),
        sa.Column("retention_days", sa.Integer(), nullable=True, comment="null: objects stay"),
        sa.Column("max_object_bytes", sa.BigInteger(), nullable=True, comment="null: the installation's"),
        sa.Column("quota_bytes", sa.BigInteger(), nullable=True, comment="null: none"),
        sa.Column("object_count", sa.BigInteger(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_datastores")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_datastores_workspace_id_name")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_table(
        "datastore_objects",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("datastore_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False, comment="listed in byte order"),
        sa.Column("id", sa.Uuid(), nullable=False, comment="what the ledger calls it; stays when it is written again"),
        sa.Column(
            "blob", sa.Text(), nullable=False, comment="its bytes in the object store; another one at each write"
        ),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True, comment="the run that wrote it"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "datastore_id"],
            ["datastores.workspace_id", "datastores.id"],
            name=op.f("fk_datastore_objects_workspace_id_datastore_id"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "datastore_id", "key", name=op.f("pk_datastore_objects")),
    )
    op.create_index(
        "ix_datastore_objects_updated_at",
        "datastore_objects",
        ["workspace_id", "datastore_id", "updated_at"],
        unique=False,
    )
    op.create_table(
        "datastore_references",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("datastore_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="what works with it, such as workflow"),
        sa.Column("referrer", sa.Text(), nullable=False, comment="its id on the wire"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "datastore_id"],
            ["datastores.workspace_id", "datastores.id"],
            name=op.f("fk_datastore_references_workspace_id_datastore_id"),
        ),
        sa.PrimaryKeyConstraint(
            "workspace_id", "datastore_id", "kind", "referrer", name=op.f("pk_datastore_references")
        ),
    )
    op.create_index(
        "ix_datastore_references_referrer", "datastore_references", ["workspace_id", "kind", "referrer"], unique=False
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")
