"""Run the migrations over one plain connection, under a lock that several processes may ask for at once."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from provenance.core.db import metadata, sqlalchemy_url
from provenance.features import load_tables

load_tables()
_LOCK = 7_300_000_001


def run(connection: Connection) -> None:
    """Bring the schema up to date in one transaction."""
    context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=False)
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        context.run_migrations()


async def main() -> None:
    """Connect and run."""
    engine = create_async_engine(sqlalchemy_url(context.config.attributes["url"]))
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


asyncio.run(main())
