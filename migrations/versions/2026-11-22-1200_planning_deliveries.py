"""planning deliveries.

A worker's statements are planned once, when the table is new, and kept. Without statistics the planner can't tell the
index of one lane from that of everything open, and a busy subscription is read from end to end for each delivery until
the first ANALYZE comes by. So the table starts with the statistics of a usual one.
"""

from alembic import op

revision = "4d1c7e90ab36"
down_revision = "0b83d5f7c2a9"
branch_labels = None
depends_on = None

_USUAL = """
INSERT INTO bus_deliveries (workspace_id, subscription_id, message_id, lane, state, due_at, lease, attempts,
                            published_at, expires_at)
SELECT ('00000000-0000-7000-8000-00000000000' || n % 4)::uuid, 'sub_' || n % 16, gen_random_uuid(),
       CASE WHEN n % 2 = 0 THEN n / 2 END, CASE WHEN n % 4 < 2 THEN 'open' ELSE 'delivered' END, n,
       CASE WHEN n % 64 = 0 THEN gen_random_uuid() END, 0, n, n
  FROM generate_series(1, 3000) AS n
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    if op.get_bind().exec_driver_sql("SELECT 1 FROM bus_deliveries LIMIT 1").first() is not None:
        op.execute("ANALYZE bus_deliveries")
        return
    op.execute(_USUAL)
    op.execute("ANALYZE bus_deliveries")
    with op.get_bind().begin_nested():  # in a transaction of its own it makes a new file, whose size is not known yet
        op.execute("TRUNCATE bus_deliveries RESTART IDENTITY")


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")
