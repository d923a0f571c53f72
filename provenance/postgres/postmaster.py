"""What a postmaster says about itself in `postmaster.pid`, and whether it is really alive."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")


class PostmasterFile(NamedTuple):
    """The lines of `postmaster.pid` that matter; `status` is one of starting, ready, standby, stopping."""

    pid: int
    socket_dir: str
    status: str


def read(pgdata: Path) -> PostmasterFile | None:
    """Return what the file says, or None when there is none or it is not written in full yet."""
    try:
        lines = (pgdata / "postmaster.pid").read_text(errors="replace").splitlines()
        pid = int(lines[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None
    # Lines: pid, data folder, start time, port, socket folder, listen address, shared memory key, status.
    lines += [""] * (8 - len(lines))
    return PostmasterFile(pid, lines[4], lines[7].strip())


def serves(pid: int, pgdata: Path) -> bool:
    """Tell whether `pid` is a living PostgreSQL process of this cluster.

    A number in a file proves nothing: it may have been given to another program since, or be a zombie. Every
    process of a cluster works in its data folder, so we compare that; where there is no /proc we can only ask
    whether the number is in use.
    """
    if not _PROC.joinpath("self").exists():
        return _exists(pid)
    try:
        return (_PROC / str(pid) / "comm").read_text().strip() == "postgres" and _works_in(pid, pgdata)
    except OSError:
        return False


def processes(pgdata: Path) -> list[int]:
    """Return every living PostgreSQL process of this cluster, also ones whose postmaster is dead."""
    if not _PROC.joinpath("self").exists():
        found = read(pgdata)
        return [found.pid] if found and _exists(found.pid) else []
    return [int(entry) for entry in os.listdir(_PROC) if entry.isdigit() and serves(int(entry), pgdata)]


def running(pgdata: Path) -> PostmasterFile | None:
    """Return the living postmaster of this cluster, or None."""
    found = read(pgdata)
    return found if found and serves(found.pid, pgdata) else None


def _works_in(pid: int, pgdata: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").samefile(pgdata)
    except PermissionError:
        # Root without CAP_SYS_PTRACE cannot look; the postmaster's command line is open to everybody.
        return os.fsencode(pgdata) in (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
