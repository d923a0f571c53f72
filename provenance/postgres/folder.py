"""What the supervisor keeps in a data folder, and where the cluster of that folder lies."""

from __future__ import annotations

import os
from pathlib import Path

from . import account
from .run_as import ACCOUNT_HOME, RunAs
from .socket_folder import digest

PASSWORDS = "postgres.password"


class Passwords:
    """The two passwords of a cluster, in one file that only we can read: the role's, then the superuser's."""

    def __init__(self, role: str, superuser: str) -> None:
        self.role = role
        self.superuser = superuser

    @classmethod
    def of(cls, data_dir: Path) -> Passwords:
        """Read them, or make them when there are none yet."""
        path = data_dir / PASSWORDS
        try:
            role, superuser = path.read_text().split()
        except FileNotFoundError:
            role, superuser = os.urandom(24).hex(), os.urandom(24).hex()
            fresh = path.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
                file.write(f"{role}\n{superuser}\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(path)
        return cls(role, superuser)


def place_cluster(data_dir: Path, run_as: RunAs) -> Path:
    """Return the folder of the cluster, made reachable and owned for the user that runs the server.

    That is `<data>/postgres`. When an OS account cannot reach it there, the cluster lies below
    `/var/lib/provenance/clusters` and `<data>/postgres` is a symbolic link to it. A cluster that an earlier
    start ran as somebody else is handed over, so no start begins with an empty database by mistake.
    """
    visible = data_dir / "postgres"
    if run_as.mode == "account" and not visible.is_symlink() and not _reaches(run_as, data_dir):
        _move_home(visible, ACCOUNT_HOME / "clusters" / digest(data_dir))
    pgdata = Path(os.path.realpath(visible))
    if pgdata.exists() and pgdata.stat().st_uid != run_as.uid and os.geteuid() == 0:
        account.give(pgdata, run_as.uid, run_as.gid)
    return pgdata


def _reaches(run_as: RunAs, folder: Path) -> bool:
    status, _ = run_as.run(["/bin/sh", "-c", 'test -x "$1/."', "sh", str(folder)])
    return status == 0


def _move_home(visible: Path, home: Path) -> None:
    import shutil

    home.parent.mkdir(mode=0o711, exist_ok=True)
    if visible.exists():
        shutil.move(visible, home)
    visible.symlink_to(home)


def log_tail(pgdata: Path, start_log: Path, characters: int = 2000) -> str:
    """Return the end of what the server last wrote: its start-up output and its newest log file."""
    files = [start_log, *sorted(pgdata.glob("log/*.log"), key=lambda path: path.stat().st_mtime)[-1:]]
    texts = [path.read_text(errors="replace")[-characters:] for path in files if path.exists()]
    return "".join(texts)[-characters:]
