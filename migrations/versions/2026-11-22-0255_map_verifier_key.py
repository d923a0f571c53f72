"""the key that signed a completeness map is kept beside it."""

import sqlalchemy as sa
from alembic import op

revision = "a1c64f2e98b7"
down_revision = "e5a90c3b7f14"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    signed_by = sa.Column("verifier_key", sa.Text(), nullable=True, comment="of the key that signed the note")
    op.add_column("completeness_maps", signed_by)
    op.drop_column("completeness_maps", "key_generation")


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")
