"""The passwords of a cluster, in a file that only we can read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

FILE = "postgres.password"


class Passwords(NamedTuple):
    """The password of the role `provenance` and that of the superuser, both made by us."""

    role: str
    superuser: str


def passwords_of(data_dir: Path) -> Passwords:
    """Read the passwords of a data folder, or make them when there are none yet.

    They are on disk before a cluster can know them, so a crash never leaves a cluster without them.
    """
    path = data_dir / FILE
    try:
        role, superuser = path.read_text().split()
    except FileNotFoundError:
        return _make(path)
    return Passwords(role, superuser)


def _make(path: Path) -> Passwords:
    made = Passwords(os.urandom(24).hex(), os.urandom(24).hex())
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write("\n".join(made) + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    return made
