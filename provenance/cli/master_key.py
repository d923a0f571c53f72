"""The master key from the command line: which ones are in use, a new one in its place, all data keys wrapped anew."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from provenance.cli.errors import Refused


def standing(folder: Path, url: str) -> Iterator[str]:
    """Say how many data keys each master key wraps. Raises Refused."""
    wrapping, counts = _do(folder, url, "count")
    yield f"{wrapping} wraps from now on"
    for key_id, count in counts:
        yield f"{count:,} data keys are wrapped by {key_id}"


def rotated(folder: Path, url: str) -> Iterator[str]:
    """Put a new key file in the place of the old one, which stays beside it, and wrap all data keys by it."""
    old, new, done = _do(folder, url, "rotate")
    yield f"{folder / 'master.key'} holds a new key, {new}; keep a copy outside this machine"
    yield f"{done.changed:,} of {done.keys:,} data keys were wrapped anew"
    yield f"{folder / 'master.key'}.{old} is the old one: backups made until now need it, nothing else does"


def rewrapped(folder: Path, url: str) -> Iterator[str]:
    """Wrap all data keys by the key that the settings name. Raises Refused."""
    wrapping, done = _do(folder, url, "rewrap")
    yield f"{done.changed:,} of {done.keys:,} data keys were wrapped anew, by {wrapping}"


def _do(folder: Path, url: str, what: str) -> tuple:  # type: ignore[type-arg]
    from provenance.core.keyring import KeyringError

    try:
        return asyncio.run(_done(folder, url, what))
    except KeyringError as error:
        raise Refused(str(error)) from None


async def _done(folder: Path, url: str, what: str) -> tuple:  # type: ignore[type-arg]
    from provenance.core.db import Database
    from provenance.core.keyring import load_masters
    from provenance.core.rewrapping import count_by_master, rewrap
    from provenance.core.settings import Settings

    settings, db = Settings(data_dir=folder, database_url=url), Database(url, pool_size=2)
    try:
        masters = await load_masters(settings, db)
        if what == "count":
            return masters.id, await count_by_master(db)
        if what == "rewrap":
            return masters.id, await rewrap(masters, db)
        if not masters.by_file:
            raise Refused(f"{masters.id} is held outside: rotate it there, then run `provenance master-key rewrap`")
        old, new = masters.files.rotate()
        return old.id, new.id, await rewrap(masters, db)
    finally:
        await db.close()
