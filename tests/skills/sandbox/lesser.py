"""Starts Python as somebody who may do less than root: ``python lesser.py namespaces|files -m pytest …``.

``namespaces``: a user other than root who may make user namespaces. ``files``: one who may not even do that, so that
the sandbox has Landlock and seccomp alone.
"""

import os
import sys
from pathlib import Path

from provenance.skills.sandbox.inside import kernel

NOBODY = 65534


def become(level: str) -> None:
    """Become nobody, of a user namespace where nobody is us."""
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(kernel.NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {gid} 1")
    if level == "files":
        Path("/proc/sys/user/max_user_namespaces").write_text("0")


if __name__ == "__main__":
    become(sys.argv[1])
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
