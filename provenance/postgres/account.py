"""The OS account that runs PostgreSQL for root where user namespaces are closed, and its folder."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

from .binaries import Binaries
from .errors import NotPermitted


def find(name: str) -> tuple[int, int] | None:
    """Return (uid, gid) of the account, or None when there is none."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    if entry.pw_uid == 0:
        raise NotPermitted(f"the account {name} has uid 0")
    return entry.pw_uid, entry.pw_gid


def make(name: str, home: Path) -> tuple[int, int]:
    """Create a system account without login and return (uid, gid).

    Raises:
        NotPermitted: neither `useradd` nor `adduser` made it.

    """
    login = ["--shell", "/usr/sbin/nologin", "--home-dir", str(home)]
    ways = (
        ["useradd", "--system", "--user-group", "--no-create-home", *login, name],
        ["adduser", "-S", "-D", "-H", "-h", str(home), "-s", "/sbin/nologin", name],
    )
    problems: list[str] = []
    for command in ways:
        if shutil.which(command[0]) is None:
            problems.append(f"{command[0]} is not installed")
            continue
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (fixed words)
        made = find(name)
        if made:
            return made
        problems.append(f"{command[0]}: {result.stderr.strip()}")
    raise NotPermitted("; ".join(problems))


def open_home(home: Path, gid: int) -> None:
    """Make the product's own folder and let the account's group pass through it, but not list it.

    Only this folder is ever changed, and only when it belongs to root.
    """
    home.mkdir(mode=0o710, exist_ok=True)
    found = home.stat()
    passable = found.st_mode & stat.S_IXOTH or (found.st_gid == gid and found.st_mode & stat.S_IXGRP)
    if not passable and found.st_uid == 0:
        os.chown(home, -1, gid)
        home.chmod((found.st_mode & 0o700) | stat.S_IXGRP)


def copy_programs(programs: Binaries, home: Path) -> Binaries:
    """Copy the programs below `home` unless this very build is there, and return the copy."""
    built = Path(programs.program("postgres")).stat()
    target = home / "programs" / f"{programs.version()}-{built.st_size}-{int(built.st_mtime)}"
    if not target.exists():
        target.parent.mkdir(mode=0o755, exist_ok=True)
        unfinished = target.with_name(f"{target.name}.{os.getpid()}")
        unfinished.mkdir(mode=0o755)
        for tree in programs.trees():
            # The programs find their libraries by the way from one folder to the other.
            copy = unfinished / tree.relative_to(programs.site)
            shutil.copytree(tree, copy, symlinks=True, ignore=shutil.ignore_patterns("include"))
        unfinished.rename(target)
    return Binaries(target / programs.root.relative_to(programs.site))


def give(tree: Path, uid: int, gid: int) -> None:
    """Give a whole folder to another owner; symbolic links themselves, never what they point to."""
    for folder, _, files in os.walk(tree):
        os.chown(folder, uid, gid)
        for name in files:
            os.chown(Path(folder) / name, uid, gid, follow_symlinks=False)
