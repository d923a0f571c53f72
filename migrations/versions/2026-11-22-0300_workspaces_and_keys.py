"""workspaces, environments, limits of keys, erased people."""

import sqlalchemy as sa
from alembic import op

revision = "2c6f81ad940e"
down_revision = "a1c64f2e98b7"
branch_labels = None
depends_on = None

_WATCHED = {
    "api_keys": "UPDATE OF revoked_at, scopes, expires_at, networks OR DELETE",
    "workspaces": "UPDATE OF fresh_login_minutes",
}
"""What changes the power of somebody who was let in already, besides what was watched before."""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _workspaces()
    op.create_table(
        "environments",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("protected", sa.Boolean(), nullable=False, comment="changes there ask for an extra confirmation"),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_environments_workspace_id")),
        sa.PrimaryKeyConstraint("workspace_id", "slug", name=op.f("pk_environments")),
    )
    op.execute(
        "INSERT INTO environments (workspace_id, slug, name, protected, position, created_at) "
        "SELECT w.id, e.slug, initcap(e.slug), e.slug = 'production', e.position - 1, w.created_at FROM workspaces w, "
        "unnest(ARRAY['production', 'staging', 'development']) WITH ORDINALITY AS e(slug, position) "
        "WHERE NOT w.instance"
    )
    op.add_column("api_keys", sa.Column("expires_at", sa.BigInteger(), nullable=True, comment="null: never"))
    networks = "where it may be used from; null: anywhere"
    op.add_column("api_keys", sa.Column("networks", sa.ARRAY(sa.Text()), nullable=True, comment=networks))
    op.add_column("api_keys", sa.Column("last_used_at", sa.BigInteger(), nullable=True, comment="to the minute"))
    op.create_table(
        "person_erasures",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False, comment="of the erasure; the tombstone is made of it"),
        sa.Column("events", sa.BigInteger(), nullable=False, comment="platform rows whose person is nobody now"),
        sa.Column("erased_at", sa.BigInteger(), nullable=False),
        sa.Column("erased_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_person_erasures_person_id")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_person_erasures")),
        sa.UniqueConstraint("id", name=op.f("uq_person_erasures_id")),
    )
    op.execute("DROP TRIGGER auth_changed ON api_keys")
    for table, when in _WATCHED.items():
        op.execute(
            f"CREATE TRIGGER auth_changed AFTER {when} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION auth_changed()"
        )


def _workspaces() -> None:
    fresh = "null: the installation's setting"
    for column in (
        sa.Column("default_region", sa.Text(), server_default="local", nullable=False),
        sa.Column("data_retention_days", sa.Integer(), server_default="90", nullable=False),
        sa.Column("self_approval", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("fresh_login_minutes", sa.Integer(), nullable=True, comment=fresh),
        sa.Column(
            "default_approvers",
            sa.ARRAY(sa.Text()),
            server_default=sa.text("'{group:approvers}'"),
            nullable=False,
            comment="kind:id each",
        ),
        sa.Column("created_by", sa.Text(), server_default="system", nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True, comment="null until the first change"),
        sa.Column("updated_by", sa.Text(), nullable=True),
    ):
        op.add_column("workspaces", column)


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")
