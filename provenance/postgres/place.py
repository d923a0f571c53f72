"""Where everything of one server is, settled before it starts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from . import account
from .errors import FolderNotOurs, StartFailed
from .passwords import Passwords
from .run_as import OsAccount, RunAs, program_environment
from .socket_folder import digest

ROLE = "provenance"
DATABASE = "provenance"
START_LOG = "postgres.start.log"
#: `pg_isready` ends with 0 (yes), 1 (not yet), 2 (nobody there); more is a fault of its own.
_NO_RESPONSE = 2


class Place(NamedTuple):
    """The cluster's folder, its socket folder, its passwords, and who runs it."""

    data_dir: Path
    run_as: RunAs
    pgdata: Path
    sockets: Path
    passwords: Passwords

    @property
    def dsn(self) -> str:
        """Address of the database, for libpq and asyncpg alike."""
        return dsn(self.sockets, self.passwords)

    @property
    def start_log(self) -> Path:
        """What the server prints before its log files are open."""
        return self.data_dir / START_LOG

    def log_tail(self, characters: int = 2000) -> str:
        """Return the end of what the server last wrote: its start-up output and its newest log file."""
        by_age = sorted(self.pgdata.glob("log/*.log"), key=lambda path: path.stat().st_mtime)
        files = [path for path in (self.start_log, *by_age[-1:]) if path.exists()]
        return "".join(path.read_text(errors="replace")[-characters:] for path in files)[-characters:]

    def answers(self) -> bool:
        """Tell whether the server accepts connections (`pg_isready`).

        Raises:
            StartFailed: the question could not even be asked.

        """
        program = self.run_as.binaries.program("pg_isready")
        command = [program, "-q", "-h", str(self.sockets), "-d", DATABASE]
        result = subprocess.run(  # noqa: S603  (our own binary)
            command, env=program_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if result.returncode > _NO_RESPONSE:
            raise StartFailed("pg_isready", result.returncode, result.stdout.decode(errors="replace"))
        return result.returncode == 0


def dsn(sockets: Path, passwords: Passwords) -> str:
    """Return the address of the database behind a socket folder."""
    return f"postgresql://{ROLE}:{passwords.role}@/{DATABASE}?host={quote(str(sockets))}"


def cluster_folder(data_dir: Path) -> Path:
    """Return the real folder of the cluster of a data folder; it may not exist."""
    return Path(os.path.realpath(data_dir / "postgres"))


def settle_cluster(data_dir: Path, run_as: RunAs, os_account: OsAccount) -> Path:
    """Return the cluster's folder, made reachable and owned for the user that runs the server.

    That is `<data>/postgres`. When an OS account cannot reach it there, the cluster lies below
    the folder of that account and `<data>/postgres` is a symbolic link to it. A cluster that an earlier
    start of ours ran as somebody else is handed over, so no start begins with an empty database by mistake.

    Raises:
        FolderNotOurs: the cluster belongs to a user who has nothing to do with us.

    """
    visible = data_dir / "postgres"
    if run_as.mode == "account" and not visible.is_symlink() and not run_as.reaches(data_dir):
        _move(visible, os_account.home / "clusters" / digest(data_dir))
    pgdata = cluster_folder(data_dir)
    if os.geteuid() == 0 and pgdata.exists() and pgdata.stat().st_uid != run_as.uid:
        _hand_over(pgdata, run_as, os_account)
    return pgdata


def _hand_over(pgdata: Path, run_as: RunAs, os_account: OsAccount) -> None:
    owner, known = pgdata.stat().st_uid, account.find(os_account.name)
    if owner not in (0, known[0] if known else 0):
        # An ordinary user's database would be lost to that user.
        raise FolderNotOurs(str(pgdata), f"it belongs to user {owner} and we are root")
    account.give(pgdata, run_as.uid, run_as.gid)


def _move(visible: Path, home: Path) -> None:
    import shutil

    home.parent.mkdir(mode=0o711, exist_ok=True)
    if visible.exists():
        shutil.move(visible, home)
    visible.symlink_to(home)
