"""Landlock: from here on the process reaches the files it names, and no others (Linux 5.13 and newer)."""

import ctypes
import os
from collections.abc import Iterable

from provenance.skills.sandbox.inside import kernel

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_VERSION_ONLY = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_FIRST_RIGHTS = (1 << 13) - 1
_MAKE_SPECIAL = 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11  # character devices, sockets, pipes, block devices
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_NET = 1 << 0 | 1 << 1  # binding and connecting TCP sockets
_SCOPES = 1 << 0 | 1 << 1  # abstract sockets, signals: not to processes outside

READ = _READ_FILE | _READ_DIR
RUN = READ | _EXECUTE
READ_WRITE = _READ_FILE | _WRITE_FILE
OWN = (_FIRST_RIGHTS | _REFER | _TRUNCATE) & ~_EXECUTE & ~_MAKE_SPECIAL


def version() -> int:
    """Return the version of the kernel's interface; 0 where there is none."""
    try:
        return kernel.syscall(_CREATE, None, 0, _VERSION_ONLY)
    except OSError:
        return 0


def restrict(rules: Iterable[tuple[str, int]]) -> None:
    """Confine this thread, and all it starts, to these paths with these rights. Raises OSError."""
    known = version()
    files = _FIRST_RIGHTS
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEVICE)):
        files |= right if known >= since else 0
    attributes = (ctypes.c_uint64 * 3)(files, _NET if known >= 4 else 0, _SCOPES if known >= 6 else 0)
    size = 8 if known < 4 else 16 if known < 6 else 24
    ruleset = kernel.syscall(_CREATE, attributes, size, 0)
    try:
        for path, rights in rules:
            _allow(ruleset, path, rights & files)
        kernel.forgo_privileges()
        kernel.syscall(_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not os.path.isdir(path):
            rights &= _OF_FILES
        rule = _Beneath(rights, place)
        kernel.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(place)
