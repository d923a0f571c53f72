"""skills."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "a91c7e30b4d2"
down_revision = "b7d20c94e1f5"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _make_skills()
    _make_packages()
    _make_versions()
    _make_uses()


def _make_skills() -> None:
    op.create_table(
        "skills",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("runtime", sa.Text(), nullable=False, comment="python3, node or wasm"),
        sa.Column("handler", sa.Text(), nullable=True, comment="null until a package arrives"),
        sa.Column("input_schema", JSONB(), nullable=False),
        sa.Column("output_schema", JSONB(), nullable=True),
        sa.Column("connection_id", sa.Text(), nullable=True, comment="conn_…, through which its calls go out"),
        sa.Column("secret_refs", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("trust_level", sa.Text(), nullable=False),
        sa.Column("risk_level", sa.Text(), nullable=False),
        sa.Column("limits", JSONB(), nullable=False),
        sa.Column("egress", JSONB(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False, comment="draft, ready or disabled"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False, comment="of the row, for If-Match"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_skills")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_skills_workspace_id_name")),
    )


def _make_packages() -> None:
    op.create_table(
        "skill_packages",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("skill_id", sa.Uuid(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("manifest", JSONB(), nullable=True, comment="null until it is uploaded"),
        sa.Column("runtime_version", sa.Text(), nullable=True, comment="of the machine that took it"),
        sa.Column("expires_at", sa.BigInteger(), nullable=False, comment="until when it may be uploaded"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("uploaded_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "skill_id"],
            ["skills.workspace_id", "skills.id"],
            name=op.f("fk_skill_packages_workspace_id_skill_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_skill_packages")),
    )
    op.create_index("ix_skill_packages_skill", "skill_packages", ["workspace_id", "skill_id"], unique=False)


def _make_versions() -> None:
    op.create_table(
        "skill_versions",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("skill_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("runtime", sa.Text(), nullable=False),
        sa.Column("handler", sa.Text(), nullable=False),
        sa.Column("input_schema", JSONB(), nullable=False),
        sa.Column("output_schema", JSONB(), nullable=True),
        sa.Column("connection_id", sa.Text(), nullable=True),
        sa.Column("secret_refs", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("limits", JSONB(), nullable=False),
        sa.Column("egress", JSONB(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "skill_id"],
            ["skills.workspace_id", "skills.id"],
            name=op.f("fk_skill_versions_workspace_id_skill_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "package_id"],
            ["skill_packages.workspace_id", "skill_packages.id"],
            name=op.f("fk_skill_versions_workspace_id_package_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "skill_id", "version", name=op.f("pk_skill_versions")),
    )


def _make_uses() -> None:
    op.create_table(
        "skill_uses",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="what calls it, such as workflow"),
        sa.Column("referrer", sa.Text(), nullable=False, comment="its id on the wire"),
        sa.Column("referrer_version", sa.Integer(), nullable=False),
        sa.Column("skill_id", sa.Uuid(), nullable=False),
        sa.Column(
            "version", sa.Integer(), nullable=False, comment="of the skill, that the referrer's version is pinned to"
        ),
        sa.Column(
            "live_skill_id",
            sa.Uuid(),
            nullable=True,
            comment="the skill again while the referrer's version is live: it can't be deleted",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "live_skill_id"], ["skills.workspace_id", "skills.id"], name="fk_skill_uses_live_skill_id"
        ),
        sa.PrimaryKeyConstraint(
            "workspace_id", "kind", "referrer", "referrer_version", "skill_id", name=op.f("pk_skill_uses")
        ),
    )
    op.create_index("ix_skill_uses_live", "skill_uses", ["workspace_id", "live_skill_id"], unique=False)


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")
