"""The folder that holds the server's Unix socket: short, private, and provably ours."""

from __future__ import annotations

import os
import stat
import zlib
from pathlib import Path

from .errors import UnsafeSocketFolder

#: The kernel's limit for a socket path is 108 bytes with the final zero; we stay clear of it.
LONGEST_PATH = 100
SOCKET_NAME = ".s.PGSQL.5432"


def digest(data_dir: Path) -> str:
    """Return a short name for a data folder: its path and its inode, so two folders do not share one."""
    return f"{zlib.crc32(os.fsencode(data_dir)):08x}{data_dir.stat().st_ino & 0xFFFFFF:06x}"


def socket_folder(data_dir: Path, uid: int) -> Path:
    """Return where the socket of `data_dir` goes when `uid` runs the server; makes nothing.

    `$XDG_RUNTIME_DIR/pv-<digest>` when that folder belongs to `uid` alone and the path is short enough, else
    `/tmp/pv-<uid>-<digest>`.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime):
        folder = Path(runtime) / f"pv-{digest(data_dir)}"
        if len(os.fsencode(folder / SOCKET_NAME)) < LONGEST_PATH and _objection(Path(runtime), uid) is None:
            return folder
    return Path("/tmp") / f"pv-{uid}-{digest(data_dir)}"  # noqa: S108  (0700, and its owner is checked)


def make_private(folder: Path, uid: int, gid: int) -> None:
    """Make the folder with mode 0700 for `uid`, or accept the one that is there.

    Raises:
        UnsafeSocketFolder: it is a symbolic link, belongs to somebody else, or is open to others.

    """
    try:
        folder.mkdir(mode=0o700)
        os.chown(folder, uid, gid)
    except FileExistsError:
        pass
    objection = _objection(folder, uid)
    if objection:
        raise UnsafeSocketFolder(str(folder), objection)


def _objection(folder: Path, uid: int) -> str | None:
    try:
        found = folder.lstat()
    except OSError as error:
        return error.strerror or str(error)
    if not stat.S_ISDIR(found.st_mode):
        return "it is not a folder (a symbolic link, perhaps)"
    if found.st_uid != uid:
        return f"it belongs to user {found.st_uid}, not {uid}"
    if found.st_mode & 0o077:
        return f"others may use it (mode {stat.S_IMODE(found.st_mode):04o})"
    return None
