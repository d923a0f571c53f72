"""Bring a database's schema up to date."""

import asyncio
import re
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from provenance.core.db import asyncpg_dsn

if TYPE_CHECKING:
    from alembic.config import Config

_ONE_AT_A_TIME = threading.Lock()  # Alembic's context is one per process; processes wait for a lock in the database
_FOLDER = Path(__file__).resolve().parent.parent / "migrations"
_REVISION = re.compile(r'^(down_)?revision\b[^=]*= "(\w+)"', re.MULTILINE)
FRESH: Final = _FOLDER / "fresh.sql"
"""What the migrations say to an empty database, as ``migrations.record`` wrote it down."""
LOCK: Final = 7_300_000_001
"""Of the database that is brought up to date: one process at a time."""


def config(database_url: str) -> "Config":
    """Return Alembic's configuration for a database; there is no ini file."""
    from alembic.config import Config

    found = Config()
    found.set_main_option("script_location", str(_FOLDER))
    found.set_main_option("file_template", "%%(year)d-%%(month).2d-%%(day).2d-%%(hour).2d%%(minute).2d_%%(slug)s")
    found.attributes["url"] = database_url
    return found


def upgrade(database_url: str) -> None:
    """Run every migration that this database has not seen. Several processes may call it at once."""
    if not asyncio.run(_begun(database_url)):
        run_all(database_url)


def run_all(database_url: str, heard: Callable[[str, Any], None] | None = None) -> None:
    """Run every migration that this database has not seen, one by one, also when it is empty.

    ``heard`` is told each statement and its parameters.
    """
    from alembic import command  # who has a database that is up to date already doesn't pay for this import

    settings = config(database_url)
    settings.attributes["heard"] = heard
    with _ONE_AT_A_TIME:
        command.upgrade(settings, "head")


@lru_cache
def head() -> str:
    """Return the revision that this version of the code works with: the one that no other follows."""
    made: set[str] = set()
    followed: set[str] = set()
    for path in (_FOLDER / "versions").glob("*.py"):
        for down, revision in _REVISION.findall(path.read_text("utf-8")):
            (followed if down else made).add(revision)
    [found] = made - followed
    return found


async def _begun(database_url: str) -> bool:
    """Bring the schema of an empty database up to date in one piece; tell whether it is up to date now."""
    connection = await asyncpg.connect(asyncpg_dsn(database_url), server_settings={"application_name": "migrations"})
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            if await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL"):
                return bool(await connection.fetchval("SELECT version_num FROM alembic_version") == head())
            script = FRESH.read_text("utf-8")
            if f"-- The schema at {head()}:" not in script:
                return False
            await connection.execute(script)
            return True
    finally:
        await connection.close()
