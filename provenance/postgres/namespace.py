"""Enter a user namespace as an unprivileged user, then become another program.

A stand-alone script (`python -I -S -E namespace.py [--writes DIR] PROGRAM [ARGUMENT...]`), because a process
with threads may not enter a user namespace, and because it must not import the package. PostgreSQL refuses to
run as root; inside the namespace root appears as `nobody`, has no capability left outside, and still owns
root's files, so the data may lie below a folder with mode 0700.
"""

from __future__ import annotations

import ctypes
import os
import sys

CLONE_NEWUSER = 0x10000000
NOBODY = 65534


def enter() -> None:
    """Move this process into a new user namespace in which it is `nobody`.

    Raises:
        OSError: the kernel or a seccomp filter forbids user namespaces.

    """
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"unshare(CLONE_NEWUSER): {os.strerror(error)}")
    # The kernel accepts a group map from an unprivileged writer only after setgroups is given up.
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{NOBODY} {uid} 1"),
        ("gid_map", f"{NOBODY} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(line)


def prove_writable(folder: str) -> None:
    """Create and remove a file in `folder`; raises OSError when that is not possible."""
    path = os.path.join(folder, f".probe-{os.getpid()}")
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    os.unlink(path)


def main(arguments: list[str]) -> None:
    """Enter the namespace, prove `--writes DIR` when asked, execute the rest."""
    enter()
    if arguments[0] == "--writes":
        prove_writable(arguments[1])
        arguments = arguments[2:]
    os.execv(arguments[0], arguments)  # noqa: S606  (becoming that program is the purpose)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(str(error))
