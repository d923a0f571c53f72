"""keyed repeats: the hash of a request that may be repeated is a keyed one, for its body may hold a secret."""

from alembic import op

revision = "d2905c6be817"
down_revision = "4be17c90d5f8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.alter_column("idempotency_keys", "request", comment="keyed hash of the canonical body")


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")
