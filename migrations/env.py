"""Run the migrations over one plain connection, under a lock that several processes may ask for at once."""

import asyncio

from alembic import context
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import create_async_engine

from provenance.core.db import metadata, sqlalchemy_url
from provenance.features import load_tables
from provenance.migrate import LOCK

load_tables()


def run(connection: Connection) -> None:
    """Bring the schema up to date in one transaction."""
    context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=False)
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        context.run_migrations()


async def main() -> None:
    """Connect and run."""
    attributes = context.config.attributes
    engine = create_async_engine(sqlalchemy_url(attributes["url"]))
    if heard := attributes.get("heard"):
        event.listen(
            engine.sync_engine, "before_cursor_execute", lambda _c, _cursor, said, values, *_: heard(said, values)
        )
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


asyncio.run(main())
