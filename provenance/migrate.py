"""Bring a database's schema up to date."""

import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.config import Config

_ONE_AT_A_TIME = threading.Lock()  # Alembic's context is one per process; processes wait for a lock in the database
_FOLDER = Path(__file__).resolve().parent.parent / "migrations"


def config(database_url: str) -> "Config":
    """Return Alembic's configuration for a database; there is no ini file."""
    from alembic.config import Config  # a server that only asks for `head` once pays for this import late

    found = Config()
    found.set_main_option("script_location", str(_FOLDER))
    found.set_main_option("file_template", "%%(year)d-%%(month).2d-%%(day).2d-%%(hour).2d%%(minute).2d_%%(slug)s")
    found.attributes["url"] = database_url
    return found


def upgrade(database_url: str) -> None:
    """Run every migration that this database has not seen. Several processes may call it at once."""
    from alembic import command

    with _ONE_AT_A_TIME:
        command.upgrade(config(database_url), "head")


@lru_cache
def head() -> str:
    """Return the revision that this version of the code works with."""
    from alembic.script import ScriptDirectory

    found = ScriptDirectory.from_config(config("")).get_current_head()
    assert found is not None
    return found
