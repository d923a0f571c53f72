"""System calls that Python has no function for, by the C library's ``syscall`` and ``prctl``."""

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWNET = 0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x40000000
"""Namespaces that ``unshare`` takes."""

MACHINE = os.uname().machine
_MOUNT_SETATTR = 442
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION_3 = 0x20080522
_AT_RECURSIVE = 0x8000
_ATTR_RDONLY_NOSUID = 0x1 | 0x2
_SET_NO_NEW_PRIVS, _SET_DUMPABLE, _SET_PDEATHSIG = 38, 4, 1
_REC_PRIVATE = 0x4000 | (1 << 18)
_REC_BIND = 0x4000 | 0x1000
_NOSUID_NODEV = 0x2 | 0x4
_DETACH = 2


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def syscall(number: int, *arguments: object) -> int:
    """Make a system call and return what it gives. Raises OSError."""
    wide = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *wide))


def unshare(flags: int) -> None:
    """Leave namespaces for new ones. Raises OSError where the kernel or a policy forbids it."""
    _checked(_libc.unshare(ctypes.c_int(flags)))


def own_mounts() -> None:
    """Take a mount table of our own, from which nothing spreads."""
    unshare(NEWNS)
    _checked(_libc.mount(None, b"/", None, ctypes.c_ulong(_REC_PRIVATE), None))


def mount_tmpfs(folder: str, options: str) -> None:
    """Mount an empty file system in memory; ``options`` bound it."""
    flags = ctypes.c_ulong(_NOSUID_NODEV)
    _checked(_libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, options.encode()))


def bind(source: str, target: str, *, read_only: bool = True) -> None:
    """Show a file or a folder at another place too."""
    at = os.fsencode(target)
    _checked(_libc.mount(os.fsencode(source), at, None, ctypes.c_ulong(_REC_BIND), None))
    if read_only:
        attributes = (ctypes.c_uint64 * 4)(_ATTR_RDONLY_NOSUID, 0, 0, 0)
        syscall(_MOUNT_SETATTR, -100, ctypes.c_char_p(at), _AT_RECURSIVE, attributes, ctypes.sizeof(attributes))


def change_root(folder: str) -> None:
    """Make a folder, which must be a mount, the root; what was the root before is out of reach."""
    os.chdir(folder)
    syscall(_PIVOT_ROOT[MACHINE], ctypes.c_char_p(b"."), ctypes.c_char_p(b"."))
    unmount(".")
    os.chdir("/")


def unmount(folder: str) -> None:
    """Take a mount away, with all that is mounted below it."""
    _checked(_libc.umount2(os.fsencode(folder), ctypes.c_int(_DETACH)))


def forgo_capabilities() -> None:
    """Give up every capability, for good."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    syscall(_CAPSET[MACHINE], header, (ctypes.c_uint32 * 6)())


def forgo_privileges() -> None:
    """See to it that no program started from here on can gain any. Filters may be set from then on."""
    _checked(_libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def hide_memory() -> None:
    """Keep the process's memory from others of the same user, and out of core dumps."""
    _checked(_libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0))


def die_with_parent(number: int) -> None:
    """Have the kernel send us a signal when our parent ends."""
    _checked(_libc.prctl(_SET_PDEATHSIG, number, 0, 0, 0))


def prctl(option: int, *arguments: object) -> int:
    """Call ``prctl``. Raises OSError."""
    return _checked(_libc.prctl(option, *arguments))
