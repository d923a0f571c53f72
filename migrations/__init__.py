"""One line of dated migrations, run by Alembic."""
